"""Python skin, raw and made up into goods."""

from __future__ import annotations

import random
from functools import partial

from training.synth.leaves import BuildContext, Builder, Built
from training.synth.leaves.wardrobe import GOODS, PELTS, make
from training.synth.materials.hides import VIEWS, snake


def python_skin_raw(rng: random.Random, context: BuildContext) -> Built:
    """Skins laid out, rolled, stacked, or cut to swatches."""
    return make(rng, context, partial(snake, view=rng.choice(VIEWS), holdout=context.holdout), PELTS)


def python_skin_goods(rng: random.Random, context: BuildContext) -> Built:
    """Bags, wallets, belts, straps, boots, shoes, garments, cases, fiddles."""
    return make(rng, context, partial(snake, view=rng.choice(VIEWS), holdout=context.holdout), GOODS)


BUILDERS: dict[str, Builder] = {"python_skin_raw": python_skin_raw, "python_skin_goods": python_skin_goods}
