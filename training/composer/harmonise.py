"""Make pasted objects sit in their scene: one light for all, its shadows, a tint from the surroundings, one camera.

Works in place on float32 pictures in 0 to 255. Nothing here knows what the objects are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        angle: Direction towards the light in the picture plane, radians.
        shading: Brightness difference across an object, as a share of its brightness.
        shadow: Darkness of the cast shadow in [0, 1]; 0 casts none.
        softness: Blur of the cast shadow, as a share of the object's size.
        reach: Length of the cast shadow, as a share of the object's size.
        tint: How far objects take on the brightness and colour of their surroundings, in [0, 1].
    """

    angle: float
    shading: float
    shadow: float
    softness: float
    reach: float
    tint: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Light:
        """A random light, from flat studio to hard flash."""
        return cls(
            angle=float(rng.uniform(0, 2 * np.pi)),
            shading=float(rng.uniform(0, 0.35)),
            shadow=float(rng.uniform(0.15, 0.65)) if rng.random() < 0.85 else 0.0,
            softness=float(rng.uniform(0.02, 0.10)),
            reach=float(rng.uniform(0.01, 0.10)),
            tint=float(rng.uniform(0, 0.45)),
        )


def shade(colour: Float, light: Light) -> None:
    """Brighten the side of ``(h, w, 3)`` that faces the light and darken the other."""
    height, width = colour.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(light.angle))
    y = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(np.sin(light.angle))
    colour *= (1 + np.float32(light.shading / 2) * (x[None, :] + y[:, None]))[..., None]


def tint(colour: Float, alpha: Float, surroundings: Float, light: Light) -> None:
    """Move the mean brightness and, less, the mean colour of an object towards that of the place it is put on."""
    weight = max(float(alpha.sum()), 1.0)
    own = (alpha.reshape(1, -1) @ colour.reshape(-1, 3))[0] / weight
    there = surroundings.reshape(-1, 3).mean(axis=0)
    grey_own, grey_there = float(own.mean()), float(there.mean())
    gain = (max(grey_there, 20.0) / max(grey_own, 20.0)) ** (0.5 * light.tint)
    cast = (there / max(grey_there, 1.0)) ** (0.5 * light.tint)
    colour *= np.clip(gain * cast, 0.55, 1.6).astype(np.float32)


def cast_shadow(scene: Float, alpha: Float, x: int, y: int, light: Light) -> None:
    """Darken ``(H, W, 3)`` ``scene`` where an object with ``(h, w)`` alpha, put at ``(x, y)``, takes the light away."""
    if light.shadow <= 0:
        return
    size = float(max(alpha.shape))
    sigma = max(light.softness * size, 0.8)
    pad = int(2.5 * sigma) + 1
    step = 4 if sigma >= 4 else 2 if sigma >= 2 else 1  # a blur that wide loses nothing at a fraction of the pixels
    h, w = alpha.shape[0] + 2 * pad, alpha.shape[1] + 2 * pad
    small = cv2.resize(
        cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0.0),
        (max(w // step, 1), max(h // step, 1)),
        interpolation=cv2.INTER_AREA,
    )
    blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), (w, h), interpolation=cv2.INTER_LINEAR)
    dx = round(-np.cos(light.angle) * light.reach * size)
    dy = round(-np.sin(light.angle) * light.reach * size)
    region, part = overlap(scene.shape[:2], (h, w), x - pad + dx, y - pad + dy)
    if region is not None and part is not None:
        scene[region] *= (1 - np.float32(light.shadow) * blurred[part])[..., None]


def overlap(
    outer: tuple[int, ...], inner: tuple[int, int], x: int, y: int
) -> tuple[tuple[slice, slice] | None, tuple[slice, slice] | None]:
    """Where a picture of size ``inner`` (height, width) put at ``(x, y)`` meets one of size ``outer``.

    Returns:
        The slices of the outer and of the inner picture, or ``(None, None)`` when they do not meet.
    """
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + inner[1], outer[1]), min(y + inner[0], outer[0])
    if x1 <= x0 or y1 <= y0:
        return None, None
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))


def camera(scene: Float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One camera for the whole picture: exposure, white balance, slight blur or sharpening, sensor noise."""
    scene *= (rng.uniform(0.8, 1.2) * (1 + rng.normal(0, 0.035, 3))).astype(np.float32)
    kind = rng.random()
    if kind < 0.35:
        scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(0.3, 1.1))), np.float32)
    elif kind < 0.5:
        scene += 0.5 * (scene - cv2.GaussianBlur(scene, (0, 0), 1.0))
    grain = _grain()
    height, width = scene.shape[:2]
    y, x = rng.integers(0, grain.shape[0] - height + 1), rng.integers(0, grain.shape[1] - width + 1)
    scene += np.float32(rng.uniform(0, 5)) * grain[y : y + height, x : x + width]
    return np.clip(scene, 0, 255, out=scene).astype(np.uint8)


@cache
def _grain() -> Float:
    noise: Float = np.random.default_rng(0).standard_normal((800, 800, 3), dtype=np.float32)
    noise.flags.writeable = False
    return noise
