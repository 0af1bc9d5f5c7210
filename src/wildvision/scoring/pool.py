"""The decode pool: payloads in, loaded photos out by order of arrival, whatever a photo does to its worker.

Each worker is a process of its own, watched by a thread. A worker that hangs is killed, one that dies is replaced, and
either costs its photo a typed failure. Memory is bounded by ``window``, the photos between intake and release.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal

from wildvision.contract import Status
from wildvision.errors import ArgumentError, WildvisionError
from wildvision.imaging import Prepared
from wildvision.scoring.loading import Loader

logger = logging.getLogger(__name__)

Isolation = Literal["process", "thread"]
Loaded = tuple[Prepared, ...]
Load = Callable[[Any, threading.Event], Loaded]

_STARTUP_SECONDS = 300.0
_ATTEMPTS = 2  # a worker may be killed for what another process did to the memory


class WorkerDiedError(Exception):
    """A worker process ended while it had a photo in hand."""


class DecodePool:
    """Loads photos on several workers, which stay alive between runs. Use as a context manager, or call :meth:`close`.

    Args:
        loader: What to do with a payload.
        workers: Number of workers.
        window: Most photos taken in and not yet released; the bound of the pool's memory.
        isolation: ``process`` survives crashes and hangs of native decoders. ``thread`` saves about 80 MB and the
            sending of pixels for each worker, and is for trusted photos and for systems without POSIX pipes.
    """

    def __init__(self, loader: Loader, *, workers: int, window: int, isolation: Isolation = "process") -> None:
        if workers < 1 or window < 1:
            raise ArgumentError(f"workers and window must be at least 1; received {workers} and {window}")
        if isolation not in ("process", "thread"):
            raise ArgumentError(f"isolation must be 'process' or 'thread'; received {isolation!r}")
        self._loader, self._workers, self._window = loader, workers, window
        self._isolated = isolation == "process" and os.name == "posix"
        self._begin()

    def _begin(self) -> None:
        """Workers that no other process has a hand on."""
        load = self._loader
        self._loads = [_Process(load).load if self._isolated else _in_thread(load) for _ in range(self._workers)]
        self._run: _Run | None = None
        self._turn = threading.Lock()
        self._pid = os.getpid()

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def run(self, payloads: Iterable[tuple[int, Any]], *, linger: float = 0.2) -> Iterator[tuple[int, Loaded] | None]:
        """Load every payload. One run at a time; a process forked off gets workers of its own.

        Args:
            payloads: ``(number, payload)``; iterated on a thread of the pool.
            linger: Seconds without an arrival after which ``None`` comes, so that a consumer can use what it has.

        Yields:
            ``(number, loaded)`` by order of arrival. :meth:`release` must be called for each of them sooner or later.

        Raises:
            WildvisionError: Another run is under way.
        """
        if self._pid != os.getpid():
            self._begin()
        turn = self._turn
        if not turn.acquire(blocking=False):
            raise WildvisionError("a run of this pool is under way; finish or close it first, or use another pool")
        try:
            self._run = run = _Run(self._loads, self._window, payloads)
            try:
                yield from run.arrivals(linger)
            finally:
                run.end()
        finally:
            turn.release()

    def release(self, photos: int = 1) -> None:
        """Say that photos have left the pipeline; as many new ones are taken in."""
        if self._run is not None:
            self._run.free.release(photos)

    def close(self) -> None:
        """End the run, if one is under way, and all workers; what they have in hand is dropped."""
        if self._pid != os.getpid():  # all of it is the parent's
            return
        if self._run is not None:
            self._run.end()
        for load in self._loads:
            if isinstance(worker := getattr(load, "__self__", None), _Process):
                worker.stop()


class _Run:
    """One pass over payloads: a thread that takes them in and a thread for each worker."""

    def __init__(self, loads: Sequence[Load], window: int, payloads: Iterable[tuple[int, Any]]) -> None:
        self.free = threading.Semaphore(window)
        self._todo: queue.Queue[tuple[int, Any] | None] = queue.Queue(2 * len(loads))
        self._done: queue.Queue[tuple[int, Loaded] | BaseException | None] = queue.Queue()
        self._closing = threading.Event()
        self._busy = len(loads)
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._feed, args=(payloads,), name="wildvision-feed", daemon=True),
            *(threading.Thread(target=self._work, args=(load,), daemon=True) for load in loads),
        ]
        for thread in self._threads:
            thread.start()

    def arrivals(self, linger: float) -> Iterator[tuple[int, Loaded] | None]:
        while self._busy:
            try:
                arrival = self._done.get(timeout=linger)
            except queue.Empty:
                yield None
                continue
            if isinstance(arrival, BaseException):
                raise arrival
            if arrival is None:
                self._busy -= 1
            else:
                yield arrival
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=5.0)  # a source that waits for the network is not waited for

    def _feed(self, payloads: Iterable[tuple[int, Any]]) -> None:
        try:
            for numbered in payloads:
                while not self.free.acquire(timeout=0.1):
                    if self._closing.is_set():
                        return
                if not self._offer(numbered):
                    return
        except BaseException as e:  # raised where the consumer is, once it has what was taken in before
            self._failure = e
        finally:
            for _ in self._threads[1:]:
                self._offer(None)

    def _offer(self, entry: tuple[int, Any] | None) -> bool:
        while not self._closing.is_set():
            try:
                self._todo.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _work(self, load: Load) -> None:
        try:
            while not self._closing.is_set():
                try:
                    entry = self._todo.get(timeout=0.1)
                except queue.Empty:
                    continue
                if entry is None:
                    return
                self._done.put((entry[0], load(entry[1], self._closing)))
        except BaseException as e:
            self._done.put(e)
        finally:
            self._done.put(None)


def _in_thread(loader: Loader) -> Load:
    return lambda payload, closing: loader(payload)


class _Process:
    """One worker process; started when first needed and again after it died."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._closing = threading.Event()
        self._turn = threading.Lock()  # a run that ends does not wait for what its workers have in hand
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[bytes, bytes] | None = None

    def load(self, payload: Any, closing: threading.Event) -> Loaded:
        """What the worker makes of a payload; a typed failure when it hangs or dies."""
        with self._turn:
            return self._load(payload, closing)

    def _load(self, payload: Any, closing: threading.Event) -> Loaded:
        self._closing = closing
        try:
            message = pickle.dumps(payload, protocol=5)
        except Exception as e:  # a caller's object may raise anything
            return self._loader.failed(Status.UNSUPPORTED, f"cannot be sent to a decode process: {e}")
        limit = self._loader.longest_for(payload)
        death = ""
        for _ in range(_ATTEMPTS):
            try:
                answer = self._ask(message, limit)
            except WorkerDiedError as e:
                death = str(e)
                logger.warning("a decode worker died (%s); starting another", death)
                continue
            if answer is None:  # too late, or nobody waits for it any more
                self.stop()
                return self._loader.failed(Status.TIMEOUT, f"the decoder hung for {limit:g} s and was killed")
            return answer
        return self._loader.failed(Status.UNREADABLE, f"the decoder died on this photo ({death})")

    def stop(self) -> None:
        """End the process now."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._pipe = self._child = None

    def _ask(self, message: bytes, limit: float) -> Loaded | None:
        try:
            pipe = self._pipe or self._spawn()
            pipe.send_bytes(message)
            if not self._wait(pipe, limit):
                return None
            answer: Loaded | Exception = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError) as e:
            code = self._child.wait() if self._child is not None else None
            self.stop()
            raise WorkerDiedError(f"exit code {code}") from e
        if isinstance(answer, Exception):
            raise answer
        if any(p.status is Status.TIMEOUT for p in answer):
            self.stop()  # it ends by itself, see _worker
        return answer

    def _wait(self, pipe: Connection[bytes, bytes], seconds: float) -> bool:
        """Whether there is an answer in time; a pool that closes does not wait."""
        waited = 0.0
        while waited < seconds and not self._closing.is_set():
            step = min(1.0, seconds - waited)
            if pipe.poll(step):
                return True
            waited += step
        return False

    def _spawn(self) -> Connection[bytes, bytes]:
        for _ in range(_ATTEMPTS):
            pipe, code = self._start()
            if pipe is not None:
                return pipe
            if code >= 0:  # by itself; a signal, as of a system short of memory, says nothing of the next
                break
        # no photo's fault, so no photo's row
        raise WildvisionError(
            f"a decode worker did not start ({sys.executable} -m wildvision.scoring._worker; its own error is "
            "printed above). Where processes cannot be started, use isolation='thread'"
        )

    def _start(self) -> tuple[Connection[bytes, bytes] | None, int]:
        """The pipe to a new process that is ready, or ``None`` and the exit status of one that is not."""
        ours, theirs = Pipe(duplex=True)
        known = os.pathsep.join(p for p in sys.path if p)
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "wildvision.scoring._worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": known, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for us; importing, it would end with a traceback
        )
        theirs.close()
        self._pipe = ours
        try:
            ours.send_bytes(pickle.dumps(self._loader, protocol=5))
            ready = self._wait(ours, _STARTUP_SECONDS) and ours.recv_bytes()
        except (EOFError, OSError):
            ready = False
        if ready or self._closing.is_set():
            return ours, 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1.0)
        code = self._child.returncode
        self.stop()
        return None, 0 if code is None else code
