"""Dresses a form in a hide: the one place where leather goods meet a skin, used alike for pythons and for their
look-alikes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from training.synth import shapes
from training.synth.leaves import BuildContext, Built, footwear, goods, pelts
from training.synth.leaves.panels import Dress, Object
from training.synth.materials import skin as materials
from training.synth.materials.hides import Hide
from training.synth.materials.leathers import plain

HideMaker = Callable[[random.Random, tuple[int, int], float], Hide]
Form = Callable[[random.Random, Dress], list[list[Object]]]
MAX_PIXELS = 1024  # longest side of a hide's maps: enough for pictures of 512 pixels


def single(form: Callable[[random.Random, Dress], list[Object]]) -> Form:
    return lambda rng, dress: [form(rng, dress)]


# Weight and form. The test set of renders shares the forms and keeps hides of its own.
GOODS: dict[str, tuple[int, Form]] = {
    "handbag": (6, single(goods.handbag)),
    "tote": (2, single(goods.tote)),
    "clutch": (2, single(goods.clutch)),
    "wallet": (4, single(goods.wallet)),
    "belt": (3, single(goods.belt)),
    "watch_strap": (2, single(goods.watch_strap)),
    "phone_case": (1, single(goods.phone_case)),
    "case": (2, single(goods.case)),
    "footwear": (7, footwear.footwear),
    "garment": (3, pelts.garment),
    "drum": (1, pelts.drum),
}
PELTS: dict[str, tuple[int, Form]] = {
    "flat_skin": (5, pelts.flat_skin),
    "rolls": (4, pelts.rolls),
    "stack": (2, pelts.stack),
    "swatches": (3, pelts.swatches),
}


def _dress(rng: random.Random, context: BuildContext, maker: HideMaker, scale_cm: float) -> Dress:
    facts: list[dict[str, Any]] = []

    def skin(width: float, height: float, turned: bool = False) -> Any:
        across, along = (height, width) if turned else (width, height)
        # A little larger than the panel, at a resolution that shows single scales without huge maps.
        across, along = across * 1.15 + 1, min(along * 1.15 + 1, 140.0)
        px = min(26.0, MAX_PIXELS / max(across, along) * scale_cm * (2.0 if along > 60 else 1.0))
        shape = (max(64, int(along / scale_cm * px)), max(64, int(across / scale_cm * px)))
        hide = maker(rng, shape, px)
        facts.append(hide.params)
        u, v = (along, across) if turned else (across, along)
        return materials.skin(hide, units=scale_cm * hide.px / px, offset=(-u / 2, -v / 2), turned=turned)

    trim_hide = plain(rng, (256, 256), 20.0, holdout=context.holdout, sober=rng.random() < 0.75)
    colour = rng.choice([(0.02, 0.018, 0.016), (0.12, 0.05, 0.025), (0.7, 0.66, 0.58), (0.3, 0.16, 0.07)])
    return Dress(
        skin=skin,
        trim=materials.skin(trim_hide, units=0.7, name="trim"),
        lining=materials.lining(rng),
        metal=materials.hardware(rng),
        thread=materials.plain_colour(colour, 0.8),
        dark=materials.plain_colour((0.015, 0.015, 0.017), 0.35),
        params={
            "sole": materials.plain_colour(
                rng.choice([(0.02, 0.018, 0.017), (0.1, 0.035, 0.02), (0.28, 0.15, 0.07)]), 0.4
            ),
            "white": materials.plain_colour((0.82, 0.8, 0.77), 0.5),
            "facts": facts,
        },
    )


def make(
    rng: random.Random,
    context: BuildContext,
    maker: HideMaker,
    forms: dict[str, tuple[int, Form]],
) -> Built:
    """One piece (or pair, or pile) of a weighted random form in the maker's hide."""
    name = rng.choices(list(forms), weights=[weight for weight, _ in forms.values()])[0]
    scale_cm, seed = rng.uniform(0.8, 1.6), rng.getrandbits(32)

    def hide(stream: random.Random, shape: tuple[int, int], px: float) -> Hide:
        # Several panels of one object come from like skins; a pile holds skins of one tannery but not one colour.
        return maker(random.Random(seed) if stream.random() < 0.6 else stream, shape, px)

    if name in ("watch_strap", "wallet", "phone_case", "case", "belt"):
        scale_cm *= 0.65
    elif name in PELTS:  # seen from further away
        scale_cm *= 1.2
    dress = _dress(rng, context, hide, scale_cm)
    instances = forms[name][1](rng, dress)
    objects = [obj for group in instances for obj in group]
    shapes.fit(objects)
    params = {"form": dress.params.get("form", name), "scale_cm": scale_cm, "hides": dress.params["facts"]}
    return Built(objects, params, instances if len(instances) > 1 else [], crowd=len(instances) > 5)
