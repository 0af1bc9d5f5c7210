"""Ceramic and stone: the forms of ivory in porcelain, marble, jade, soapstone, clay."""

from __future__ import annotations

import random

from training.synth.forms import worked
from training.synth.leaves import BuildContext, Built
from training.synth.materials.minerals import cut_stone, porcelain, terracotta


def ceramic_stone(rng: random.Random, context: BuildContext) -> Built:
    """A worked form in a mineral material."""
    material = rng.choices((porcelain, cut_stone, terracotta), (4, 5, 1))[0]
    built = worked(rng, context, material)
    built.params["material"] = material.__name__
    return built


BUILDERS = {"ceramic_stone": ceramic_stone}
