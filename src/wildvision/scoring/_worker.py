"""The decode worker process: reads payloads from a pipe, answers with what the loader makes of them.

Started by :mod:`~wildvision.scoring.pool` as ``python -m wildvision.scoring._worker FD``, not by ``multiprocessing``,
so that a run needs no ``if __name__ == "__main__"`` in the caller's script and works inside daemonic processes.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection

from wildvision.contract import Status
from wildvision.errors import WildvisionError
from wildvision.imaging import Prepared
from wildvision.scoring.loading import Loader


def main(fd: int) -> None:
    """Serve until the other side closes the pipe, or until a photo ran into its time limit."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent closes the pipe
        signal.signal(number, signal.SIG_IGN)
    pipe: Connection[bytes, bytes] = Connection(fd)
    try:
        loader: Loader = pickle.loads(pipe.recv_bytes())
        _single_threaded()
        pipe.send_bytes(b"ready")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # native decoders chatter about broken photos
        while True:
            answer = _answer(loader, pipe.recv_bytes())
            pipe.send_bytes(pickle.dumps(answer, protocol=5))
            if isinstance(answer, Exception):
                continue
            if any(p.status is Status.TIMEOUT for p in answer):
                return  # native code may still be busy with it; it ends with this process
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _answer(loader: Loader, message: bytes) -> tuple[Prepared, ...] | Exception:
    """What the loader makes of a payload; an error of its own, which is no photo's fault, for the parent to raise."""
    try:
        payload = pickle.loads(message)
    except Exception as e:  # a caller's object may raise anything
        return loader.failed(Status.UNSUPPORTED, f"cannot be read in a decode process: {e}")
    try:
        return loader(payload)
    except Exception as e:
        return WildvisionError(f"a decode worker failed: {type(e).__name__}: {e}")


def _single_threaded() -> None:
    import cv2

    cv2.setNumThreads(1)  # there is one process for each core


if __name__ == "__main__":
    main(int(sys.argv[1]))
