"""Reads ``taxonomy.yaml`` and refuses every inconsistency; each error names the key path and how to mend it."""

from __future__ import annotations

import datetime
import difflib
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from wildvision.errors import TaxonomyError
from wildvision.taxonomy.model import LANGUAGES, Cites, CitesStatus, Group, Leaf, Listing, Source, Taxonomy, Text

SCHEMA = "wildvision-taxonomy/1"
APPENDICES = ("I", "II", "III", "none")

_T = TypeVar("_T")


def load_taxonomy(path: str | os.PathLike[str] | None = None) -> Taxonomy:
    """The bundled taxonomy (read once a process), or one of your own.

    Args:
        path: A YAML file in the format of the bundled ``taxonomy.yaml``; read anew at each call.

    Raises:
        TaxonomyError: The file is missing or inconsistent.
    """
    if path is None:
        return _bundled()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise TaxonomyError(f"cannot read the taxonomy {os.fspath(path)!r}: {e}") from e
    return parse_taxonomy(text)


@cache
def _bundled() -> Taxonomy:
    return parse_taxonomy(resources.files(__package__).joinpath("taxonomy.yaml").read_text(encoding="utf-8"))


def parse_taxonomy(text: str) -> Taxonomy:
    """A checked taxonomy from YAML text.

    Raises:
        TaxonomyError: The text is no YAML, or inconsistent.
    """
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader
    except TaxonomyError:
        raise
    except (yaml.YAMLError, ValueError) as e:  # ValueError: such as a thirteenth month
        raise TaxonomyError(f"the taxonomy is not valid YAML: {e}") from e
    return _taxonomy(_Node(data, ""))


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; a taxonomy must not lose a class that way."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]  # YAML refuses other keys itself
        seen = Counter(key.value for key in keys)
        for key in keys:
            if seen[key.value] > 1:
                line = key.start_mark.line + 1
                raise TaxonomyError(f"line {line}: duplicate key {key.value!r}; rename or remove one of them")
        return super().construct_mapping(node, deep)


