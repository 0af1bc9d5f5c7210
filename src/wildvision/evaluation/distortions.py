"""What platforms, cameras and filters do to a photo: quality, colour, framing. Drawing is in disguises.

Each function takes ``(image, strength, rng)``: ``(H, W, 3)`` uint8 RGB, strength 1, 2 or 3, and a source of chance; it
returns a new uint8 RGB image.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator


def jpeg(image: Image, strength: int, rng: Rng) -> Image:
    """Saved as JPEG of quality 50, 30 or 12."""
    quality = (50, 30, 12)[strength - 1]
    encoded = io.BytesIO()
    PIL.Image.fromarray(image).save(encoded, "JPEG", quality=quality)
    return _image(np.asarray(PIL.Image.open(encoded)))


def thumbnail(image: Image, strength: int, rng: Rng) -> Image:
    """Shrunk to a long side of 160, 96 or 56 px."""
    side = (160, 96, 56)[strength - 1]
    h, w = image.shape[:2]
    ratio = min(1.0, side / max(h, w))
    size = max(1, round(w * ratio)), max(1, round(h * ratio))
    return _image(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def mirror(image: Image, strength: int, rng: Rng) -> Image:
    """Mirrored; then also tilted by 12 degrees; then also stood on its side."""
    flipped = _image(image[:, ::-1])
    if strength == 1:
        return flipped
    if strength == 3:
        return _image(np.rot90(flipped, k=int(rng.choice([1, 3]))))
    h, w = image.shape[:2]
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), 12.0 * float(rng.choice([-1, 1])), 1.1)
    return _image(cv2.warpAffine(flipped, turn, (w, h), borderMode=cv2.BORDER_REFLECT_101))


def greyscale(image: Image, strength: int, rng: Rng) -> Image:
    """Half the colour gone; all of it; all of it and faded like an old print."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float64)
    if strength == 1:
        return _image(0.5 * image + 0.5 * grey)
    contrast, lift = (1.0, 0.0) if strength == 2 else (0.6, 70.0)
    return _image(np.repeat(contrast * grey + lift, 3, axis=2))


def colour_cast(image: Image, strength: int, rng: Rng) -> Image:
    """Lit by tinted light: one channel up and another down by 12, 25 or 40 %."""
    gain = np.ones(3)
    up, down = rng.choice(3, size=2, replace=False)
    gain[up], gain[down] = 1 + (0.12, 0.25, 0.4)[strength - 1], 1 - (0.12, 0.25, 0.4)[strength - 1]
    return _image(image * gain)


def corner_crop(image: Image, strength: int, rng: Rng) -> Image:
    """Only a corner is left, 80, 65 or 50 % of each side."""
    keep = (0.8, 0.65, 0.5)[strength - 1]
    h, w = image.shape[:2]
    ch, cw = max(1, round(h * keep)), max(1, round(w * keep))
    top, left = int(rng.integers(0, 2)) * (h - ch), int(rng.integers(0, 2)) * (w - cw)
    return _image(image[top : top + ch, left : left + cw])


def heavy_filter(image: Image, strength: int, rng: Rng) -> Image:
    """A photo app's filter: warm tone, hard contrast, other saturation, dark corners and blur, ever more of it."""
    amount = (0.35, 0.65, 1.0)[strength - 1]
    x = image.astype(np.float64)
    grey = x.mean(axis=2, keepdims=True)
    x = grey + (x - grey) * (1 + amount * float(rng.choice([-0.7, 0.8])))
    x = (x - 128) * (1 + 0.5 * amount) + 128 + amount * np.array([24.0, 8.0, -24.0])
    h, w = image.shape[:2]
    yy, xx = np.mgrid[-1 : 1 : complex(0, h), -1 : 1 : complex(0, w)]
    x *= 1 - 0.45 * amount * np.clip((xx**2 + yy**2)[..., None] / 2, 0, 1)
    return _image(cv2.GaussianBlur(_image(x), (0, 0), 0.3 + 0.004 * amount * min(h, w)))


def inverted(image: Image, strength: int, rng: Rng) -> Image:
    """Colours inverted in a quarter of the photo, in half of it, everywhere."""
    out = image.copy()
    h, w = image.shape[:2]
    if strength == 3:
        part = out
    elif strength == 2:
        left = int(rng.integers(0, 2)) * (w // 2)
        part = out[:, left : left + w // 2]
    else:
        top, left = int(rng.integers(0, 2)) * (h // 2), int(rng.integers(0, 2)) * (w // 2)
        part = out[top : top + h // 2, left : left + w // 2]
    part[:] = 255 - part
    return out


def _image(x: npt.NDArray[np.generic]) -> Image:
    if x.dtype != np.uint8:
        x = np.clip(np.rint(x.astype(np.float64)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(x, dtype=np.uint8)
