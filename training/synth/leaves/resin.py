"""Resin and plastic: cream casts like ivory, red-and-yellow and amber goods like casque, plain plastic."""

from __future__ import annotations

import random

from training.synth import shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.hornbill import slab
from training.synth.leaves.ivory import tusk
from training.synth.materials.imitations import amber, cream_resin, plastic, two_tone_resin


def resin_plastic(rng: random.Random, context: BuildContext) -> Built:
    """Forms of ivory and of casque in resin; sometimes a cast tusk."""
    chance = rng.random()
    if chance < 0.38:
        built, material = worked(rng, context, cream_resin), "cream resin"
    elif chance < 0.45:
        obj = tusk(rng, end="cut", clean=1.0, number=False)
        for slot in range(len(obj.data.materials)):
            obj.data.materials[slot] = cream_resin(rng)
        built, material = Built(shapes.fit([obj]), {"form": "cast tusk"}), "cream resin"
    elif chance < 0.66:
        built, material = slab(rng, context, lambda r: two_tone_resin(r, "skin")), "two-tone resin"
    elif chance < 0.74:
        built, material = (
            worked(rng, context, two_tone_resin, ("beads", "pendant", "plaque", "vessel", "figurine", "bangle")),
            "two-tone resin",
        )
    elif chance < 0.92:
        built, material = (
            worked(rng, context, amber, ("beads", "pendant", "bangle", "figurine", "vessel", "plaque", "turned")),
            "amber",
        )
    else:
        built, material = worked(rng, context, plastic), "plastic"
    built.params["material"] = material
    return built


BUILDERS = {"resin_plastic": resin_plastic}
