"""Does the background of a render give its product away? ``python -m training.synth.background_check --renders DIR``.

A probe sees patches from the corners of the frame that lie clear of every object, and says whether the picture is of a
product or of one of its look-alikes. It should not do better than chance. Two choices keep the question honest:

- Patches, not the picture with its objects painted over: the shape and size of a painted patch tell a tusk from a bowl.
- One size of patch from the same four places for all, and a picture's score is the mean over its patches, so that
  neither the size of an object nor the number of its free corners speaks.

The same probe on the whole picture is reported beside it: were that at chance too, the probe would be blind.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.command import run_script
from training.data.progress import track
from training.synth.config import EMPTY, group_of
from wildvision.errors import ArgumentError
from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.metrics import Ranking, auroc
from wildvision.taxonomy import load_taxonomy

SIDE = 0.25  # of a patch, in long sides of the picture
MARGIN = 1 / 32  # kept clear around objects, in long sides: soft edges, contact shadows
INPUT = 128  # pixels a side that the network sees
STRENGTH = 1e-3  # inverse regularisation, features standardised
FOLDS, RESAMPLES, LIMIT = 5, 1000, 0.6

Embed = Callable[[Sequence[np.ndarray]], np.ndarray]
"""RGB pictures of any size to ``(n, d)`` features."""


@dataclass(frozen=True)
class Render:
    """A render with its leaf, ``(n, d)`` features of its free corners and ``(1, d)`` of the whole picture."""

    leaf: str
    corners: np.ndarray
    whole: np.ndarray


def free_corners(image: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """The corner patches of ``(H, W, 3)`` ``image`` that keep clear of what is not 0 in ``mask`` ``(H, W)``; 0 to 4."""
    height, width = mask.shape
    side, margin = round(SIDE * max(mask.shape)), round(MARGIN * max(mask.shape))
    near = cv2.dilate((mask > 0).astype(np.uint8), np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    places = [np.s_[y : y + side, x : x + side] for y in (0, height - side) for x in (0, width - side)]
    return [image[place] for place in places if not near[place].any()]


def imagenet_features(cache: Path) -> Embed:
    """Pooled features of an EfficientNet-Lite0 as ImageNet left it."""
    import timm
    import torch

    from training.classifier.pretrained import pretrained_backbone

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    network.load_state_dict(pretrained_backbone("efficientnet-lite0", "tf_efficientnet_lite0", cache=cache), False)
    network.eval()

    @torch.inference_mode()
    def embed(images: Sequence[np.ndarray]) -> np.ndarray:
        sized = np.stack([cv2.resize(image, (INPUT, INPUT), interpolation=cv2.INTER_CUBIC) for image in images])
        x = (torch.from_numpy(sized).permute(0, 3, 1, 2).float() - 127) / 128
        return np.asarray(network(x).numpy())

    return embed


def read_renders(folder: Path, embed: Embed) -> Iterator[Render]:
    """Every finished render of ``folder`` whose product or look-alike is visible, and the everyday scenes.

    Pictures without a free corner come with no patch, so that they can be counted.
    """
    files = sorted((folder / "params").glob("*.json"))
    if not files:
        raise ArgumentError(f"no renders in {folder}; make them with python -m training.synth.render")
    for file in track(files, "background"):
        params = json.loads(file.read_text(encoding="utf-8"))
        leaf = params["leaf"]
        if leaf != EMPTY and all(item["leaf"] != leaf for item in params["instances"]):
            continue
        image = cv2.imread(str(folder / "images" / f"{file.stem}.jpg"))[..., ::-1]
        patches = free_corners(image, cv2.imread(str(folder / "masks" / f"{file.stem}.png"), cv2.IMREAD_GRAYSCALE))
        features = embed([image, *patches])
        yield Render(leaf, features[1:], features[:1])


def out_of_fold(views: Sequence[np.ndarray], labels: np.ndarray, seed: int) -> np.ndarray:
    """``(n,)`` scores of pictures by a logistic regression that has not seen them.

    views: for each picture its ``(k, d)`` features, k > 0; labels: ``(n,)`` true for products.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros(len(labels))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(labels, labels):
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000, random_state=seed)
        )
        repeats = [len(views[i]) for i in seen]
        probe.fit(
            np.concatenate([views[i] for i in seen]),
            np.repeat(labels[seen], repeats),
            logisticregression__sample_weight=np.repeat(1 / np.asarray(repeats), repeats),
        )
        scores[unseen] = [probe.decision_function(views[i]).mean() for i in unseen]
    return scores


