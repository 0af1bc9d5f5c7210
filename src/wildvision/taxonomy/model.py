"""What the taxonomy consists of, as frozen dataclasses. Reading and checking the file live in ``load``."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

LANGUAGES = ("en", "zh")
EVERYDAY = "everyday"
"""Class of photos without a product or a look-alike, which most listings are."""


class CitesStatus(StrEnum):
    """How a class as a whole is listed under CITES; a photo never proves more than a suspicion."""

    APPENDIX_I = "appendix_I"
    APPENDIX_II_PERMIT = "appendix_II_permit"
    UNLISTED_LOOKALIKE = "unlisted_lookalike"

    @property
    def phrase(self) -> Text:
        """The status in words, for people."""
        return _PHRASES[self]


@dataclass(frozen=True)
class Text:
    """One text in every language of the library; ``text.en`` and ``text["en"]`` are the same."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        if language not in LANGUAGES:
            raise KeyError(f"no text in {language!r}; choose from {', '.join(LANGUAGES)}")
        return self.en if language == "en" else self.zh


_PHRASES = {
    CitesStatus.APPENDIX_I: Text("CITES Appendix I", "CITES附录一"),
    CitesStatus.APPENDIX_II_PERMIT: Text("CITES Appendix II, trade needs a permit", "CITES附录二，贸易须持许可证"),
    CitesStatus.UNLISTED_LOOKALIKE: Text("not listed as a class", "该类别整体未列入CITES"),
}


@dataclass(frozen=True)
class Source:
    """Where a fact comes from."""

    name: str
    title: str
    url: str


@dataclass(frozen=True)
class Listing:
    """One taxon and its CITES Appendix.

    Attributes:
        taxon: Scientific name.
        appendix: ``I``, ``II``, ``III`` or ``none``.
        note: Annotation or remark, empty when there is none.
        unverified: True when the fact was not checked against its source.
    """

    taxon: str
    appendix: str
    note: str = ""
    unverified: bool = False


@dataclass(frozen=True)
class Cites:
    """The CITES standing of a class.

    Attributes:
        status: Standing of the class as a whole.
        as_of: Day on which the facts were right.
        sources: Where they come from; never empty.
        listings: The taxa behind the status, or listed members of a look-alike class.
    """

    status: CitesStatus
    as_of: datetime.date
    sources: tuple[Source, ...]
    listings: tuple[Listing, ...] = ()


@dataclass(frozen=True)
class Leaf:
    """One class that a classifier tells apart: a product leaf (``group`` set) or a look-alike (``group`` None)."""

    name: str
    title: Text
    group: str | None
    cites: Cites


@dataclass(frozen=True)
class Group:
    """One group of products.

    Attributes:
        name: Key in the row contract, such as ``ivory``.
        title: Name for people.
        leaves: Product leaves, in output order.
        lookalikes: Look-alike leaves that this group is confused with, likeliest first.
        distinctions: Look-alike leaf to how a reviewer tells it from this group.
        cites: Standing under CITES.
        references: Where hints and distinctions come from.
        hints: What a reviewer looks for in a photo.
        notice: Text for the public, such as a pop-up beside an advert.
    """

    name: str
    title: Text
    leaves: tuple[str, ...]
    distinctions: Mapping[str, Text]
    cites: Cites
    references: tuple[Source, ...]
    hints: tuple[Text, ...]
    notice: Text

    @property
    def lookalikes(self) -> tuple[str, ...]:
        """Look-alike leaves that this group is confused with, likeliest first."""
        return tuple(self.distinctions)

    @property
    def suspicion(self) -> Text:
        """What may be said of a flagged photo: suspected product and listing, never species or offence."""
        phrase = self.cites.status.phrase
        return Text(f"suspected {self.title.en}, {phrase.en}", f"疑似{self.title.zh}，{phrase.zh}")


@dataclass(frozen=True)
class Taxonomy:
    """Groups, product leaves and look-alike leaves, in the order of every model's outputs.

    Attributes:
        version: Changes whenever a class is added, removed or reordered.
        groups: Group name to group.
        classes: Leaf name to leaf: product leaves, then look-alikes.
    """

    version: str
    groups: Mapping[str, Group]
    classes: Mapping[str, Leaf]

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups, in output order."""
        return tuple(self.groups)

    @cached_property
    def leaf_names(self) -> tuple[str, ...]:
        """Names of the product leaves, in output order."""
        return tuple(name for name, leaf in self.classes.items() if leaf.group is not None)

    @cached_property
    def lookalike_names(self) -> tuple[str, ...]:
        """Names of the look-alike leaves, in output order."""
        return tuple(name for name, leaf in self.classes.items() if leaf.group is None)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Product leaves followed by look-alike leaves, in output order."""
        return tuple(self.classes)

    def group_of(self, leaf: str) -> str | None:
        """The group of a product leaf, ``None`` for a look-alike.

        Raises:
            KeyError: The leaf is not in this taxonomy.
        """
        try:
            return self.classes[leaf].group
        except KeyError:
            raise KeyError(f"unknown leaf {leaf!r}; choose from {', '.join(self.classes)}") from None
