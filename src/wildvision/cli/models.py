"""``wildvision models``: which models there are, what their cards say, whether their files are intact."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wildvision.errors import ModelError

if TYPE_CHECKING:
    from wildvision.models.card import ModelCard

NAME = "models"
HELP = "list, describe, verify and download models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of ``models``."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="models of the library, bundled or to download")
    listing.set_defaults(action=_list)

    info = actions.add_parser("info", help="what a model's card says")
    info.add_argument(
        "model", nargs="?", default="default", metavar="MODEL", help="name, folder or hf://org/repo@revision"
    )
    info.add_argument("--json", action="store_true", help="print the card as JSON")
    info.set_defaults(action=_info)

    verify = actions.add_parser("verify", help="check that weights are those that their card describes")
    verify.add_argument(
        "models", nargs="*", metavar="MODEL", help="names or folders; every bundled model when left out"
    )
    verify.set_defaults(action=_verify)

    download = actions.add_parser("download", help="fetch a model, check it and print its folder")
    download.add_argument(
        "model", metavar="MODEL", help="hf://org/repo@revision, or the name of a model that is too large to bundle"
    )
    download.set_defaults(action=_download)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    from wildvision.cli.output import print_table
    from wildvision.models.registry import is_here, list_larger_models, list_models

    where = [(card, "bundled") for card in list_models()]
    where += [(card, "downloaded" if is_here(card) else "to download") for card in list_larger_models()]
    print_table(
        ("name", "kind", "architecture", "input", "size", "licence", "created", "where"),
        [
            (c.name, c.kind, c.architecture, f"{c.input.size} px", _megabytes(c.weights.bytes), c.licence, c.created, w)
            for c, w in where
        ],
    )
    return 0


def _info(args: argparse.Namespace) -> int:
    from wildvision.models.registry import load_card

    card = load_card(args.model)
    if args.json:
        print(json.dumps(card.to_json(), indent=2))
    else:
        _print_card(card)
    return 0


def _print_card(card: ModelCard) -> None:
    from wildvision.cli.output import print_section
    from wildvision.policy.operating_points import promises
    from wildvision.policy.triage import threshold_in_words

    print_section(
        f"{card.name}: {card.kind}",
        [
            f"model id: {card.model_id}",
            f"architecture: {card.architecture}",
            f"input: {card.input.size} x {card.input.size} px, {card.input.resize}, {card.input.interpolation}",
            f"weights: {card.weights.file}, {_megabytes(card.weights.bytes)}, {card.weights.dtype}",
            f"taxonomy: version {card.taxonomy_version}, {len(card.groups)} groups, {len(card.leaves)} leaves",
            f"licence: {card.licence}",
            f"created: {card.created} by wildvision {card.wildvision}",
        ],
    )
    print_section(
        "operating points",
        [
            f"{g}: review {threshold_in_words(p.review)}, block {threshold_in_words(p.block)}"
            for g, p in card.operating_points.items()
        ]
        + promises(card.provenance),
    )
    print_section("metrics", _outline(card.metrics) if card.metrics else ["not stated in the card"])
    print_section("training", _outline(card.training) if card.training else ["not stated in the card"])


def _outline(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Free-form JSON as indented lines."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _outline(value, indent + "  ")
        else:
            yield f"{indent}{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _verify(args: argparse.Namespace) -> int:
    from wildvision.models.registry import list_models, verify

    names = args.models or [card.name for card in list_models()]
    if not names:
        raise ModelError("this installation bundles no models; name a folder or an hf:// reference")
    failed = 0
    for name in names:
        try:
            verify(name)
            print(f"ok\t{name}")
        except ModelError as e:
            failed += 1
            print(f"failed\t{name}")
            print(f"wildvision: error: {e}", file=sys.stderr)
    return 2 if failed else 0


def _download(args: argparse.Namespace) -> int:
    from wildvision.models.registry import download

    print(download(args.model))
    return 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
