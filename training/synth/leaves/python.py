"""Python skin, raw and made up into goods."""

from __future__ import annotations

import random
from functools import partial

from training.synth.leaves import BuildContext, Builder, Built, footwear, pelts
from training.synth.leaves.wardrobe import GOODS, PELTS, HideMaker, make
from training.synth.materials.hides import Hide, snake

_SKINS = {**PELTS, "flat_skin": (5, partial(pelts.flat_skin, ratio=(4.0, 10.0)))}
_GOODS = {**GOODS, "footwear": (7, partial(footwear.footwear, shaft=0.75))}


def _maker(rng: random.Random, context: BuildContext, views: tuple[str, ...], raw: bool) -> HideMaker:
    seed = rng.getrandbits(32)
    view = rng.choice(views)

    def hide(stream: random.Random, shape: tuple[int, int], px: float) -> Hide:
        # Several panels of one object come from like skins; a pile holds skins of one tannery but not one colour.
        same = random.Random(seed) if stream.random() < 0.6 else stream
        return snake(same, shape, px, view=view, holdout=context.holdout, raw=raw)

    return hide


def python_skin_raw(rng: random.Random, context: BuildContext) -> Built:
    """Skins laid out, rolled, stacked, or cut to swatches."""
    return make(rng, context, _maker(rng, context, ("back", "back", "belly"), raw=True), _SKINS)


def python_skin_goods(rng: random.Random, context: BuildContext) -> Built:
    """Bags, wallets, belts, straps, boots, shoes, garments, cases, fiddles."""
    return make(rng, context, _maker(rng, context, ("back", "back", "belly", "flank"), raw=False), _GOODS, larger=1.25)


BUILDERS: dict[str, Builder] = {"python_skin_raw": python_skin_raw, "python_skin_goods": python_skin_goods}
