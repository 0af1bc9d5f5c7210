"""From a clean render to a marketplace photo: sensor, lens, compression, screenshots, watermarks and text. No bpy.

``sample_post`` draws all parameters; ``apply_post`` is deterministic given them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CHINESE = (
    "包邮",
    "特价",
    "收藏",
    "老物件",
    "实拍",
    "现货",
    "私聊",
    "孤品",
    "手工",
    "品相完好",
    "仅此一件",
    "可议价",
    "同城",
    "全新",
    "闲置",
    "工艺品",
)
_LATIN = (
    "FREE SHIPPING",
    "sale!",
    "vintage",
    "rare",
    "DM me",
    "new",
    "collector",
    "for sale",
    "best offer",
    "SOLD OUT soon",
    "handmade",
    "original",
)
_FONT_DIRS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")


@dataclass(frozen=True)
class Finished:
    """The photo, its mask in the photo's frame and the shift (dx, dy) that boxes of the render undergo."""

    image: np.ndarray
    mask: np.ndarray
    shift: tuple[int, int]


def sample_post(rng: random.Random) -> dict[str, Any]:
    """All post-processing parameters of one picture; JSON-able."""
    warm = rng.gauss(0, 0.06) if rng.random() < 0.6 else 0.0
    return {
        "expose": rng.triangular(0.36, 0.68, 0.52) if rng.random() < 0.9 else None,
        "gain": [1 + warm, 1 + rng.gauss(0, 0.025), 1 - warm],
        "gamma": 2 ** rng.gauss(0, 0.18),
        "contrast": rng.gauss(1.1, 0.1),
        "saturation": max(0.4, rng.gauss(1.03, 0.15)),
        "vignette": rng.uniform(0, 0.4) if rng.random() < 0.3 else 0.0,
        "defocus": rng.uniform(0.4, 1.0) if rng.random() < 0.08 else 0.0,
        "motion": (rng.uniform(2, 5), rng.uniform(0, 180)) if rng.random() < 0.03 else None,
        "shot": abs(rng.gauss(0, 0.012)) if rng.random() < 0.7 else 0.0,
        "read": abs(rng.gauss(0, 0.004)),
        "chroma": abs(rng.gauss(0, 0.009)) if rng.random() < 0.4 else 0.0,
        "sharpen": rng.uniform(0.3, 1.2) if rng.random() < 0.4 else 0.0,
        "thumb": rng.uniform(0.5, 0.8) if rng.random() < 0.1 else 1.0,
        "grey": rng.random() < 0.03,
        "watermark": rng.random() < 0.12,
        "price": rng.random() < 0.08,
        "text": rng.random() < 0.12,
        "screenshot": rng.random() < 0.07,
        "quality": rng.choice((95, 92, 90, 85, 80, 70, 55)),
        "again": rng.choice((50, 65, 80)) if rng.random() < 0.2 else None,
        "seed": rng.getrandbits(32),
    }


def apply_post(image: np.ndarray, mask: np.ndarray, params: Mapping[str, Any]) -> Finished:
    """(H, W, 3) uint8 RGB and (H, W) mask to a :class:`Finished` photo; nothing is mirrored or resized."""
    noise = np.random.default_rng(params["seed"])
    x = _tone(image.astype(np.float32) / 255, params)
    x = _lens(x, params)
    x = _sensor(x, params, noise)
    out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    rng = random.Random(params["seed"])
    for name, draw in (("watermark", _watermark), ("price", _price), ("text", _text)):
        if params[name]:
            out = draw(out, rng)
    shift = (0, 0)
    if params["screenshot"]:
        out, mask, shift = _screenshot(out, mask, rng)
    if params["again"]:
        out = _jpeg(out, params["again"])
    return Finished(out, mask, shift)


