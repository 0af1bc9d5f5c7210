"""``wildvision taxonomy``: what is looked for, what is confused with it, and how it is listed."""

from __future__ import annotations

import argparse

from wildvision.errors import ArgumentError
from wildvision.taxonomy.model import LANGUAGES, Group, Listing, Taxonomy

NAME = "taxonomy"
HELP = "show the groups, or one group with its listings, reviewer hints and look-alikes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``taxonomy``."""
    parser.add_argument("group", nargs="?", metavar="GROUP", help="such as ivory; all groups when left out")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts (default: en)")


def run(args: argparse.Namespace) -> int:
    """Print the overview or one group."""
    from wildvision.taxonomy import load_taxonomy

    taxonomy = load_taxonomy()
    if args.group is None:
        _print_overview(taxonomy, args.lang)
        return 0
    if args.group not in taxonomy.groups:
        raise ArgumentError(f"unknown group {args.group!r}; choose from {', '.join(taxonomy.group_names)}")
    _print_group(taxonomy, taxonomy.groups[args.group], args.lang)
    return 0


def _print_overview(taxonomy: Taxonomy, lang: str) -> None:
    from wildvision.cli.output import print_table

    print_table(
        ("group", "title", "status", "leaves"),
        [(g.name, g.title[lang], g.cites.status, " ".join(g.leaves)) for g in taxonomy.groups.values()],
    )
    print()
    print_table(
        ("look-alike", "title", "confused with"),
        [
            (
                name,
                taxonomy.classes[name].title[lang],
                " ".join(g.name for g in taxonomy.groups.values() if name in g.distinctions),
            )
            for name in taxonomy.lookalike_names
        ],
    )


def _print_group(taxonomy: Taxonomy, group: Group, lang: str) -> None:
    from wildvision.cli.output import print_section

    cites = group.cites
    print_section(
        f"{group.name}: {group.title[lang]}",
        [f"{cites.status} ({cites.status.phrase[lang]}), as of {cites.as_of}"],
    )
    print_section("leaves", [f"{leaf}: {taxonomy.classes[leaf].title[lang]}" for leaf in group.leaves])
    print_section("listings", map(_listing, cites.listings))
    print_section("what to look for", [hint[lang] for hint in group.hints])
    print_section("look-alikes", [f"{name}: {text[lang]}" for name, text in group.distinctions.items()])
    print_section("public notice", [group.notice[lang]])
    sources = dict.fromkeys((*cites.sources, *group.references))
    print_section("sources", [f"{source.title}, {source.url}" for source in sources])


def _listing(listing: Listing) -> str:
    appendix = "not listed" if listing.appendix == "none" else f"Appendix {listing.appendix}"
    flag = " (unverified)" if listing.unverified else ""
    return f"{listing.taxon}: {appendix}{flag}{'. ' + listing.note if listing.note else ''}"
