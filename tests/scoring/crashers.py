"""Preparers that do to a worker what hostile photos and broken decoders do. Imported by worker processes too."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from wildvision.contract import Status
from wildvision.imaging import Prepared

PIXELS = np.zeros((8, 8, 3), np.uint8)


def prepare(source: Any, *, hashes: bool = True) -> Prepared:
    """Do as the photo says."""
    text = source.decode() if isinstance(source, bytes) else str(source)
    if text == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "oom":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "exit":
        os._exit(3)
    if text == "bug":
        raise RuntimeError("a fault of the loader's own")
    if text == "hang":
        time.sleep(600)
    if text == "slow":
        return Prepared(Status.TIMEOUT, "too slow")
    if text.startswith("once:"):  # dies at the first attempt only
        mark = Path(text[5:])
        if not mark.exists():
            mark.touch()
            os._exit(1)
    if text.startswith("sleep:"):
        time.sleep(float(text[6:]))
    return Prepared(Status.OK, None, None, 8, 8, text.encode().hex().ljust(64, "0")[:64], None, PIXELS)
