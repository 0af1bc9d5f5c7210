"""Which format bytes claim to be, and whether their own structure says that some are missing. Decodes nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    # Recognised in order to be refused by name
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "icon"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"PK\3\4", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw surface"),
    (b"v/1\1", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
)
SUPPORTED = frozenset({"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(data: bytes) -> str | None:
    """Name of the format by its first bytes, one of ``SUPPORTED`` or of another known file type; else ``None``."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF":
        return "WEBP" if data[8:12] == b"WEBP" else "RIFF media"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12]} | {data[i : i + 4] for i in range(16, end, 4)}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        return "HEIF" if brands & _HEIF_BRANDS else "video"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PNM"
    head = data[:1024].lower()
    return "SVG" if b"<svg" in head and b"<html" not in head else None


def is_cut(data: bytes, kind: str) -> bool:
    """Whether the structure of a file of a supported format reaches beyond its last byte.

    Used to name a failure, and for formats whose decoder fills the missing part silently. Cheap: it walks
    over blocks, never over pixels.
    """
    try:
        return _WALKERS[kind](data)
    except (IndexError, struct.error):  # the walk itself ran off the end
        return True


def _jpeg_is_cut(data: bytes) -> bool:
    at = 2
    while True:
        if data[at] != 0xFF:
            return False  # damaged rather than cut
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0xD9:
            return False
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", at) < 0
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _png_is_cut(data: bytes) -> bool:
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if at > len(data):
            return True
        if kind == b"IEND":
            return False


def _gif_is_cut(data: bytes) -> bool:
    """Whether the first frame is incomplete."""
    at = 13 + _gif_table(data[10])
    while True:
        block = data[at]
        if block == 0x2C:
            at = _gif_skip(data, at + 11 + _gif_table(data[at + 9]))
            return False
        if block != 0x21:
            return False
        at = _gif_skip(data, at + 2)


def _gif_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_skip(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _webp_is_cut(data: bytes) -> bool:
    return bool(struct.unpack_from("<I", data, 4)[0] + 8 > len(data))


def _bmp_is_cut(data: bytes) -> bool:
    return bool(struct.unpack_from("<I", data, 2)[0] > len(data))


def _tiff_is_cut(data: bytes) -> bool:
    """Whether a value or a strip of the first directory lies beyond the end."""
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] != 42:
        return False  # BigTIFF: left to the decoder
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    found: dict[int, list[int]] = {}
    for i in range(count):
        tag, kind, n, offset = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * i)
        width = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}.get(kind, 1)
        at = directory + 10 + 12 * i if width * n <= 4 else offset
        if at + width * n > len(data):
            return True
        if tag in (273, 279, 324, 325):  # where the strips or tiles are, and how long
            found[tag] = list(struct.unpack_from(f"{order}{n}{'H' if kind == 3 else 'I'}", data, at))
    starts = found.get(273) or found.get(324) or []
    lengths = found.get(279) or found.get(325) or []
    return any(a + b > len(data) for a, b in zip(starts, lengths, strict=False))


def _boxes_are_cut(data: bytes) -> bool:
    return any(end > len(data) for end in _box_ends(data))


def _box_ends(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:  # 0: up to the end of the file; less: nonsense
            return
        at += size
        yield at


_WALKERS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _jpeg_is_cut,
    "PNG": _png_is_cut,
    "GIF": _gif_is_cut,
    "WEBP": _webp_is_cut,
    "BMP": _bmp_is_cut,
    "TIFF": _tiff_is_cut,
    "AVIF": _boxes_are_cut,
    "HEIF": _boxes_are_cut,
}
