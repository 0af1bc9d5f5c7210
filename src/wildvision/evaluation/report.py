"""Writing an evaluation to a folder: ``report.json`` with every number and ``index.html`` to look at."""

from __future__ import annotations

import json
from pathlib import Path

from wildvision.evaluation.page import render
from wildvision.evaluation.results import Evaluation

JSON_NAME = "report.json"
PAGE_NAME = "index.html"


def write_report(evaluation: Evaluation, folder: str | Path, *, photos: str | Path | None = None) -> Path:
    """Write both files; the same evaluation gives the same bytes.

    Args:
        evaluation: What was measured.
        folder: Where to write; made when missing.
        photos: Folder of the photos; embeds thumbnails of the worst errors in the page when given. Leave it out for
            a report that is published: the photos usually may not be.

    Returns:
        Path of the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    page = render(evaluation, photos=Path(photos) if photos is not None else None)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evaluation.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (target / JSON_NAME).write_text(text + "\n", encoding="utf-8")
    (target / PAGE_NAME).write_text(page, encoding="utf-8")
    return target / PAGE_NAME
