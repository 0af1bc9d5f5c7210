"""What each picture will be: shares per leaf and every scene parameter, drawn from seeds. Pure Python, no bpy.

The leaf and the scene come from separate random streams of the same picture, so ground, light, camera and clutter
cannot predict the leaf.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.settings import checked, read_yaml
from wildvision.errors import ArgumentError
from wildvision.taxonomy import load_taxonomy

EMPTY = "everyday"  # a scene without any product carries this leaf
GOODS = "everyday_goods"  # built like a product, named only by a run of its own; labelled like an empty scene
GROUNDS = (
    "table_wood", "table_plain", "cloth", "velvet", "bed_sheet", "print_cloth", "carpet", "floor_tile", "floor_wood",
    "stone", "paper", "newspaper", "studio", "shelf", "glass_case", "cardboard", "concrete", "palm",
)  # fmt: skip
CLUTTER = (
    "book",
    "cup",
    "box",
    "coins",
    "ruler",
    "phone",
    "pen",
    "bottle",
    "plate",
    "tag",
    "vase",
    "ball",
    "cloth_heap",
)


@dataclass(frozen=True)
class SynthConfig:
    """Contents of ``configs/synth.yaml``.

    shares: weight of every leaf and of ``empty``; they need not sum to 1.
    holdout: names of HDRIs and meshes that only the test split may use.
    """

    shares: Mapping[str, float]
    holdout: Mapping[str, Sequence[str]]
    probabilities: Mapping[str, float]


def load_config(path: str | Path) -> SynthConfig:
    """Read the YAML; unknown or missing keys are errors."""
    config = SynthConfig(**checked(read_yaml(Path(path)), SynthConfig, Path(path).name))
    negative = sum(v for k, v in config.shares.items() if group_of(k) == "none")
    if not 0.45 <= negative / sum(config.shares.values()) <= 0.75:
        raise ArgumentError("between 45 % and 75 % of the shares must be look-alikes or empty scenes")
    return config


def group_of(leaf: str) -> str:
    """Product group of a leaf, ``none`` for look-alikes and empty scenes."""
    return load_taxonomy().group_of(leaf) or "none"


def label_of(name: str) -> str:
    """The leaf that what is built under ``name`` is labelled with."""
    return EMPTY if name == GOODS else name


def stream(seed: int, index: int, name: str) -> random.Random:
    """An independent random stream for one aspect of one picture."""
    digest = hashlib.sha256(f"{seed}/{index}/{name}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def plan_leaf(config: SynthConfig, seed: int, index: int, only: Sequence[str] = ()) -> str:
    """The leaf of picture ``index``: drawn by share, or in turn from ``only``."""
    if only:
        return only[index % len(only)]
    names = sorted(config.shares)
    return stream(seed, index, "leaf").choices(names, [config.shares[n] for n in names])[0]


def sample_scene(config: SynthConfig, seed: int, index: int, hdris: Sequence[str]) -> dict[str, Any]:
    """Everything but the product, as JSON-able numbers; takes no leaf, by design.

    Lengths are in product lengths (the product is about 1.0), angles in radians.
    """
    rng = stream(seed, index, "scene")
    p = config.probabilities
    ground = rng.choice(GROUNDS)
    upright = ground in ("studio", "shelf", "glass_case")
    return {
        "ground": {"kind": ground, "seed": rng.getrandbits(32)},
        "wall": rng.random() < p["wall"],
        "light": {
            "hdri": rng.choice(sorted(hdris)),
            "turn": rng.uniform(0, 6.28),
            "world": rng.choice((0.25, 0.5, 0.8, 1.0)) * rng.uniform(0.6, 1.4),
            "area": rng.random() < 0.7,
            "area_seed": rng.getrandbits(32),
            "flash": rng.random() < p["flash"],
            "exposure": rng.gauss(0.25, 0.35),
            "view": rng.choices(("AgX", "Standard", "Filmic"), (3, 4, 1))[0],
        },
        "camera": {
            "azimuth": rng.gauss(0, 0.25 if upright else 0.6),
            "elevation": rng.uniform(0.12, 0.7) if upright else rng.uniform(*rng.choice(((0.3, 0.9), (0.9, 1.5)))),
            "roll": rng.gauss(0, 0.06),
            "lens": rng.choice((24, 26, 28, 35, 50, 70)),
            "fill": rng.uniform(*rng.choices(((0.8, 1.25), (0.5, 0.8), (0.22, 0.5)), (4, 4.5, 0.7))[0]),
            "shift": [max(-0.24, min(0.24, rng.gauss(0, 0.1))) for _ in range(2)],
            "fstop": rng.choice((4, 5.6, 11, 16)),
            "dof": rng.random() < 0.3,
            "aspect": rng.choices((1.0, 4 / 3, 3 / 4, 16 / 9, 9 / 16), (4, 4, 4, 1, 2))[0],
        },
        "layout": {
            "copies": rng.choices((1, 2, 3), (8, 1.4, 0.6))[0],
            "turn": rng.uniform(0, 6.28) if rng.random() < 0.5 else rng.gauss(0, 0.4),
            "lean": rng.random() < 0.12,
            "seed": rng.getrandbits(32),
        },
        "companion": rng.random() < p["companion"],
        "clutter": {"items": _clutter(rng, p), "seed": rng.getrandbits(32)},
        "occluder": rng.choices(("none", "hand", "finger", "glove", "ribbon"), p_occluder(p["occluder"]))[0],
        "occluder_seed": rng.getrandbits(32),
        "post_seed": rng.getrandbits(32),
    }  # fmt: skip


def p_occluder(share: float) -> tuple[float, ...]:
    """Weights for none, hand, finger, glove and ribbon."""
    return (1 - share, share * 0.45, share * 0.25, share * 0.15, share * 0.15)


def _clutter(rng: random.Random, p: Mapping[str, float]) -> list[str]:
    if rng.random() >= p["clutter"]:
        return []
    return [rng.choice(CLUTTER) for _ in range(rng.choices((1, 2, 3, 5, 7), (4, 4, 3, 2, 1))[0])]
