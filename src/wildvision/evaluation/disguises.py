"""What sellers and platforms put over or around a photo: marks, stickers, hands, collages, screenshots, rooms.

Same calls as in distortions. Everything is drawn from primitives, so that nothing needs a font, an asset or a second
photo, and no second photo can bring a product of its own.
"""

from __future__ import annotations

import cv2
import numpy as np

from wildvision.evaluation.distortions import Image, Rng

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WORDS = ("SALE", "sold by owner", "vintage", "50% OFF", "call me", "new arrival", "no refund", "DM for price", "rare!")
_SKIN_TONES = ((234, 192, 165), (198, 142, 108), (141, 92, 66), (92, 58, 42))


def watermark(image: Image, strength: int, rng: Rng) -> Image:
    """A shop's name tiled across the photo, slanted, 20, 40 or 60 % opaque."""
    h, w = image.shape[:2]
    side = int(np.hypot(h, w)) + 1
    layer = np.zeros((side, side), np.uint8)
    scale = max(h, w) / 450
    text = f"shop{rng.integers(100, 999)}.example"
    for y in range(0, side, max(8, round(90 * scale))):
        for x in range(-(y % 97), side, max(16, round(260 * scale))):
            cv2.putText(layer, text, (x, y), _FONT, scale, 255, max(1, round(2 * scale)), cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 30.0, 1.0)
    slanted = cv2.warpAffine(layer, turn, (side, side))
    top, left = (side - h) // 2, (side - w) // 2
    alpha = (0.2, 0.4, 0.6)[strength - 1] * slanted[top : top + h, left : left + w, None] / 255.0
    return np.asarray(np.rint(image * (1 - alpha) + 255 * alpha), dtype=np.uint8)


