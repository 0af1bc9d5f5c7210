"""A detector's evaluation as ``report.json`` and a self-contained ``index.html``. Layout only; measures nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from training.detector.measures import Part
from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.page import document, table
from wildvision.evaluation.plots import precision_recall_plot
from wildvision.evaluation.report import JSON_NAME, PAGE_NAME

TITLES = {
    "real": "Photographs",
    "synthetic": "Synthetic: renders made by this project, not comparable with photographs",
}


_BY_THRESHOLDS = ("recall_at_review", "recall_in_company", "everyday_with_boxes", "per_leaf", "per_source")


@dataclass(frozen=True)
class Report:
    """Everything measured of one recipe.

    Attributes:
        model: What was measured.
        measured_on: What the photos were, in words.
        policy: Group to calibration and thresholds, and what they were fitted on.
        parts: ``real`` and ``synthetic``, as far as there were photos.
        elsewhere: Photographs by calibration and thresholds fitted on other folds; ``None`` of a single fold.
        second_look: Weights of the second look and what it changes; empty where it was not measured.
        image_fusion: As :func:`training.detector.fusion.image_fusion` gives it; empty without classifier scores.
    """

    model: str
    measured_on: str
    policy: Mapping[str, Any]
    parts: Mapping[str, Part]
    elsewhere: Part | None
    second_look: Mapping[str, Any]
    image_fusion: Mapping[str, Any]

    def to_json(self, *, curves: bool = True) -> dict[str, Any]:
        """Plain JSON; without curves for a model card."""
        block = asdict(self)
        if elsewhere := block.pop("elsewhere"):
            errors = {group: numbers["calibration_error"] for group, numbers in elsewhere["groups"].items()}
            block["thresholds_of_other_folds"] = {
                **{name: elsewhere[name] for name in _BY_THRESHOLDS},
                "calibration_error": errors,
            }
        for part in block["parts"].values():
            for numbers in part["groups"].values():
                if not curves:
                    numbers.pop("curve", None)
        parts: dict[str, Any] = block.pop("parts")
        return {**block, "real": parts.get("real"), "synthetic": parts.get("synthetic")}


def write_report(report: Report, folder: Path) -> Path:
    """Write both files; the same report gives the same bytes. Returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE_NAME).write_text(render(report), encoding="utf-8")
    return folder / PAGE_NAME


def render(report: Report) -> str:
    """The page."""
    body = [
        "<h1>Detector</h1>",
        f"<p><b>Model:</b> <code>{escape(report.model)}</code><br><b>Measured on:</b> {escape(report.measured_on)}<br>",
        "<b>Intervals:</b> 95 % bootstrap over sources, then objects; shares of single photos: Wilson.</p>",
        _policy(report.policy),
    ]
    for name, part in report.parts.items():
        body.append(f'<section class="{name}"><h2>{escape(TITLES[name])}</h2>{_part(part)}</section>')
    if (apart := report.elsewhere) is not None:
        rows: list[Sequence[object]] = [
            ["recall at the review operating points", apart.recall_at_review, f"{apart.n_boxes} boxes"],
            ["the same on photos with several objects", apart.recall_in_company, f"{apart.n_in_company} boxes"],
            ["everyday photos with any box", apart.everyday_with_boxes, ""],
            *([f"calibration error of boxes, {g}", n.calibration_error, ""] for g, n in apart.groups.items()),
        ]
        title = "Photographs by thresholds of the other folds, which have not seen them"
        body.append(f"<h2>{title}</h2>" + table("", ["measure", "value", "of"], rows))
    if report.second_look:
        body.append("<h2>Second look by the classifier</h2>" + _second_look(report.second_look))
    if report.image_fusion.get("groups"):
        body.append("<h2>Whole photos: classifier and detector</h2>" + _fusion(report.image_fusion))
    return document("wildvision detector", "".join(body))