def save_jpeg(path: Path, image: np.ndarray, quality: int) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG."""
    Image.fromarray(image).save(path, quality=quality, subsampling="4:2:0" if quality < 90 else "4:4:4")


def _exposed(x: np.ndarray, target: float) -> np.ndarray:
    """What a phone's automatic exposure does: a gain (0.6 to 4 times) that brings the mean towards ``target``.

    Highlights hold it back, so that a pale thing on dark cloth keeps its texture.
    """
    bright = float(np.percentile(x.max(axis=2), 98))
    return x * float(np.clip(min(target / max(float(x.mean()), 1e-3), 1.03 / max(bright, 1e-3)), 0.6, 4.0))


def _tone(x: np.ndarray, p: Mapping[str, Any]) -> np.ndarray:
    if p["expose"]:
        x = _exposed(x, p["expose"])
    x = np.clip(x * np.asarray(p["gain"], np.float32), 0, 1) ** p["gamma"]
    x = (x - 0.5) * p["contrast"] + 0.5
    luma = x @ np.asarray((0.299, 0.587, 0.114), np.float32)
    saturation = 0.0 if p["grey"] else p["saturation"]
    x = luma[..., None] + (x - luma[..., None]) * saturation
    if p["vignette"]:
        h, w = luma.shape
        yy, xx = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        x = x * (1 - p["vignette"] * ((xx**2 + yy**2) / 2)[..., None].astype(np.float32))
    return x


def _lens(x: np.ndarray, p: Mapping[str, Any]) -> np.ndarray:
    h, w = x.shape[:2]
    if p["defocus"]:
        x = cv2.GaussianBlur(x, (0, 0), p["defocus"])
    if p["motion"]:
        length, angle = p["motion"]
        n = int(length) | 1
        kernel = np.zeros((n, n), np.float32)
        kernel[n // 2] = 1
        kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((n / 2 - 0.5, n / 2 - 0.5), angle, 1), (n, n))
        x = cv2.filter2D(x, -1, kernel / max(kernel.sum(), 1e-6))
    if p["thumb"] < 1:
        small = cv2.resize(x, (max(8, int(w * p["thumb"])), max(8, int(h * p["thumb"]))), interpolation=cv2.INTER_AREA)
        x = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    return x


def _sensor(x: np.ndarray, p: Mapping[str, Any], noise: np.random.Generator) -> np.ndarray:
    h, w = x.shape[:2]
    x = x + noise.normal(0, 1, x.shape).astype(np.float32) * (p["shot"] * np.sqrt(np.clip(x, 0, 1)) + p["read"])
    if p["chroma"]:
        blotch = noise.normal(0, p["chroma"], (h // 4 + 1, w // 4 + 1, 3)).astype(np.float32)
        x = x + cv2.resize(blotch - blotch.mean(2, keepdims=True), (w, h), interpolation=cv2.INTER_CUBIC)
    if p["sharpen"]:
        x = x + p["sharpen"] * (x - cv2.GaussianBlur(x, (0, 0), 1.0))
    return x


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@cache
def _cjk_font() -> str | None:
    for folder in _FONT_DIRS:
        for pattern in ("*CJK*.tt[cf]", "*cjk*.tt[cf]", "*wqy*.ttc", "simhei.ttf", "PingFang*.ttc"):
            if found := sorted(Path(folder).rglob(pattern)) if Path(folder).is_dir() else []:
                return str(found[0])
    return None


def _font(size: int) -> Any:
    path = _cjk_font()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def _words(rng: random.Random, n: int) -> str:
    if _cjk_font() and rng.random() < 0.55:
        return "".join(rng.sample(_CHINESE, n))
    return " ".join(rng.sample(_LATIN, n))


def _ink(rng: random.Random) -> tuple[int, int, int]:
    return rng.choice([(255, 255, 255), (255, 230, 40), (230, 40, 40), (20, 20, 20), (40, 120, 230), (255, 120, 180)])


def _overlay(image: np.ndarray, layer: Image.Image) -> np.ndarray:
    return np.asarray(Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer).convert("RGB"))


def _watermark(image: np.ndarray, rng: random.Random) -> np.ndarray:
    h, w = image.shape[:2]
    layer = Image.new("RGBA", (2 * w, 2 * h))
    draw, text = ImageDraw.Draw(layer), _words(rng, 1) + rng.choice(("", "@shop", ".com"))
    ink = (*_ink(rng), rng.randint(50, 130))
    size = rng.randint(h // 18, h // 9)
    step = rng.choice((h // 3, h // 2, 2 * h))
    for y in range(step // 2, 2 * h, step):
        for x in range(0, 2 * w, max(step, size * len(text))):
            draw.text((x, y), text, font=_font(size), fill=ink)
    layer = layer.rotate(rng.choice((0, 20, 30, -30))).crop((w // 2, h // 2, w // 2 + w, h // 2 + h))
    return _overlay(image, layer)


def _price(image: np.ndarray, rng: random.Random) -> np.ndarray:
    h, w = image.shape[:2]
    layer = Image.new("RGBA", (w, h))
    draw, size = ImageDraw.Draw(layer), rng.randint(h // 14, h // 8)
    text = rng.choice(("¥", "$", "€", "RM ", "£")) + str(rng.choice((5, 29, 68, 120, 350, 999, 1280, 4500)))
    x, y = rng.choice((4, w - size * len(text) * 6 // 10 - 12)), rng.choice((4, h - size - 14))
    ground = rng.choice([(220, 30, 30), (255, 200, 0), (20, 20, 20), (255, 255, 255)])
    draw.rounded_rectangle((x, y, x + size * len(text) * 6 // 10 + 8, y + size + 8), 4, fill=(*ground, 235))
    draw.text((x + 4, y), text, font=_font(size), fill=(255, 255, 255) if sum(ground) < 500 else (20, 20, 20))
    return _overlay(image, layer)


def _text(image: np.ndarray, rng: random.Random) -> np.ndarray:
    h, w = image.shape[:2]
    layer = Image.new("RGBA", (w, h))
    draw = ImageDraw.Draw(layer)
    for _ in range(rng.randint(1, 2)):
        size = rng.randint(h // 16, h // 8)
        place = (rng.randint(0, w // 3), rng.choice((rng.randint(0, h // 5), rng.randint(3 * h // 4, h - size - 2))))
        draw.text(
            place,
            _words(rng, rng.randint(1, 3)),
            font=_font(size),
            fill=_ink(rng),
            stroke_width=rng.choice((0, 1, 2)),
            stroke_fill=(0, 0, 0),
        )
    return _overlay(image, layer)


def _screenshot(
    image: np.ndarray, mask: np.ndarray, rng: random.Random
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """The photo inside a shop app: status bar above, price and title lines below."""
    h, w = image.shape[:2]
    top, bottom, side = rng.randint(h // 12, h // 4), rng.randint(h // 8, h // 2), rng.choice((0, 0, w // 24))
    dark = rng.random() < 0.3
    ground, ink = ((24, 24, 26), (230, 230, 230)) if dark else ((250, 250, 250), (30, 30, 30))
    canvas = Image.new("RGB", (w + 2 * side, h + top + bottom), ground)
    canvas.paste(Image.fromarray(image), (side, top))
    draw, small = ImageDraw.Draw(canvas), max(9, h // 20)
    draw.text((8, 2), f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}", font=_font(small), fill=ink)
    draw.rectangle((w - 30, 5, w - 10, 5 + small // 2), outline=ink)
    draw.text((8, h + top + 4), f"¥{rng.randint(10, 9000)}", font=_font(small * 3 // 2), fill=(230, 50, 30))
    draw.text((8, h + top + 8 + small * 2), _words(rng, 3), font=_font(small), fill=ink)
    framed = np.pad(mask, ((top, bottom), (side, side)))
    return np.asarray(canvas), framed, (side, top)
