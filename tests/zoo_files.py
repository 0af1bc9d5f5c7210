"""The content of the zoo's files, by the status that is right for it, and the encoders that tests share."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, features

CUTS = 20


def photo(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """A photo-like RGB image: smooth, textured and different in all four corners."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 225, (5, 7, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels = pixels + rng.normal(0, 6, pixels.shape[:2])[..., np.newaxis].astype(np.int16)
    pixels[: height // 4, : width // 4] = (250, 20, 20)
    pixels[-(height // 4) :, -(width // 4) :] = (20, 20, 250)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """``image`` as a file of the given Pillow format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_orientation(upright: Image.Image, orientation: int) -> bytes:
    """A lossless file that shows ``upright`` once its EXIF orientation is applied."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, "PNG", exif=exif.tobytes())


def cuts(data: bytes, n: int = CUTS) -> list[bytes]:
    """``data`` cut short at ``n`` places spread from its header to near its end."""
    return [data[: len(data) * i // (n + 1)] for i in range(1, n + 1)]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost no data."""
    ihdr = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + png_chunk(b"IDAT", zlib.compress(bytes(64))) + png_chunk(b"IEND", b"")


def sized_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size than its data has."""
    data = bytearray(encode(photo(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def good_files() -> dict[str, bytes]:
    """Files that decode."""
    rgb = photo()
    grey = rgb.convert("L")
    alpha = rgb.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    palette = rgb.quantize(32)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [photo(seed=1), photo(seed=2)]}
    jpeg = encode(rgb, "JPEG")
    files = {
        "plain.jpg": jpeg,
        "progressive.jpg": encode(rgb, "JPEG", progressive=True),
        "subsampled-444.jpg": encode(rgb, "JPEG", subsampling=0),
        "grey.jpg": encode(grey, "JPEG"),
        "cmyk.jpg": encode(rgb.convert("CMYK"), "JPEG"),
        "no-end-marker.jpg": jpeg[:-2],
        "zeros-for-end-marker.jpg": jpeg[:-2] + bytes(512),
        "junk-behind-end.jpg": jpeg + b"junk" * 100,
        "multi-picture.jpg": encode(rgb, "MPO", **frames),
        "large.jpg": encode(photo(1400, 900), "JPEG", quality=60),
        "plain.png": encode(rgb, "PNG"),
        "grey-16-bit.png": encode(deep, "PNG"),
        "one-bit.png": encode(rgb.convert("1"), "PNG"),
        "grey-alpha.png": encode(alpha.convert("LA"), "PNG"),
        "alpha.png": encode(alpha, "PNG"),
        "palette.png": encode(palette, "PNG"),
        "palette-alpha.png": encode(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "colour-key.png": encode(rgb, "PNG", transparency=(250, 20, 20)),
        "animated.png": encode(rgb, "PNG", **frames),
        "one-pixel.png": encode(photo(1, 1), "PNG"),
        "one-pixel.jpg": encode(photo(1, 1), "JPEG"),
        "long-strip.png": encode(photo(3000, 1), "PNG"),
        "plain.webp": encode(rgb, "WEBP"),
        "lossless-alpha.webp": encode(alpha, "WEBP", lossless=True),
        "animated.webp": encode(rgb, "WEBP", **frames),
        "plain.gif": encode(rgb, "GIF"),
        "animated.gif": encode(rgb, "GIF", **frames),
        "transparent.gif": encode(palette, "GIF", transparency=3),
        "plain.bmp": encode(rgb, "BMP"),
        "plain.tiff": encode(rgb, "TIFF"),
        "lzw.tiff": encode(rgb, "TIFF", compression="tiff_lzw"),
        "cmyk.tiff": encode(rgb.convert("CMYK"), "TIFF"),
        "grey-16-bit.tiff": encode(deep, "TIFF"),
        "float.tiff": encode(Image.fromarray(np.asarray(grey) / np.float32(255)), "TIFF"),
        "two-pages.tiff": encode(rgb, "TIFF", save_all=True, append_images=[photo(40, 30)]),
        "really-a-png.jpg": encode(rgb, "PNG"),
        "really-a-jpeg.txt": jpeg,
        "no-extension": jpeg,
    }
    if features.check("avif"):
        files["plain.avif"] = encode(rgb, "AVIF")
    return files


def empty_files() -> dict[str, bytes]:
    """Files without bytes."""
    return {"nothing.jpg": b""}


def unreadable_files() -> dict[str, bytes]:
    """Files that are no image, or a broken one."""
    noise = np.random.default_rng(3).bytes(5000)
    damaged = bytearray(encode(photo(), "PNG"))
    damaged[20] ^= 0xFF  # inside IHDR, whose checksum is now wrong
    return {
        "text.jpg": b"This is not a photo.\n" * 20,
        "error-page.jpg": b"<!DOCTYPE html><html><body>403 Forbidden</body></html>",
        "error.json.jpg": b'{"error": "expired signature"}',
        "noise.jpg": b"\0" + noise,
        "zeros.png": bytes(4096),
        "damaged-header.png": bytes(damaged),
        "zero-by-zero.gif": b"GIF89a" + bytes(7) + b"\x3b",
        "zero-wide.jpg": sized_jpeg(0, 64),
        "zero-wide.png": png_header(0, 64),
        "base64.jpg": b"data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ",
    }


def unsupported_files() -> dict[str, bytes]:
    """Files of a known type that is not decoded."""
    return {
        "drawing.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "document.pdf": b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n",
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "layers.psd": b"8BPS\0\1" + bytes(20),
        "favicon.png": encode(photo(32, 32), "ICO"),
        "film.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(64),
        "film.avi": b"RIFF\x10\0\0\0AVI LIST" + bytes(8),
        "archive.zip": b"PK\3\4" + bytes(40),
        "new.jxl": b"\xff\x0a" + bytes(40),
        "old.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
        "portable.ppm": b"P6\n2 2\n255\n" + bytes(12),
    }


def too_large_files() -> dict[str, bytes]:
    """Files that claim too many pixels."""
    return {
        "20000x20000.png": png_header(20000, 20000),
        "12000x12000.png": png_header(12000, 12000),
        "65000x65000.jpg": sized_jpeg(65000, 65000),
        "65535x65535.gif": b"GIF89a\xff\xff\xff\xff\0\0\0" + b"\x2c\0\0\0\0\xff\xff\xff\xff\0\2\2\x44\1\0\x3b",
    }


def truncated_files() -> dict[str, bytes]:
    """Files cut short."""
    jpeg = encode(photo(), "JPEG")
    files = {f"cut-at-{i:02d}.jpg": data for i, data in enumerate(cuts(jpeg), 1)}
    files["cut-then-ended.jpg"] = jpeg[: len(jpeg) // 2] + b"\xff\xd9"
    files["cut-then-zeros.jpg"] = jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2)
    files["progressive-without-end.jpg"] = encode(photo(), "JPEG", progressive=True)[:-2]
    for kind in ("PNG", "WEBP", "GIF", "BMP", "TIFF"):
        data = encode(photo(), kind)
        files[f"half.{kind.lower()}"] = data[: len(data) // 2]
        files[f"header-only.{kind.lower()}"] = data[:24]
    return files