def _policy(policy: Mapping[str, Any]) -> str:
    rows = [
        [group, p["fitted_on"], p["right_boxes"], _threshold(p["review"]), _threshold(p["block"])]
        for group, p in policy.items()
    ]
    heads = ["group", "fitted on", "right boxes", "review", "block"]
    return table("Calibration and operating points", heads, rows)


def _threshold(value: float) -> str:
    return f"{value:.3f}" if value <= 1 else "never"


def _part(part: Part) -> str:
    left_out = f"{part.n_unboxed} photos of products without boxes left out" if part.n_unboxed else "all products boxed"
    overall: list[Sequence[object]] = [
        ["mAP50, mean over groups", part.map50, ""],
        ["mAP50 to 95", f"{part.coco.get('mAP', float('nan')):.3f}", ""],
        ["recall at one false box per ten everyday photos", part.recall_at_budget, f"{part.n_boxes} boxes"],
        ["recall at the review operating points", part.recall_at_review, f"{part.n_boxes} boxes"],
        ["the same on photos with several objects", part.recall_in_company, f"{part.n_in_company} boxes"],
        ["everyday photos with any box", part.everyday_with_boxes, "at the review operating points"],
    ]
    groups = [
        [name, n.n_photos, n.n_boxes, n.n_sources, n.ap50, n.recall_at_budget, n.recall_at_review]
        for name, n in part.groups.items()
    ]
    heads = ["group", "photos", "boxes", "sources", "AP50", "recall at one false box per ten", "recall, review"]
    errors = [[name, n.calibration_error] for name, n in part.groups.items()]
    caveats = "".join(
        f'<p class="note">{escape(name)}: {escape(n.caveat)}</p>' for name, n in part.groups.items() if n.caveat
    )
    leaves = [[leaf, share] for leaf, share in part.per_leaf.items()]
    sources = [[name, n.found, n.others] for name, n in part.per_source.items()]
    return (
        f"<p>{part.n} photos of {part.n_sources} sources; {left_out}.</p>"
        + table("All groups", ["measure", "value", "of"], overall)
        + table("By group", heads, groups)
        + caveats
        + table("Calibration error of boxes, which it was fitted on", ["group", "expected error"], errors)
        + precision_recall_plot({name: n.curve for name, n in part.groups.items()})
        + table("Photos without products that get a box, by leaf", ["leaf", "with a box"], leaves)
        + table("By source, at the review operating points", ["source", "boxes found", "others with a box"], sources)
    )


def _second_look(look: Mapping[str, Any]) -> str:
    rows = [
        [part, group, before, look["ap50"][part]["after"][group]]
        for part, measured in look["ap50"].items()
        for group, before in measured["before"].items()
    ]
    weights = ", ".join(f"{name} {value:.2f}" for name, value in look["weights"].items())
    heads = ["part", "group", "AP50, detector alone", "AP50, with the second look"]
    text = f"<p>Weights of the log-odds: {weights}. Measured on the boxes looked at twice.</p>"
    return text + table("", heads, rows)


_BOTH = (
    "<p>Both: three quarters of the classifier's calibrated log-odds of the whole photo and a quarter of those of "
    "the best crop among the group's boxes (Detections.joint_scores); of the whole photo alone where no box was "
    "looked at again.</p>"
)


def _fusion(fusion: Mapping[str, Any]) -> str:
    rows = [
        [group, n["n_positives"], n["n_in_company"], model, *(Estimate(**n[model][metric]) for metric in n[model])]
        for group, n in fusion["groups"].items()
        for model in ("classifier", "detector", "both")
        if model in n
    ]
    heads = ["group", "photos", "with several objects", "ranked by", "AUROC", "recall at 1 % FPR"]
    heads.append("recall at 1 % FPR, several objects")
    both = any("both" in n for n in fusion["groups"].values())
    return (_BOTH if both else "") + table(f"{fusion['n']} photographs", heads, rows)
