"""An evaluation as one self-contained HTML page. Holds layout only; every number comes from :mod:`.measure`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.plots import confusion_plot, group_plot
from wildvision.evaluation.results import CorruptionCost, Evaluation, GroupNumbers, Part, Pointing, Share

_TITLES = {
    "real": ("Photographs", "Photos taken with a camera."),
    "synthetic": ("Synthetic", "Renders made by this project. Never mixed with photographs, not comparable with them."),
}
_ERRORS = {
    "missed": "Worst misses, below the threshold of 1 % FPR",
    "false": "Worst false alarms, above it",
}
_COSTLY = 0.15
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b2a33;max-width:74rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.6rem}h2{margin-top:2.6rem;border-bottom:2px solid #1b2a33}h3{margin-top:2rem}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;white-space:nowrap}
.stacked small{display:block;white-space:nowrap}.stacked td,.stacked th{padding:.2rem .45rem;white-space:normal}
th,td{padding:.2rem .7rem;border-bottom:1px solid #dde3e7;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600;color:#52646f}
small{color:#52646f}.bad{background:#fbdcd4}.note{background:#fff4d6;padding:.5rem .8rem;border-left:4px solid #e0a800}
.synthetic{background:#f4f0fa;padding:.1rem 1.2rem 1.2rem;border-radius:8px}
.wide{overflow-x:auto}.sheet{display:flex;flex-wrap:wrap;gap:.7rem}.sheet figure{margin:0;width:144px;font-size:12px}
.sheet img{width:144px;height:144px;object-fit:contain;background:#eef1f3}figcaption{overflow-wrap:anywhere}
svg{max-width:100%;height:auto}
"""


class Html(str):
    """Text that is HTML already."""


