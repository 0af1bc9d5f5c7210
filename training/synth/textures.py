"""Small pictures drawn with OpenCV for things with print on them: rulers, pages, screens, cloth prints. No bpy.

Every function returns (H, W, 3) uint8 RGB and draws only from the random stream it is given.
"""

from __future__ import annotations

import random
import string

import cv2
import numpy as np

Image = np.ndarray
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def words(rng: random.Random, n: int) -> str:
    """n made-up lower-case words."""
    return " ".join("".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(n))


def colour(rng: random.Random, low: int = 20, high: int = 240) -> tuple[int, int, int]:
    """A random 8-bit colour."""
    return (rng.randint(low, high), rng.randint(low, high), rng.randint(low, high))


def _canvas(height: int, width: int, fill: tuple[int, int, int]) -> Image:
    return np.full((height, width, 3), fill, np.uint8)


def ruler(rng: random.Random) -> Image:
    """A ruler with millimetre ticks and centimetre numbers, 512 x 64."""
    paper = rng.choice(
        [(240, 238, 230), (235, 205, 90), (200, 205, 210), (205, 160, 105), (25, 25, 28), (140, 190, 220)]
    )
    ink = (20, 20, 20) if sum(paper) > 200 else (235, 235, 235)
    image = _canvas(64, 512, paper)
    for mm in range(0, 151):
        x = 6 + round(mm * 500 / 150)
        cv2.line(image, (x, 0), (x, 26 if mm % 10 == 0 else 18 if mm % 5 == 0 else 11), ink, 1)
        if mm % 10 == 0:
            cv2.putText(image, str(mm // 10), (x - 5, 46), _FONTS[0], 0.5, ink, 1, cv2.LINE_AA)
    return image


def page(rng: random.Random) -> Image:
    """Newspaper or book page: columns of text, headlines, grey pictures."""
    tone = rng.randint(190, 245)
    image = _canvas(768, 768, (tone, tone - rng.randint(0, 12), tone - rng.randint(0, 35)))
    columns = rng.randint(2, 4)
    width = 768 // columns
    for column in range(columns):
        y = rng.randint(10, 40)
        while y < 750:
            x = column * width + 12
            kind = rng.random()
            if kind < 0.06:
                height = rng.randint(60, 160)
                shade = rng.randint(60, 180)
                cv2.rectangle(image, (x, y), (x + width - 24, y + height), (shade, shade, shade), -1)
                y += height + 14
            elif kind < 0.14:
                cv2.putText(
                    image,
                    words(rng, 3)[: width // 16].title(),
                    (x, y + 22),
                    _FONTS[3],
                    0.9,
                    (20, 20, 20),
                    2,
                    cv2.LINE_AA,
                )
                y += 38
            else:
                cv2.putText(
                    image, words(rng, 9)[: width // 7], (x, y + 8), _FONTS[2], 0.34, (40, 40, 45), 1, cv2.LINE_AA
                )
                y += 13
    return image


def cover(rng: random.Random) -> Image:
    """A book cover, carton or magazine: a ground, a shape, a title."""
    image = _canvas(384, 256, colour(rng))
    if rng.random() < 0.6:
        corner = (rng.randint(10, 120), rng.randint(60, 200))
        cv2.rectangle(
            image, corner, (corner[0] + rng.randint(40, 130), corner[1] + rng.randint(40, 160)), colour(rng), -1
        )
    if rng.random() < 0.5:
        cv2.circle(image, (rng.randint(60, 200), rng.randint(120, 300)), rng.randint(20, 80), colour(rng), -1)
    for line in range(rng.randint(1, 3)):
        cv2.putText(
            image,
            words(rng, 2)[:12].title(),
            (18, 50 + 40 * line),
            rng.choice(_FONTS),
            1.1,
            colour(rng),
            2,
            cv2.LINE_AA,
        )
    return image


def screen(rng: random.Random) -> Image:
    """A phone's screen: dark, or a list of coloured rows."""
    if rng.random() < 0.5:
        return _canvas(256, 128, (8, 8, 10))
    image = _canvas(256, 128, rng.choice([(245, 245, 247), (25, 26, 30)]))
    for row in range(6):
        cv2.rectangle(image, (8, 20 + row * 38), (36, 46 + row * 38), colour(rng), -1)
        cv2.line(image, (44, 28 + row * 38), (44 + rng.randint(20, 70), 28 + row * 38), (128, 128, 128), 4)
    return image


def label(rng: random.Random) -> Image:
    """A price tag or museum label."""
    image = _canvas(96, 160, rng.choice([(250, 250, 245), (250, 235, 120), (230, 90, 80), (235, 225, 200)]))
    text = rng.choice(
        [
            f"${rng.randint(5, 900)}",
            f"No. {rng.randint(1, 999)}",
            f"{rng.randint(10, 99)}/{rng.randint(1, 999)}",
            words(rng, 1),
        ]
    )
    cv2.putText(image, text, (12, 58), rng.choice(_FONTS), 1.0, (30, 25, 25), 2, cv2.LINE_AA)
    return image


def print_cloth(rng: random.Random) -> Image:
    """A printed fabric: stripes, checks, dots or flowers, tiling at its borders."""
    image = _canvas(384, 384, colour(rng, 60))
    kind = rng.choice(("stripes", "checks", "dots", "flowers"))
    inks = [colour(rng) for _ in range(3)]
    if kind in ("stripes", "checks"):
        step = rng.choice((24, 32, 48, 64))
        for k, x in enumerate(range(0, 384, step)):
            cv2.rectangle(image, (x, 0), (x + rng.randint(step // 6, step // 2), 384), inks[k % 2], -1)
        if kind == "checks":
            image = cv2.addWeighted(image, 0.5, np.ascontiguousarray(image.transpose(1, 0, 2)), 0.5, 0)
        return image
    for _ in range(rng.randint(15, 60)):
        x, y = rng.randint(0, 383), rng.randint(0, 383)
        size = rng.randint(6, 22)
        for dx in (-384, 0, 384):
            for dy in (-384, 0, 384):
                centre = (x + dx, y + dy)
                if kind == "dots":
                    cv2.circle(image, centre, size, inks[0], -1, cv2.LINE_AA)
                    continue
                for petal in range(5):
                    at = (
                        round(centre[0] + size * np.cos(petal * 1.2566)),
                        round(centre[1] + size * np.sin(petal * 1.2566)),
                    )
                    cv2.circle(image, at, size * 2 // 3, inks[petal % 2], -1, cv2.LINE_AA)
                cv2.circle(image, centre, size // 2, inks[2], -1, cv2.LINE_AA)
    return image


def marker(rng: random.Random) -> Image:
    """Hand-written stock number in marker ink on white, 64 x 256; to be multiplied on a tusk's skin."""
    image = _canvas(64, 256, (255, 255, 255))
    ink = rng.choice([(15, 15, 18), (25, 40, 130), (150, 25, 25)])
    text = rng.choice(
        [
            f"{rng.randint(1, 999)}",
            f"{rng.randint(1, 99)}/{rng.randint(10, 99)}",
            f"KG {rng.randint(2, 39)}.{rng.randint(0, 9)}",
            f"No{rng.randint(1, 400)}",
        ]
    )
    cv2.putText(image, text, (8, 46), rng.choice(_FONTS[:2]), 1.3, ink, rng.randint(3, 5), cv2.LINE_AA)
    return image
