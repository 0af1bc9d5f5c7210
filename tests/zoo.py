"""Builds the zoo: good, odd and bad inputs, each with the statuses that are right for it. Used by many tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import zoo_files
from tests.zoo_files import cuts, encode, photo, png_header, sized_jpeg, with_orientation

__all__ = [
    "ZooCase",
    "build_zoo",
    "cuts",
    "encode",
    "photo",
    "png_header",
    "sized_jpeg",
    "snapshot",
    "with_orientation",
]


@dataclass(frozen=True)
class ZooCase:
    """One input of the zoo.

    Attributes:
        name: Unique.
        source: What to hand to ``decode`` or ``predict``; mostly a path below the zoo's folder.
        expected: Right statuses; more than one where the machine decides (permissions, plugins).
        shape: ``(height, width)`` of the upright original, where the case is about it.
    """

    name: str
    source: Any
    expected: frozenset[str]
    shape: tuple[int, int] | None = None

    @property
    def path(self) -> Path | None:
        """The source where it is a path, for tests of what reads paths only."""
        return self.source if isinstance(self.source, Path) else None


def build_zoo(folder: Path) -> list[ZooCase]:
    """Write the zoo into an empty folder; touches nothing outside it."""
    cases = [
        *_files(folder, zoo_files.good_files(), "ok"),
        *_files(folder, zoo_files.empty_files(), "empty"),
        *_files(folder, zoo_files.unreadable_files(), "unreadable"),
        *_files(folder, zoo_files.unsupported_files(), "unsupported"),
        *_files(folder, zoo_files.too_large_files(), "too_large"),
        *_files(folder, zoo_files.truncated_files(), "truncated"),
        *_orientations(folder),
        *_names(folder),
        *_not_files(folder),
        *_in_memory(),
    ]
    assert len({case.name for case in cases}) == len(cases)
    return cases


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, bytes | str]]:
    """Everything below a folder with its mode, size, mtime and content, to show that nothing was written."""
    seen: dict[str, tuple[int, int, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        if path.is_symlink():
            content: bytes | str = str(path.readlink())
        elif path.is_file() and info.st_size < 2**20 and os.access(path, os.R_OK):
            content = path.read_bytes()
        else:
            content = b""
        seen[str(path)] = (info.st_mode, info.st_size if path.is_file() else 0, info.st_mtime_ns, content)
    return seen


def _files(folder: Path, files: dict[str, bytes], status: str) -> Iterator[ZooCase]:
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        yield ZooCase(name, path, frozenset({status}))


def _orientations(folder: Path) -> Iterator[ZooCase]:
    upright = photo(48, 32)
    for orientation in range(1, 9):
        path = folder / f"orientation-{orientation}.png"
        path.write_bytes(with_orientation(upright, orientation))
        yield ZooCase(path.name, path, frozenset({"ok"}), (32, 48))


def _names(folder: Path) -> Iterator[ZooCase]:
    data = encode(photo(), "JPEG")
    names: list[str] = [
        "象牙 – ivoire.jpg",
        "two\nlines.jpg",
        " spaces 'and' \"quotes\".jpg",
        "-dash.jpg",
        "per%20cent#?.jpg",
    ]
    if os.name == "posix":
        names.append(os.fsdecode(b"latin-1-\xe9.jpg"))
    for i, name in enumerate(names):
        path = folder / name
        try:
            path.write_bytes(data)
        except OSError:  # a file system that insists on UTF-8
            continue
        yield ZooCase(f"name-{i}", path, frozenset({"ok"}))


def _not_files(folder: Path) -> Iterator[ZooCase]:
    def case(name: str, source: Any, *expected: str) -> ZooCase:
        return ZooCase(name, source, frozenset(expected))

    plain = folder / "plain.jpg"
    yield case("missing", folder / "missing.jpg", "not_found")
    yield case("below-a-file", plain / "photo.jpg", "not_found")
    yield case("name-too-long", folder / ("x" * 5000), "not_found")
    yield case("name-with-nul", f"{folder}/a\0b.jpg", "not_found")
    yield case("empty-name", "", "not_found")
    yield case("url", "https://example.org/photo.jpg", "not_found")
    (folder / "directory.jpg").mkdir()
    yield case("directory", folder / "directory.jpg", "unreadable")
    for name, target, expected in (
        ("link", plain, "ok"),
        ("dangling-link", folder / "gone.jpg", "not_found"),
        ("link-to-itself", folder / "link-to-itself", "unreadable"),
    ):
        (folder / name).symlink_to(target)
        yield case(name, folder / name, expected)
    locked = folder / "locked.jpg"
    locked.write_bytes(plain.read_bytes())
    locked.chmod(0)
    yield case("locked", locked, "unreadable", *(["ok"] if os.access(locked, os.R_OK) else []))
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        yield case("fifo", folder / "pipe.jpg", "unreadable")
    for device in ("/dev/zero", "/dev/null", "/dev/tty"):
        if Path(device).exists():
            yield case(device, Path(device), "unreadable")
    huge = folder / "sparse.jpg"
    with huge.open("wb") as file:
        file.truncate(2**33)
    yield case("8-GiB", huge, "too_large")
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
    (folder / "broken.heic").write_bytes(heic)
    yield case("broken.heic", folder / "broken.heic", "unreadable", "truncated", "unsupported")


def _in_memory() -> Iterator[ZooCase]:
    rgb = np.asarray(photo())
    sources: list[tuple[str, Any, str]] = [
        ("bytes", encode(photo(), "JPEG"), "ok"),
        ("bytearray", bytearray(encode(photo(), "PNG")), "ok"),
        ("no-bytes", b"", "empty"),
        ("file-object", io.BytesIO(encode(photo(), "WEBP")), "ok"),
        ("text-file-object", io.StringIO("text"), "unreadable"),
        ("pil", photo(), "ok"),
        ("pil-cmyk", photo().convert("CMYK"), "ok"),
        ("pil-without-pixels", Image.new("RGB", (0, 5)), "empty"),
        ("array", rgb, "ok"),
        ("array-grey", rgb[..., 0], "ok"),
        ("array-uint16", rgb.astype(np.uint16) * 257, "ok"),
        ("array-float", rgb / 255, "ok"),
        ("array-float-255", rgb.astype(np.float32), "unsupported"),
        ("array-nan", np.full((4, 4, 3), np.nan), "unsupported"),
        ("array-int64", rgb.astype(np.int64), "unsupported"),
        ("array-chw", rgb.transpose(2, 0, 1), "unsupported"),
        ("array-batch", rgb[np.newaxis], "unsupported"),
        ("array-empty", rgb[:0], "empty"),
        ("none", None, "unsupported"),
        ("number", 7, "unsupported"),
    ]
    for name, source, expected in sources:
        yield ZooCase(name, source, frozenset({expected}))
