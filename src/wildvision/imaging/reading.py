"""Bytes out of paths and file objects, within the byte limit and without ever blocking on a pipe or a device.

Knows nothing of image formats. Opens read-only and puts file objects back where they were.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

from wildvision.contract import Status
from wildvision.imaging.types import InputError, Limits

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO must not wait for its writer
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_BINARY = "open it in binary mode ('rb')"
_CHUNK = 1 << 20


def read_path(path: str, limits: Limits) -> bytes:
    """The content of a regular file; anything else is refused without being opened."""
    if not path:
        raise InputError(Status.NOT_FOUND, "the path is empty")
    try:
        # Asked before opening, because opening a device can already do something, and again after it, because
        # the name may point elsewhere by then.
        _require_regular(Path(path).stat().st_mode)
        fd = os.open(path, _FLAGS)
    except OSError as error:
        absent = error.errno in _ABSENT
        hint = " (URLs are read by wildvision.score, not here)" if absent and "://" in path else ""
        reason = error.strerror or str(error)
        raise InputError(Status.NOT_FOUND if absent else Status.UNREADABLE, f"{reason}{hint}") from error
    except ValueError as error:  # a NUL inside the name
        raise InputError(Status.NOT_FOUND, f"not a possible path: {error}") from error
    with os.fdopen(fd, "rb", buffering=0) as file:
        info = os.fstat(fd)
        _require_regular(info.st_mode)
        if info.st_size > limits.max_bytes:
            raise _too_many_bytes(limits, info.st_size)
        return _read_all(file, limits, first=info.st_size + 1)


def read_file_object(file: Any, limits: Limits) -> bytes:
    """What is left of a binary file object, which is put back to its position afterwards where it can seek."""
    try:
        start = file.tell() if getattr(file, "seekable", bool)() else None
        try:
            return _read_all(file, limits, first=_CHUNK)
        finally:
            if start is not None:
                file.seek(start)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(Status.UNREADABLE, f"the file object decodes text; {_BINARY}") from error
    except Exception as error:  # a caller's object may raise anything
        raise InputError(Status.UNREADABLE, f"reading the file object failed: {error!r}") from error


def check_bytes(n: int, limits: Limits) -> None:
    """Refuse no bytes, and more bytes than allowed."""
    if n == 0:
        raise InputError(Status.EMPTY, "there are no bytes")
    if n > limits.max_bytes:
        raise _too_many_bytes(limits, n)


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise InputError(Status.UNREADABLE, f"{_KINDS.get(stat.S_IFMT(mode), 'something')}, not a file")


def _too_many_bytes(limits: Limits, n: int | None = None) -> InputError:
    size = "more" if n is None else f"{n} bytes, more"
    return InputError(Status.TOO_LARGE, f"{size} than the limit of {limits.max_bytes} bytes")


def _read_all(file: Any, limits: Limits, *, first: int) -> bytes:
    """Everything up to end of file. A size is only a hint: files grow, and some report none."""
    parts: list[bytes] = []
    total = 0
    want = first
    while chunk := file.read(min(want, limits.max_bytes + 1 - total)):
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise InputError(
                Status.UNREADABLE,
                f"the file object returned {type(chunk).__name__}, not bytes; {_BINARY}",
            )
        parts.append(bytes(chunk))
        total += len(chunk)
        if total > limits.max_bytes:
            raise _too_many_bytes(limits)
        want = _CHUNK
    if not parts:
        return b""
    return parts[0] if len(parts) == 1 else b"".join(parts)
