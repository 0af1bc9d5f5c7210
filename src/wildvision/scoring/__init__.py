"""Scoring millions of photos: sources, the runner, resume, listings, and adapters for Ray and Spark.

Importing this package loads neither torch nor cv2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildvision.scoring.batch import BatchPredictor
    from wildvision.scoring.items import Item, Shard
    from wildvision.scoring.listings import ListingVerdict, combine
    from wildvision.scoring.manifests import Columns
    from wildvision.scoring.progress import Counters
    from wildvision.scoring.remote import RemotePolicy
    from wildvision.scoring.report import ScoreReport
    from wildvision.scoring.runmanifest import ResumeError
    from wildvision.scoring.runner import score
    from wildvision.scoring.settings import ScoreSettings
    from wildvision.scoring.sinks import read_rows
    from wildvision.scoring.sources import Source, open_source
    from wildvision.scoring.validation import validate

_HOME = {
    "BatchPredictor": "batch",
    "Columns": "manifests",
    "Counters": "progress",
    "Item": "items",
    "ListingVerdict": "listings",
    "RemotePolicy": "remote",
    "ResumeError": "runmanifest",
    "ScoreReport": "report",
    "ScoreSettings": "settings",
    "Shard": "items",
    "Source": "sources",
    "combine": "listings",
    "open_source": "sources",
    "read_rows": "sinks",
    "score": "runner",
    "validate": "validation",
}

__all__ = [
    "BatchPredictor",
    "Columns",
    "Counters",
    "Item",
    "ListingVerdict",
    "RemotePolicy",
    "ResumeError",
    "ScoreReport",
    "ScoreSettings",
    "Shard",
    "Source",
    "combine",
    "open_source",
    "read_rows",
    "score",
    "validate",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'wildvision.scoring' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