def measure(products: Sequence[Render], others: Sequence[Render], seed: int) -> dict[str, Any]:
    """Counts and AUROCs with 95 % bootstrap intervals over pictures, from background alone and from the whole."""
    shown, rivals = [r for r in products if len(r.corners)], [r for r in others if len(r.corners)]
    used = [*shown, *rivals]
    labels = np.arange(len(used)) < len(shown)
    found: dict[str, Any] = {
        "products": len(shown),
        "others": len(rivals),
        "without_free_corner": len(products) + len(others) - len(used),
    }
    if min(len(shown), len(rivals)) < FOLDS:
        return found | {"background": None, "whole": None}
    rng = np.random.default_rng(seed)
    weights = np.zeros((RESAMPLES, len(labels)), np.int32)
    for side in (labels, ~labels):
        weights[:, side] = rng.multinomial(side.sum(), np.full(side.sum(), 1 / side.sum()), size=RESAMPLES)
    for name, views in (("background", [r.corners for r in used]), ("whole", [r.whole for r in used])):
        ranking = Ranking.of(out_of_fold(views, labels, seed), labels)
        estimate = Estimate.of(auroc(*ranking.counts()), auroc(*ranking.counts(weights)))
        found[name] = [round(float(v), 3) for v in (estimate.value, estimate.low, estimate.high) if v is not None]
    return found


def check(renders: Sequence[Render], seed: int = 0) -> dict[str, dict[str, Any]]:
    """One row a product group against its own look-alikes, and one of all products against scenes without any."""
    rows = {}
    for name, group in load_taxonomy().groups.items():
        rivals = [leaf for leaf in group.lookalikes if leaf != EMPTY]
        rows[name] = measure(
            [r for r in renders if r.leaf in group.leaves], [r for r in renders if r.leaf in rivals], seed
        )
    rows["any product, against everyday scenes"] = measure(
        [r for r in renders if group_of(r.leaf) != "none"], [r for r in renders if r.leaf == EMPTY], seed
    )
    return rows


def to_markdown(report: dict[str, Any]) -> str:
    """The report as a page with one table."""
    lines = [
        "# Does the background give the product away?",
        "",
        f"{report['renders']} renders, seed {report['seed']}. AUROC of a logistic regression on frozen ImageNet "
        f"features, {FOLDS}-fold by picture, with 95 % bootstrap intervals over pictures. 0.5 is chance, the bound is "
        f"{LIMIT}; values just below chance are the work of the folds: what one has in excess the others lack.",
        "*Background*: corner patches clear of every object. *Whole picture*: the same probe with the objects in view.",
        "",
        "| group | products | others | no free corner | background | whole picture |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in report["rows"].items():
        cells = ["not measured" if not row[k] else "{} ({}–{})".format(*row[k]) for k in ("background", "whole")]
        lines.append(
            f"| {name} | {row['products']} | {row['others']} | {row['without_free_corner']} | {' | '.join(cells)} |"
        )
    return "\n".join([*lines, "", f"Verdict: {report['verdict']}.", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring. Returns 1 when a background gives its product away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=Path, required=True, help="folder that training.synth.render filled")
    parser.add_argument("--out", type=Path, required=True, help="report.json to write, with a .md beside it")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="where downloaded weights are kept")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    renders = list(read_renders(options.renders, imagenet_features(options.cache)))
    rows = check(renders, options.seed)
    found = [name for name, row in rows.items() if row["background"] and row["background"][0] > LIMIT]
    report = {
        "renders": len(renders),
        "seed": options.seed,
        "rows": rows,
        "verdict": f"above {LIMIT} for {', '.join(found)}" if found else f"no group is above {LIMIT}",
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    options.out.with_suffix(".md").write_text(to_markdown(report), encoding="utf-8")
    print(to_markdown(report))
    return bool(found)


if __name__ == "__main__":
    run_script(main)
