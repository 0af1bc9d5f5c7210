"""A made-up score table: four groups, look-alikes, several sources; the seed decides everything."""

import numpy as np

from wildvision.evaluation.scores import ScoreTable, score_table
from wildvision.taxonomy import load_taxonomy


def make_table(n: int = 600, *, seed: int = 0, skill: float = 6.0, synthetic: float = 0.0) -> ScoreTable:
    """``n`` photos whose raw logits are ``skill`` higher where the group is right; ``synthetic`` of them renders."""
    taxonomy, rng = load_taxonomy(), np.random.default_rng(seed)
    leaves = rng.choice(taxonomy.class_names, size=n)
    rows, raw = [], rng.normal(-4, 2, size=(n, len(taxonomy.group_names)))
    for i, leaf in enumerate(leaves):
        group = taxonomy.group_of(str(leaf))
        if group is not None:
            raw[i, taxonomy.group_names.index(group)] += skill
        rows.append(
            {
                "path": f"photos/{i}.jpg",
                "group": group or "none",
                "leaf": str(leaf),
                "source": f"{leaf}-shop-{rng.integers(0, 4)}",
                "object_id": str(rng.integers(0, 200)),
                "trust": "low" if rng.random() < 0.05 else "high",
                "synthetic": str(int(rng.random() < synthetic)),
            }
        )
    for row in rows[:5]:
        row["group"] = "ambiguous"
    logits = rng.normal(size=(n, len(taxonomy.class_names)))
    logits[np.arange(n), [taxonomy.class_names.index(str(leaf)) for leaf in leaves]] += 3
    leaf_probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return score_table(rows, raw, leaf_probabilities, groups=taxonomy.group_names, leaves=taxonomy.class_names)
