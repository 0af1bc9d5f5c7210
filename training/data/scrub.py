"""Take personal data out of photos: EXIF (GPS, serial numbers, thumbnails), XMP, comments and, on request, faces.

Writes copies and never touches the originals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.data.masks import Image
from training.data.progress import track
from wildvision.errors import ArgumentError

Faces = Callable[[Image], Sequence[tuple[float, float, float, float]]]
"""RGB photo to the corners ``(x0, y0, x1, y1)`` of its faces in pixels."""

ORIENTATION = 0x0112
_SAVE: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}, "PNG": {}}


def scrub(source: Path, target: Path, *, faces: Faces | None = None) -> int:
    """Copy one photo without its metadata, upright, in its own format.

    Colours stay as they look: an ICC profile is kept. A JPEG that needs neither turning nor blurring keeps its
    quantisation tables, so that scrubbing adds no second JPEG history; any other is written at quality 95.

    Returns:
        Number of faces blurred.

    Raises:
        ArgumentError: When the file is no JPEG, PNG or WebP, or source and target are one file.
        OSError: When it does not decode.
    """
    import PIL.Image
    import PIL.ImageOps

    if source.resolve() == target.resolve():
        raise ArgumentError(f"{source.name}: scrub writes a copy, choose another target folder")
    with PIL.Image.open(source) as file:
        kind = file.format or ""
        if kind not in _SAVE:
            raise ArgumentError(f"{source.name} is {kind or 'unknown'}; scrub writes {', '.join(_SAVE)}")
        options = dict(_SAVE[kind])
        if profile := file.info.get("icc_profile"):
            options["icc_profile"] = profile
        image: PIL.Image.Image = PIL.ImageOps.exif_transpose(file)
        found = list(faces(np.asarray(image.convert("RGB")))) if faces else []
        if found:
            image = PIL.Image.fromarray(blur(np.asarray(image.convert("RGB")), found))
        elif kind == "JPEG" and file.getexif().get(ORIENTATION, 1) == 1:
            image = file
            options |= {"quality": "keep", "subsampling": "keep"}
        for key in ("exif", "xmp", "comment", "XML:com.adobe.xmp", "photoshop"):
            image.info.pop(key, None)
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target, kind, **options)
    return len(found)


def scrub_folder(root: Path, photos: Sequence[str], out: Path, *, faces: Faces | None = None) -> Iterator[str]:
    """Scrub ``photos`` (paths relative to ``root``) into ``out``; yields a line for each that could not be."""
    for photo in track(photos, "scrub"):
        try:
            scrub(root / photo, out / photo, faces=faces)
        except (OSError, ArgumentError) as error:
            yield f"{photo}: {error}"


def blur(image: Image, boxes: Sequence[tuple[float, float, float, float]]) -> Image:
    """A copy of ``(H, W, 3)`` ``image`` in which each box is blurred past recognition."""
    out = image.copy()
    for x0, y0, x1, y1 in boxes:
        part = out[max(int(y0), 0) : int(y1) + 1, max(int(x0), 0) : int(x1) + 1]
        if part.size:
            few = cv2.resize(part, (4, 4), interpolation=cv2.INTER_AREA)
            part[:] = cv2.resize(few, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return out
