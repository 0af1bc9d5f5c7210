"""Resin and plastic: cream casts like ivory, red-and-yellow and amber goods like casque, plain plastic."""

from __future__ import annotations

import random
from functools import partial

from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.hornbill import slab
from training.synth.leaves.tusks import mounted_tusk, single_tusk, tusk_pair
from training.synth.materials.imitations import amber, cream_resin, plastic, two_tone_resin

_CASQUE_FORMS = ("beads", "pendant", "plaque", "vessel", "figurine", "bangle")


def resin_plastic(rng: random.Random, context: BuildContext) -> Built:
    """Forms of ivory and of casque in resin; sometimes cast tusks."""
    chance = rng.random()
    if chance < 0.38:
        built, material = worked(rng, context, cream_resin), "cream resin"
    elif chance < 0.45:
        cast = rng.choices((single_tusk, tusk_pair, mounted_tusk), (5, 1.5, 1.5))[0]
        built, material = cast(rng, [cream_resin(rng, context.holdout)] * 3), "cream resin"
    elif chance < 0.66:
        built, material = slab(rng, context, partial(two_tone_resin, attribute="skin")), "two-tone resin"
    elif chance < 0.74:
        built, material = worked(rng, context, two_tone_resin, _CASQUE_FORMS), "two-tone resin"
    elif chance < 0.92:
        built, material = worked(rng, context, amber, (*_CASQUE_FORMS, "turned")), "amber"
    else:
        built, material = worked(rng, context, plastic), "plastic"
    built.params["material"] = material
    return built


BUILDERS = {"resin_plastic": resin_plastic}
