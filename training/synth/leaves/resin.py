"""Resin and plastic: cream casts like ivory, red-and-yellow and amber goods like casque, plain plastic."""

from __future__ import annotations

import random
from functools import partial

from training.synth import shapes
from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.leaves.hornbill import slab
from training.synth.leaves.tusks import tusk
from training.synth.materials.imitations import amber, cream_resin, plastic, two_tone_resin


def resin_plastic(rng: random.Random, context: BuildContext) -> Built:
    """Forms of ivory and of casque in resin; sometimes a cast tusk."""
    chance, held = rng.random(), context.holdout
    if chance < 0.38:
        built, material = worked(rng, context, partial(cream_resin, holdout=held)), "cream resin"
    elif chance < 0.45:
        obj = tusk(rng, end="cut", clean=1.0, number=False)
        for slot in range(len(obj.data.materials)):
            obj.data.materials[slot] = cream_resin(rng, held)
        built, material = Built(shapes.fit([obj]), {"form": "cast tusk"}), "cream resin"
    elif chance < 0.66:
        built, material = slab(rng, context, partial(two_tone_resin, attribute="skin", holdout=held)), "two-tone resin"
    elif chance < 0.74:
        built, material = (
            worked(
                rng,
                context,
                partial(two_tone_resin, holdout=held),
                ("beads", "pendant", "plaque", "vessel", "figurine", "bangle"),
            ),
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