def text_overlay(image: Image, strength: int, rng: Rng) -> Image:
    """Advert text on one, two or four coloured bars."""
    out = image.copy()
    h, w = image.shape[:2]
    bar = max(4, h // 9)
    places = rng.permutation(np.linspace(0, h - bar, 6).astype(int))[: (1, 2, 4)[strength - 1]]
    for top in places:
        colour = rng.integers(0, 256, size=3)
        out[top : top + bar] = colour
        ink = (255, 255, 255) if colour.sum() < 380 else (0, 0, 0)
        _write(out, str(rng.choice(_WORDS)), left=w // 20, base=int(top + 0.72 * bar), height=0.45 * bar, ink=ink)
    return out


def occlusion(image: Image, strength: int, rng: Rng) -> Image:
    """Fingers or a dark object over a part of the middle, about 10, 20 or 35 % of the photo."""
    out = image.copy()
    h, w = image.shape[:2]
    area = (0.10, 0.20, 0.35)[strength - 1] * h * w
    cx, cy = w * rng.uniform(0.35, 0.65), h * rng.uniform(0.35, 0.65)
    angle = rng.uniform(0, 180)
    if rng.random() < 0.5:
        colour = tuple(int(v) for v in rng.integers(15, 70, size=3))
        radius = np.sqrt(area / np.pi)
        cv2.ellipse(
            out, (round(cx), round(cy)), _axes(1.3 * radius, radius / 1.3), angle, 0, 360, colour, -1, cv2.LINE_AA
        )
        return out
    tone = np.array(_SKIN_TONES[int(rng.integers(len(_SKIN_TONES)))])
    across = np.array([-np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    thick = np.sqrt(area / (np.pi * 4 * 3.2))  # four ellipses, each 3.2 times as long as thick
    for finger in range(4):
        x, y = np.array([cx, cy]) + across * (finger - 1.5) * 2.0 * thick
        shade = tuple(int(v) for v in np.clip(tone + rng.integers(-14, 15), 0, 255))
        cv2.ellipse(out, (round(x), round(y)), _axes(3.2 * thick, thick), angle, 0, 360, shade, -1, cv2.LINE_AA)
    return out


def sticker(image: Image, strength: int, rng: Rng) -> Image:
    """An emoji over the middle, 6, 14 or 26 % of the photo."""
    out = image.copy()
    h, w = image.shape[:2]
    r = np.sqrt((0.06, 0.14, 0.26)[strength - 1] * h * w / np.pi)
    x, y = w * rng.uniform(0.4, 0.6), h * rng.uniform(0.4, 0.6)
    cv2.circle(out, (round(x), round(y)), max(1, round(r)), (255, 205, 50), -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = round(x + side * 0.35 * r), round(y - 0.25 * r)
        cv2.ellipse(out, eye, _axes(0.12 * r, 0.18 * r), 0, 0, 360, (80, 50, 20), -1, cv2.LINE_AA)
    line = max(1, round(0.08 * r))
    cv2.ellipse(
        out, (round(x), round(y + 0.1 * r)), _axes(0.55 * r, 0.5 * r), 0, 20, 160, (80, 50, 20), line, cv2.LINE_AA
    )
    return out


def collage(image: Image, strength: int, rng: Rng) -> Image:
    """One of two, four or nine tiles; the others show plain goods-coloured grounds."""
    rows, columns = ((1, 2), (2, 2), (3, 3))[strength - 1]
    h, w = image.shape[:2]
    canvas = np.full((h, w, 3), 255, np.uint8)
    place = int(rng.integers(rows * columns))
    for i in range(rows * columns):
        top, bottom = (i // columns) * h // rows, (i // columns + 1) * h // rows
        left, right = (i % columns) * w // columns, (i % columns + 1) * w // columns
        tile = canvas[top : max(bottom - 2, top + 1), left : max(right - 2, left + 1)]
        if i == place:
            _paste(tile, image)
        else:
            tile[:] = _ground(tile.shape[0], tile.shape[1], rng)
    return canvas


def screenshot_frame(image: Image, strength: int, rng: Rng) -> Image:
    """A phone's screenshot of an advert: status bar, the photo on 80, 60 or 40 % of the screen, text, a button."""
    h, w = image.shape[:2]
    screen = _screen(round(h / (0.8, 0.6, 0.4)[strength - 1]), w, dark=bool(rng.integers(0, 2)))
    H = screen.shape[0]
    rest = H - h
    top = rest // 4
    screen[top : top + h] = image
    ink = tuple(int(255 - v) for v in screen[-1, -1])
    line = max(4, h // 10)
    for base in range(top + h + line, H - line, line):
        _write(screen, str(rng.choice(_WORDS)), left=w // 16, base=base, height=line / 2, ink=ink)
    cv2.rectangle(screen, (w // 16, H - line), (w - w // 16, H - line // 3), (230, 90, 40), -1)
    return screen


def chat_screenshot(image: Image, strength: int, rng: Rng) -> Image:
    """The photo as a message in a chat, 75, 60 or 45 % as wide as the screen."""
    h, w = image.shape[:2]
    H, W = 2 * w, w
    screen = _screen(H, W, dark=bool(rng.integers(0, 2)))
    mine = bool(rng.integers(0, 2))
    y = H // 14
    wide = round(W * (0.75, 0.6, 0.45)[strength - 1])
    high = min(round(wide * h / w), H - 4 * (H // 14))
    photo_after = int(rng.integers(0, 3))
    for message in range(8):
        if message == photo_after:
            left = W - wide - W // 30 if mine else W // 30
            _paste(screen[y : y + high, left : left + wide], image)
            y += high + H // 40
            continue
        tall, length = H // 16, round(W * rng.uniform(0.3, 0.6))
        if y + tall > H:
            break
        right = bool(rng.integers(0, 2))
        left = W - length - W // 30 if right else W // 30
        cv2.rectangle(screen, (left, y), (left + length, y + tall), (150, 220, 130) if right else (225, 225, 228), -1)
        _write(
            screen, str(rng.choice(_WORDS)), left=left + 6, base=y + 2 * tall // 3, height=tall / 3, ink=(20, 20, 20)
        )
        y += tall + H // 40
    return screen


def tiny_in_room(image: Image, strength: int, rng: Rng) -> Image:
    """The photo hangs small in a drawn room, 60, 42 or 28 % as wide as the room."""
    h, w = image.shape[:2]
    floor = int(h * rng.uniform(0.6, 0.75))
    room = np.empty((h, w, 3), np.uint8)
    room[:floor] = _ground(floor, w, rng)
    room[floor:] = _ground(h - floor, w, rng) // 2 + 30
    for _ in range(3):  # furniture
        x, wide, tall = int(rng.integers(0, w)), int(w * rng.uniform(0.1, 0.3)), int(h * rng.uniform(0.1, 0.35))
        colour = tuple(int(v) for v in rng.integers(40, 200, size=3))
        cv2.rectangle(room, (x, floor - tall // 2), (x + wide, floor + tall // 2), colour, -1)
    share = (0.6, 0.42, 0.28)[strength - 1]
    small_h, small_w = max(1, round(h * share)), max(1, round(w * share))
    top, left = int(rng.integers(0, h - small_h + 1)), int(rng.integers(0, w - small_w + 1))
    _paste(room[top : top + small_h, left : left + small_w], image)
    return room


def _ground(h: int, w: int, rng: Rng) -> Image:
    """A softly lit, faintly woven ground in one colour."""
    light = np.linspace(rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0), max(w, 1))[None, :, None]
    noise = rng.normal(0, 6, size=(h, w, 1))
    return np.asarray(np.clip(rng.integers(60, 240, size=3) * light + noise, 0, 255), dtype=np.uint8)


def _screen(h: int, w: int, *, dark: bool) -> Image:
    """An empty phone screen with a clock and a battery."""
    screen = np.full((h, w, 3), 24 if dark else 248, np.uint8)
    ink = (235, 235, 235) if dark else (30, 30, 30)
    _write(screen, "12:47", left=w // 20, base=h // 24, height=h / 50, ink=ink)
    cv2.rectangle(screen, (w - w // 8, h // 48), (w - w // 20, h // 24), ink, -1)
    return screen


def _paste(target: Image, image: Image) -> None:
    """Fill ``target`` with the largest middle part of ``image`` of the same shape as it, resized."""
    h, w = target.shape[:2]
    if not target.size:  # the photo is a few pixels wide
        return
    H, W = image.shape[:2]
    ratio = max(h / H, w / W)
    ch, cw = min(H, max(1, round(h / ratio))), min(W, max(1, round(w / ratio)))
    top, left = (H - ch) // 2, (W - cw) // 2
    target[:] = cv2.resize(image[top : top + ch, left : left + cw], (w, h), interpolation=cv2.INTER_AREA)


def _write(image: Image, text: str, *, left: int, base: int, height: float, ink: tuple[int, ...]) -> None:
    scale = height / 22  # Hershey Simplex capitals are 22 px high at scale 1
    cv2.putText(image, text, (left, base), _FONT, scale, ink, max(1, round(2 * scale)), cv2.LINE_AA)


def _axes(a: float, b: float) -> tuple[int, int]:
    return max(1, round(a)), max(1, round(b))
