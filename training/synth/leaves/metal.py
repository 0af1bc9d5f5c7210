"""Metal and glass in the forms of ivory."""

from __future__ import annotations

import random

from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.materials.minerals import glass, metal


def metal_glass(rng: random.Random, context: BuildContext) -> Built:
    """A worked form in metal or glass."""
    material = rng.choices((metal, glass), (3, 2))[0]
    built = worked(rng, context, material)
    built.params["material"] = material.__name__
    return built


BUILDERS = {"metal_glass": metal_glass}
