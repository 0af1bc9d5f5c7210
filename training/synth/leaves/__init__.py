"""The door to the leaf builders: what a builder gets, what it returns, and which module holds which leaf.

A builder makes mesh objects with materials, resting on z = 0 around the origin, together about 1.0 unit in the largest
dimension. It knows nothing of grounds, lights or cameras: those are sampled apart so that they cannot predict the leaf.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["BUILDERS", "BuildContext", "Builder", "Built", "builder_for"]


@dataclass(frozen=True)
class BuildContext:
    """What a builder may look at.

    assets: folder with ``meshes/*.off`` and ``normals/*.webp``.
    holdout: True for the synthetic test set, which uses meshes and material families of its own.
    held_meshes: names of the meshes that only the synthetic test set may use.
    """

    assets: Path
    holdout: bool = False
    held_meshes: tuple[str, ...] = ()


@dataclass
class Built:
    """One product or group of products in the scene.

    objects: every ``bpy.types.Object`` that belongs to the products.
    params: JSON-able facts for the replay file (form, material, colours, …).
    instances: the objects of each separate product, one inner list a product; empty means that all are one product.
    props: objects that come with the product but are no part of it (stand, box, cord); never in the mask.
    crowd: True for a heap whose members cannot be told apart; it gets one crowd box besides the instances.
    """

    objects: list[Any]
    params: dict[str, Any]
    instances: list[list[Any]] = field(default_factory=list)
    props: list[Any] = field(default_factory=list)
    crowd: bool = False


Builder = Callable[[random.Random, BuildContext], Built]

_MODULES = {
    "ivory_raw": "ivory",
    "ivory_worked": "ivory",
    "hornbill_casque_raw": "hornbill",
    "hornbill_casque_worked": "hornbill",
    "python_skin_raw": "python",
    "python_skin_goods": "python",
    "rhino_horn_raw": "rhino",
    "rhino_horn_worked": "rhino",
    "bone_antler": "bone",
    "resin_plastic": "resin",
    "ceramic_stone": "stone",
    "metal_glass": "metal",
    "wood_carving": "horn_wood",
    "bovine_horn": "horn_wood",
    "other_reptile_leather": "leather",
    "plain_leather": "leather",
    "everyday_goods": "everyday",
}
LEAVES = tuple(_MODULES)
BUILDERS: dict[str, Builder] = {}  # filled by builder_for, so that nothing imports bpy before it is needed


def builder_for(leaf: str) -> Builder:
    """The builder of a leaf, from its module's ``BUILDERS``. Raises KeyError for an unknown leaf."""
    if leaf not in _MODULES:
        raise KeyError(f"no builder for leaf {leaf!r}; known: {', '.join(_MODULES)}")
    if leaf not in BUILDERS:
        BUILDERS.update(importlib.import_module(f"{__name__}.{_MODULES[leaf]}").BUILDERS)
    return BUILDERS[leaf]