def document(title: str, body: str) -> str:
    """A whole page in the style of all reports, with nothing outside it."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def render(evaluation: Evaluation, *, photos: Path | None = None) -> str:
    """The page.

    Args:
        evaluation: What to show.
        photos: Folder that the paths of the photos are relative to; thumbnails of the worst errors are embedded
            when given, so do not publish such a page. Without it they are named only.
    """
    body = [
        "<h1>Evaluation</h1>",
        f"<p><b>Model:</b> <code>{escape(evaluation.model)}</code><br><b>Policy:</b> {escape(evaluation.policy)}<br>",
        f"<b>Measured on:</b> {escape(evaluation.measured_on)}<br>" if evaluation.measured_on else "",
        f"<b>Intervals:</b> 95 %, {evaluation.resamples} bootstrap resamples over sources, then objects "
        f"(seed {evaluation.seed}), of shares no narrower than Wilson's of as many objects; shares of single photos: "
        "Wilson.</p>",
    ]
    if evaluation.unscored:
        counts = ", ".join(f"{status} {n}" for status, n in sorted(evaluation.unscored.items()))
        body.append(f'<p class="note">Photos that could not be scored and are in no number: {escape(counts)}.</p>')
    for name, part in evaluation.parts:
        body.append(f'<section class="{name}">{_part(name, part, photos)}</section>')
    if evaluation.robustness:
        body.append("<h2>Robustness</h2>" + _robustness(evaluation.robustness))
    if evaluation.explanations:
        body.append("<h2>Explanations</h2>" + _explanations(evaluation.explanations))
    return document("wildvision evaluation", "".join(body))


def _part(name: str, part: Part, photos: Path | None) -> str:
    title, remark = _TITLES[name]
    left_out = f"{part.left_out['ambiguous']} ambiguous and {part.left_out['low_trust']} of low trust left out"
    out = [f"<h2>{title}</h2><p>{remark} {part.n} photos of {part.n_sources} sources; {left_out}.</p>"]
    if part.absent:
        out.append(
            '<p class="note">No positives and no thresholds, so nothing was measured: '
            f"{escape(', '.join(part.absent))}.</p>"
        )
    out.append(_headline(part.groups))
    out.append(_ppv(part.groups))
    for group, numbers in part.groups.items():
        out.append(f"<h3>{escape(group)}</h3>")
        if numbers.caveat:
            out.append(f'<p class="note">{escape(numbers.caveat)}</p>')
        if numbers.n_positives:
            out.append(group_plot(numbers))
            out.append(_shares("Recall by source", "source", numbers.per_source, "recall at 1 % FPR"))
            out.append(_products(numbers.per_product_leaf))
        out.append(_shares("False positives by leaf", "leaf", numbers.per_leaf, "at the 1 % FPR threshold"))
        for kind, caption in _ERRORS.items():
            if numbers.worst[kind]:
                out.append(_errors(caption, numbers.worst[kind], photos))
    if any(map(any, part.confusion["counts"])):
        out.append("<h3>Confusion of leaves, look-alikes among them</h3>" + confusion_plot(part.confusion))
    return "".join(out)


def _headline(groups: Mapping[str, GroupNumbers]) -> str:
    heads = ["group", "photos", "objects", "sources", "negatives", "AUROC", "AP", "recall at 1 % FPR"]
    heads += [
        "recall at 0.1 % FPR",
        "ECE",
        "ECE at a prevalence",
        "recall, review",
        "recall, block",
        "FPR, review",
        "FPR, block",
    ]
    rows = [
        [
            *(group, n.n_positives, n.n_objects, n.n_sources, n.n_negatives, n.auroc, n.average_precision),
            *(
                *n.recall_at_fpr.values(),
                n.ece,
                *(Html(f"{_cell(ece)}<small>at {share}</small>") for share, ece in n.ece_at.items()),
                *n.recall.values(),
                *n.false_positive_rate.values(),
            ),
        ]
        for group, n in groups.items()
    ]
    return _stacked(table("All groups", heads, rows))


def _ppv(groups: Mapping[str, GroupNumbers]) -> str:
    rows = [
        [f"{group}, {threshold}", *by_base.values()]
        for group, n in groups.items()
        if n.n_positives
        for threshold, by_base in n.ppv.items()
    ]
    heads = next(iter(next(iter(groups.values())).ppv.values())) if groups else {}
    remark = "Share of flags that are right, by base rate; f false flags of n count as (f + 1) / (n + 1)"
    return table(remark, ["threshold", *heads], rows)


def _shares(caption: str, head: str, rows: Mapping[str, Mapping[str, Any]], at_1pct: str) -> str:
    ordered = sorted(rows.items(), key=lambda item: -item[1]["n"])
    cells = [[name, r["n"], r["fpr_0.01"], r["review"], r["block"]] for name, r in ordered]
    return table(caption, [head, "photos", at_1pct, "review", "block"], cells)


def _products(leaves: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ["leaf", "photos", "objects", "sources", "AUROC", "recall at 1 % FPR", "review", "block"]
    cells = [
        [leaf, *(r[name] for name in ("n", "n_objects", "n_sources", "auroc", "fpr_0.01", "review", "block"))]
        for leaf, r in leaves.items()
    ]
    return table("Products by leaf, against all negatives", heads, cells)


def _robustness(costs: Sequence[CorruptionCost]) -> str:
    cells: list[list[Any]] = []
    for c in costs:
        mark = ' class="bad"' if c.strength == 2 and c.lost.value is not None and c.lost.value > _COSTLY else ""
        lost = Html(f"<span{mark}>{_points(c.lost)}</span>")
        cells.append([c.corruption, c.strength, c.group, c.part, c.n_positives, c.n_sources, c.n_negatives])
        cells[-1] += [f"{100 * c.recall:.1f}", lost, f"{100 * c.recall_fixed:.1f}", f"{100 * c.fpr_fixed:.2f}"]
    heads = ["corruption", "strength", "group", "part", "positives", "sources", "negatives"]
    heads += ["recall, %", "lost, points", "recall fixed, %", "FPR fixed, %"]
    remark = (
        "Recall at 1 % FPR; fixed: at the threshold of clean photos. Marked: the middle strength loses over 15 points"
    )
    return _stacked(table(remark, heads, cells))


def _points(lost: Estimate) -> str:
    if lost.value is None:
        return str(lost)
    if lost.low is None or lost.high is None:
        return f"{100 * lost.value:+.1f} [too few for an interval]"
    return f"{100 * lost.value:+.1f} [{100 * lost.low:+.1f}, {100 * lost.high:+.1f}]"


def _explanations(found: Sequence[Pointing]) -> str:
    cells = [
        [p.group, p.part, p.n, p.n_sources, p.n_filled, f"{p.energy:.3f}", f"{p.chance:.3f}", p.ratio] for p in found
    ]
    heads = ["group", "part", "measured", "their sources", "left out: object fills more than half"]
    heads += ["energy in the box", "area of the box (chance)", "ratio"]
    return _stacked(table("Share of the explanation's energy inside the annotated boxes", heads, cells))


def _errors(caption: str, errors: Iterable[Mapping[str, Any]], photos: Path | None) -> str:
    if photos is None:
        rows = [[e["path"], e["source"], e["leaf"], e["likeliest"], f"{e['probability']:.3f}"] for e in errors]
        return table(caption, ["photo", "source", "labelled", "likeliest leaf", "probability"], rows)
    figures = (
        f"<figure>{_thumbnail(photos / e['path'])}<figcaption>{e['probability']:.3f} {escape(e['leaf'])}"
        f"<br><small>{escape(e['path'])}</small></figcaption></figure>"
        for e in errors
    )
    return f'<p><b>{caption}</b></p><div class="sheet">{"".join(figures)}</div>'


def _thumbnail(path: Path) -> str:
    import cv2

    from wildvision.imaging import decode

    image = decode(path, target=144).image
    if image is None:
        return "<small>cannot be read</small>"
    ratio = 144 / max(image.shape[:2])
    size = max(1, round(image.shape[1] * ratio)), max(1, round(image.shape[0] * ratio))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def _stacked(shown: str) -> str:
    """A table of many columns, closer together and with heads of more than one line."""
    return f'<div class="stacked">{shown}</div>'


def table(caption: str, heads: Iterable[object], rows: Iterable[Sequence[object]]) -> str:
    """A table of a report; cells are text, :class:`Html`, an ``Estimate`` or a ``Share``, ``heads`` one for each."""
    head = "".join(f"<th>{escape(str(h))}</th>" for h in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(c)}</td>' for c in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if isinstance(value, Html):
        return value
    if isinstance(value, Estimate):
        if value.value is None:
            return "–"
        if value.low is None or value.high is None:
            return f"{value.value:.3f} <small>too few for an interval</small>"
        return f"{value.value:.3f} <small>{value.low:.3f}–{value.high:.3f}</small>"
    if isinstance(value, Share):
        if value.value is None:
            return "–"
        interval = f"{100 * value.low:.1f}–{100 * value.high:.1f}"
        return f"{100 * value.value:.1f} % <small>{value.hits}/{value.n}, {interval}</small>"
    return escape(str(value))