class _Node:
    """A value of the file with the key path that leads to it."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def error(self, problem: str) -> TaxonomyError:
        return TaxonomyError(f"{self.path or 'top level'}: {problem}")

    def child(self, key: object) -> _Node:
        return _Node(self.value[key], f"{self.path}.{key}".lstrip("."))

    def record(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> _Node:
        """Checks that this is a mapping with all of ``required`` and nothing beyond ``optional``."""
        known = required + optional
        for key in self.mapping():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                mend = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
                raise self.error(f"unknown key {key!r}; {mend}")
        missing = [key for key in required if key not in self.value]
        if missing:
            raise self.error(f"missing {', '.join(map(repr, missing))}; add it")
        return self

    def mapping(self) -> dict[Any, Any]:
        if not isinstance(self.value, dict) or not self.value:
            raise self.error(f"must be a non-empty mapping, received {self.value!r}")
        return self.value

    def items(self) -> Iterator[tuple[str, _Node]]:
        """Name and node of every entry of a mapping whose keys are names."""
        for key in self.mapping():
            if not isinstance(key, str) or not key.isidentifier():
                raise self.error(
                    f"{key!r} is no name; use letters, digits and underscores, quoted if YAML reads it as else"
                )
            yield key, self.child(key)

    def each(self) -> Iterator[_Node]:
        if not isinstance(self.value, list) or not self.value:
            raise self.error(f"must be a non-empty list, received {self.value!r}")
        return (_Node(item, f"{self.path}[{i}]") for i, item in enumerate(self.value))

    def optional(self, key: str, read: Callable[[_Node], _T], default: _T) -> _T:
        return read(self.child(key)) if key in self.value else default

    def string(self) -> str:
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error(
                f"must be a non-empty text, received {self.value!r}; quote it if YAML reads it as something else"
            )
        return self.value.strip()

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"must be true or false, received {self.value!r}")
        return self.value

    def date(self) -> datetime.date:
        if not isinstance(self.value, datetime.date) or isinstance(self.value, datetime.datetime):
            raise self.error(f"must be a day such as 2025-12-05, received {self.value!r}")
        return self.value

    def one_of(self, choices: tuple[str, ...]) -> str:
        if self.value not in choices:
            raise self.error(f"must be one of {', '.join(choices)}; received {self.value!r}")
        return str(self.value)


def _taxonomy(node: _Node) -> Taxonomy:
    node.record(("schema", "version", "sources", "groups", "lookalikes"))
    node.child("schema").one_of((SCHEMA,))
    sources = {name: _source(name, n) for name, n in node.child("sources").items()}
    lookalikes = {name: _lookalike(name, n, sources) for name, n in node.child("lookalikes").items()}
    groups: dict[str, Group] = {}
    classes: dict[str, Leaf] = {}
    for name, n in node.child("groups").items():
        group, leaves = _group(name, n, sources, lookalikes)
        groups[name] = group
        for leaf in leaves:
            if leaf.name in classes:
                raise (
                    n.child("leaves")
                    .child(leaf.name)
                    .error(f"is a leaf of {classes[leaf.name].group!r} too; rename one")
                )
            classes[leaf.name] = leaf
    for name in (*groups, *lookalikes):
        if name in classes or (name in groups and name in lookalikes):
            raise node.error(
                f"{name!r} names two things; groups, leaves and look-alikes share one set of names, rename one"
            )
    _check_no_orphans(node, groups, lookalikes, sources)
    return Taxonomy(
        version=node.child("version").string(),
        groups=MappingProxyType(groups),
        classes=MappingProxyType({**classes, **lookalikes}),
    )


def _check_no_orphans(
    node: _Node, groups: Mapping[str, Group], lookalikes: Mapping[str, Leaf], sources: Mapping[str, Source]
) -> None:
    confused = {name for group in groups.values() for name in group.distinctions}
    for name in lookalikes:
        if name not in confused:
            raise node.child("lookalikes").child(name).error("no group lists it; add it to the lookalikes of a group")
    standings = [group.cites for group in groups.values()] + [leaf.cites for leaf in lookalikes.values()]
    cited = {source.name for cites in standings for source in cites.sources}
    cited |= {source.name for group in groups.values() for source in group.references}
    for name in sources:
        if name not in cited:
            raise node.child("sources").child(name).error("nothing cites it; cite it or remove it")


def _group(
    name: str, node: _Node, sources: Mapping[str, Source], lookalikes: Mapping[str, Leaf]
) -> tuple[Group, list[Leaf]]:
    node.record(("title", "leaves", "lookalikes", "cites", "references", "hints", "notice"))
    cites = _cites(node.child("cites"), sources)
    if cites.status is CitesStatus.UNLISTED_LOOKALIKE or not cites.listings:
        raise node.child("cites").error("a product group needs a listed status and at least one of listings")
    leaves = [
        Leaf(name=leaf, title=_text(n.record(("title",)).child("title")), group=name, cites=cites)
        for leaf, n in node.child("leaves").items()
    ]
    distinctions: dict[str, Text] = {}
    for lookalike, n in node.child("lookalikes").items():
        if lookalike not in lookalikes:
            raise n.error(
                f"is no look-alike; add it to the top-level lookalikes or choose from {', '.join(lookalikes)}"
            )
        distinctions[lookalike] = _text(n)
    group = Group(
        name=name,
        title=_text(node.child("title")),
        leaves=tuple(leaf.name for leaf in leaves),
        distinctions=MappingProxyType(distinctions),
        cites=cites,
        references=_sources(node.child("references"), sources),
        hints=tuple(_text(n) for n in node.child("hints").each()),
        notice=_text(node.child("notice")),
    )
    return group, leaves


def _lookalike(name: str, node: _Node, sources: Mapping[str, Source]) -> Leaf:
    node.record(("title", "cites"))
    cites = _cites(node.child("cites"), sources)
    if cites.status is not CitesStatus.UNLISTED_LOOKALIKE:
        raise (
            node.child("cites")
            .child("status")
            .error("a look-alike is unlisted_lookalike; name its listed members in listings")
        )
    return Leaf(name=name, title=_text(node.child("title")), group=None, cites=cites)


def _cites(node: _Node, sources: Mapping[str, Source]) -> Cites:
    node.record(("status", "as_of", "sources"), ("listings",))
    return Cites(
        status=CitesStatus(node.child("status").one_of(tuple(CitesStatus))),
        as_of=node.child("as_of").date(),
        sources=_sources(node.child("sources"), sources),
        listings=node.optional("listings", lambda n: tuple(_listing(item) for item in n.each()), ()),
    )


def _listing(node: _Node) -> Listing:
    node.record(("taxon", "appendix"), ("note", "unverified"))
    return Listing(
        taxon=node.child("taxon").string(),
        appendix=node.child("appendix").one_of(APPENDICES),
        note=node.optional("note", _Node.string, ""),
        unverified=node.optional("unverified", _Node.boolean, False),
    )


def _sources(node: _Node, sources: Mapping[str, Source]) -> tuple[Source, ...]:
    return tuple(sources[n.one_of(tuple(sources))] for n in node.each())


def _source(name: str, node: _Node) -> Source:
    node.record(("title", "url"))
    url = node.child("url").string()
    if not url.startswith("https://"):
        raise node.child("url").error(f"must start with https://, received {url!r}")
    return Source(name=name, title=node.child("title").string(), url=url)


def _text(node: _Node) -> Text:
    node.record(LANGUAGES)
    return Text(en=node.child("en").string(), zh=node.child("zh").string())
