"""Writes the generated parts of README.md and datasets.md, so that no number in them is typed by hand.

``python -m training.docs metrics`` takes the numbers of README.md and docs/numbers.md from the bundled models' cards;
``python -m training.docs sources MANIFEST`` takes the counts of datasets.md from a manifest. Measures nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.command import run_script
from training.data.manifest import Record, read_manifest
from wildvision.errors import ArgumentError, WildvisionError
from wildvision.evaluation.bootstrap import Estimate
from wildvision.models.card import SHARES, ModelCard
from wildvision.models.registry import list_larger_models, list_models, short_name
from wildvision.taxonomy import EVERYDAY

ROOT = Path(__file__).parent.parent
NUMBERS = {
    "auroc": "AUROC",
    "recall_at_fpr.0.01": "recall at 1 % FPR",
    "recall_at_fpr.0.001": "recall at 0.1 % FPR",
    "ece": "ECE",
    "ece_at.0.05": "ECE at prevalence 0.05",
}
BOX_NUMBERS = {
    "ap50": "AP50",
    "recall_at_budget": "recall at one false box per ten everyday photos",
    "recall_at_review": "recall at the review operating point",
}
IN_README = ("default", "fast", "large", "detector-default", "detector-large")  # the others only help these
MIDDLE = 2  # strength of corruptions
PARTS = {
    "real": "Photographs, from sources that are in no training set",
    "synthetic": "Renders (synthetic: not comparable with photographs)",
}


def fill(text: str, name: str, lines: Iterable[str]) -> str:
    """``text`` with what lies between its ``<!-- name:begin … -->`` and ``<!-- name:end -->`` marks replaced.

    Raises:
        ArgumentError: A mark is missing.
    """
    begin, end = text.find(f"<!-- {name}:begin"), text.find(f"<!-- {name}:end -->")
    start = text.find("-->", begin) + len("-->")
    if begin < 0 or end < start:
        raise ArgumentError(
            f"no '<!-- {name}:begin -->' … '<!-- {name}:end -->' block; put the two marks where it goes"
        )
    return text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:]


def all_cards() -> list[ModelCard]:
    """The cards of all models of the library, bundled ones first."""
    return [*list_models(), *list_larger_models()]


def metrics_block(cards: Sequence[ModelCard], *, brief: bool = False) -> Iterator[str]:
    """One section a model of the library: for each part that its card has numbers on, a row a group.

    Args:
        cards: Of the models.
        brief: Only the tables of photographs and what happens at the thresholds, of :data:`IN_README`.
    """
    if not cards:
        yield "*This checkout bundles no trained model, so there are no numbers to show.*"
    sizes = {card.name: card.weights.bytes for card in cards}
    larger = {card.model_id for card in list_larger_models()}
    for card in cards:
        if brief and card.name not in IN_README:
            continue
        parts = [part for helper in card.helpers for part in helper.split("+")]
        names = [short_name(part) for part in parts if not part.startswith(SHARES)]
        others = " and ".join(f"`{name}`" for name in names)
        beside = f" with {others} beside it" if others else ""
        whole = sum(sizes.get(name, 0) for name in dict.fromkeys([card.name, *names]))
        size = f"{card.weights.bytes / 1e6:.1f} MB" + (f", {whole / 1e6:.1f} MB with them" if others else "")
        fetched = ", not bundled: `wildvision models download`" if card.model_id in larger else ""
        yield f"**`{card.name}`** ({card.kind}, {card.architecture}{beside}, {size}{fetched})"
        measured = [part for part in PARTS if (card.metrics.get(part) or {}).get("groups")]
        if not measured:
            yield ""
            yield "The card states no metrics."
        for part in measured[:1] if brief else measured:
            further = [] if brief else list(_further(card.metrics, part))
            if part == "real" and card.kind == "detector":
                further += _by_other_folds(card.metrics)
                if not brief:
                    further += _boxes_by_source(card.metrics[part])
            yield from _part_table(
                PARTS[part], card.metrics[part]["groups"], further, boxes=card.kind == "detector", brief=brief
            )
        yield ""


def _part_table(
    title: str, groups: Mapping[str, Mapping[str, Any]], further: Sequence[str], *, boxes: bool, brief: bool
) -> Iterator[str]:
    shown, count = (BOX_NUMBERS, "boxes") if boxes else (NUMBERS, "positives")
    alone = {group: numbers for group, numbers in groups.items() if not numbers[f"n_{count}"]}
    groups = {group: numbers for group, numbers in groups.items() if group not in alone}
    caveats = {group: numbers["caveat"] for group, numbers in groups.items() if numbers.get("caveat")}
    yield ""
    yield f"{title}. 95 % bootstrap intervals over sources and objects in brackets."
    yield ""
    yield from _table(
        ["group", *shown.values(), count, "sources"],
        (
            [
                f"`{group}`",
                *(_estimate(numbers, path) for path in shown),
                numbers[f"n_{count}"],
                numbers["n_sources"],
            ]
            for group, numbers in groups.items()
        ),
    )
    notes = [f"- `{group}`: {caveat}" for group, caveat in caveats.items()]
    notes += [_at_thresholds(group, n) for group, n in groups.items() if "false_positive_rate" in n]
    if not boxes and not brief:
        notes += [
            _by_source(group, n["per_source"])
            for group, n in groups.items()
            if n["n_sources"] > 1 and "per_source" in n
        ]
        notes += [
            _by_leaf(group, n["per_product_leaf"])
            for group, n in groups.items()
            if len(n.get("per_product_leaf") or ()) > 1
        ]
    notes += [
        f"- `{group}`: none of {numbers['n_negatives']} others shows it; of these "
        + " and ".join(f"{100 * rate['value']:.2f} % reach {at}" for at, rate in numbers["false_positive_rate"].items())
        for group, numbers in alone.items()
    ]
    if notes or further:
        yield from ("", *notes, *further)


def _further(metrics: Mapping[str, Any], part: str) -> Iterator[str]:
    """A line a group: what the worst corruption costs, and how much of the explanations lies in the boxes."""
    for group in metrics[part]["groups"]:
        costs, shown = (
            [row for row in metrics.get(name) or () if (row["part"], row["group"]) == (part, group)]
            for name in ("robustness", "explanations")
        )
        facts = []
        if costs := [row for row in costs if row["strength"] == MIDDLE]:
            worst = max(costs, key=lambda row: row["lost"]["value"])
            lost = _with_interval({end: value and 100 * value for end, value in worst["lost"].items()}, 0)
            facts.append(
                f"worst of {len(costs)} corruptions at the middle strength: {worst['corruption']}, {lost} points of "
                f"recall at 1 % FPR lost ({_counts(worst['n_positives'], worst)})"
            )
        facts += [
            f"energy of explanations in the boxes: {_with_interval(e['ratio'], 2)} times chance ({_counts(e['n'], e)})"
            for e in shown
        ]
        if facts:
            yield f"- `{group}`, {'; '.join(facts)}"


def _with_interval(estimate: Mapping[str, float | None], digits: int) -> str:
    value, low, high = (estimate[end] for end in ("value", "low", "high"))
    interval = "too few for an interval" if low is None else f"{low:z.{digits}f}, {high:z.{digits}f}"
    return f"{value:z.{digits}f} [{interval}]"


def _counts(photos: int, row: Mapping[str, Any]) -> str:
    return f"n = {photos}, sources {row['n_sources']}"


def _at_thresholds(group: str, numbers: Mapping[str, Any]) -> str:
    """What review and block find and flag, as the report judged: on other sources, or on all where few are left."""
    said = []
    everyday = numbers["per_leaf"].get(EVERYDAY)
    for at, rate in numbers["false_positive_rate"].items():
        found, flagged = numbers["recall"][at], f"flags {_with_interval(_percent(rate), 2)} % of others"
        if everyday:
            flagged += f", {_with_interval(_percent(everyday[at]), 2)} % of everyday photos"
        never = not found["value"] and not rate["value"]
        said.append(f"{at} finds none and flags none" if never else f"{at} finds {Estimate(**found)} and {flagged}")
    return f"- `{group}`, thresholds of other sources where enough are left: {'; '.join(said)}"


def _by_other_folds(metrics: Mapping[str, Any]) -> Iterator[str]:
    """What a detector finds and flags by thresholds that were fitted on the photos of other folds."""
    if apart := metrics.get("thresholds_of_other_folds"):
        rate = apart["everyday_with_boxes"]
        yield (
            f"- thresholds of other folds: {Estimate(**apart['recall_at_review'])} of the boxes are found, "
            f"{Estimate(**apart['recall_in_company'])} on photos with several objects, and "
            f"{_with_interval(_percent(rate), 1)} % of {rate['n']} everyday photos get a box; by thresholds that were "
            f"fitted on the same photos {_with_interval(_percent(metrics['real']['everyday_with_boxes']), 1)} %"
        )
        errors = (f"`{group}` {Estimate(**error)}" for group, error in apart.get("calibration_error", {}).items())
        yield f"- expected calibration error of boxes, calibrated on other folds: {', '.join(errors)}"


def _boxes_by_source(part: Mapping[str, Any]) -> Iterator[str]:
    """What a detector finds in each source."""
    sources = part.get("per_source") or {}
    shown = (
        f"{name} {', '.join([*_of(n['found'], 'boxes found'), *_of(n['others'], 'others with a box')])}"
        for name, n in sources.items()
    )
    if sources:
        yield f"- by held-out source, at the review operating points: {'; '.join(shown)}"


def _of(share: Mapping[str, Any], what: str) -> Iterator[str]:
    if share["n"]:
        yield f"{share['hits']} of {share['n']} {what}"


def _percent(estimate: Mapping[str, Any]) -> dict[str, float | None]:
    return {end: None if estimate[end] is None else 100 * estimate[end] for end in ("value", "low", "high")}


def _by_source(group: str, sources: Mapping[str, Mapping[str, Any]]) -> str:
    found = sorted(sources.items(), key=lambda item: -item[1]["n"])
    found = [(name, n) for name, n in found if n["fpr_0.01"]["n"]]
    shares = (f"{name} {n['fpr_0.01']['value']:.2f} of {n['n']}" for name, n in found)
    return f"- `{group}`, recall at 1 % FPR by held-out source: {', '.join(shares)}"


def _by_leaf(group: str, leaves: Mapping[str, Mapping[str, Any]]) -> str:
    found = (
        f"{leaf} {_with_interval(n['auroc'], 3)} ({_counts(n['n'], n)})"
        for leaf, n in sorted(leaves.items(), key=lambda item: -item[1]["n"])
        if n["auroc"]["value"] is not None
    )
    return f"- `{group}`, AUROC by leaf: {', '.join(found)}"


def _estimate(numbers: Mapping[str, Any], path: str) -> str:
    first, _, rest = path.partition(".")
    return str(Estimate(**(numbers[first][rest] if rest else numbers[first])))


def sources_block(records: Sequence[Record]) -> Iterator[str]:
    """Counts of a manifest: a row a leaf, then a row a source."""
    by_leaf: dict[tuple[str, str], list[Record]] = defaultdict(list)
    by_source: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_leaf[record.group, record.leaf].append(record)
        by_source[record.source].append(record)
    yield f"{len(records):,} photos of {len(by_source)} sources."
    yield ""
    yield from _table(
        ["group", "leaf", "photos", "sources", "low trust", "greyscale"],
        (
            [
                group,
                f"`{leaf}`",
                len(rows),
                len({r.source for r in rows}),
                sum(r.trust == "low" for r in rows),
                sum(r.greyscale for r in rows),
            ]
            for (group, leaf), rows in sorted(by_leaf.items(), key=lambda item: (item[0][0], -len(item[1])))
        ),
    )
    yield ""
    yield from _table(
        ["source", "photos", "leaves", "licence", "may be passed on"],
        (
            [
                f"`{source}`",
                len(rows),
                _counted(r.leaf for r in rows),
                _named(r.licence or "none stated" for r in rows),
                "yes" if all(r.redistributable for r in rows) else "no",
            ]
            for source, rows in sorted(by_source.items(), key=lambda item: -len(item[1]))
        ),
    )


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in Counter(names).most_common())


def _named(names: Iterable[str]) -> str:
    return ", ".join(name for name, _ in Counter(names).most_common())


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


def _write(path: Path, name: str, lines: Iterable[str]) -> None:
    path.write_text(fill(path.read_text(encoding="utf-8"), name, lines), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Fill documents in place; returns 0, or 2 for an unusable argument."""
    parser = argparse.ArgumentParser(prog="python -m training.docs", description=(__doc__ or "").splitlines()[0])
    documents = parser.add_subparsers(dest="document", required=True)
    documents.add_parser("metrics", help="README.md and docs/numbers.md, from the cards of the bundled models")
    documents.add_parser("sources", help="datasets.md, from a manifest").add_argument("manifest", type=Path)
    args = parser.parse_args(argv)
    try:
        if args.document == "metrics":
            _write(ROOT / "README.md", args.document, metrics_block(all_cards(), brief=True))
            _write(ROOT / "docs" / "numbers.md", args.document, metrics_block(all_cards()))
        else:
            _write(ROOT / "datasets.md", args.document, sources_block(read_manifest(args.manifest)))
    except (WildvisionError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    run_script(main)
