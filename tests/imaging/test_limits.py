"""Limits answer with a status, in time, and before the cost has arisen."""

from __future__ import annotations

import math
import os
import threading
import time

import numpy as np
import pytest

from tests.zoo import encode, photo, png_header
from wildvision.contract import Status
from wildvision.errors import ArgumentError
from wildvision.imaging import Limits, decode, decoding, formats

JPEG = encode(photo(), "JPEG")


class Slow:
    """A file object that gives its bytes only when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def read(self, n: int) -> bytes:
        self.go_on.wait(10)
        return b""


def test_a_reader_that_hangs_is_a_timeout_in_time():
    source = Slow()
    start = time.monotonic()
    decoded = decode(source, limits=Limits(seconds=0.1))
    assert decoded.status is Status.TIMEOUT and "0.1 s" in decoded.error
    assert time.monotonic() - start < 2
    source.go_on.set()


def test_a_decoder_that_hangs_is_a_timeout_and_its_result_is_dropped(monkeypatch):
    release = threading.Event()

    def slow(*args):
        release.wait(10)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(formats, "decode_jpeg", slow)
    assert decode(JPEG, limits=Limits(seconds=0.1)).status is Status.TIMEOUT
    release.set()


def test_the_first_hash_of_a_process_may_take_its_time(monkeypatch):
    def slow(image):
        time.sleep(0.3)
        return "0" * 16

    assert decode(JPEG, hashes=True).ok
    monkeypatch.setattr(decoding, "phash_hex", slow)
    assert decode(JPEG, limits=Limits(seconds=0.25), hashes=True).status is Status.OK


def test_no_time_limit_is_infinity():
    assert decode(JPEG, limits=Limits(seconds=math.inf)).status is Status.OK


def test_a_process_without_threads_left_decodes_unwatched(monkeypatch):
    def fail(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    assert decode(JPEG).status is Status.OK


def test_the_byte_limit_holds_for_paths_bytes_and_file_objects(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    exact, less = Limits(max_bytes=len(JPEG)), Limits(max_bytes=len(JPEG) - 1)
    for make in (lambda: path, lambda: JPEG, lambda: path.open("rb")):
        source = make()
        assert decode(source, limits=exact).status is Status.OK
        assert decode(source, limits=less).status is Status.TOO_LARGE
        if hasattr(source, "close"):
            source.close()


def test_an_endless_stream_is_too_large_and_not_read_to_its_end():
    class Endless:
        given = 0

        def read(self, n):
            self.given += n
            return bytes(n)

    source = Endless()
    assert decode(source, limits=Limits(max_bytes=10_000)).status is Status.TOO_LARGE
    assert source.given <= 20_002


@pytest.mark.filterwarnings("ignore:Image size")
def test_the_pixel_limit_is_checked_in_the_header_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(formats, "_load", lambda *args: pytest.fail("decoded a bomb"))
    decoded = decode(png_header(10_001, 10_000))
    assert decoded.status is Status.TOO_LARGE
    assert (decoded.width, decoded.height) == (10_001, 10_000)


def test_running_out_of_memory_is_too_large(monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(formats, "_load", fail)
    assert decode(JPEG).status is Status.TOO_LARGE


def test_an_unexpected_exception_is_unreadable(monkeypatch):
    def fail(*args):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(formats, "_load", fail)
    decoded = decode(JPEG)
    assert decoded.status is Status.UNREADABLE and "surprise" in decoded.error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_at_once_and_its_writer_is_not_woken(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    start = time.monotonic()
    assert decode(pipe).status is Status.UNREADABLE
    assert time.monotonic() - start < 1
    with pytest.raises(OSError):  # nobody reads: it was not opened
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.parametrize("bad", [{"max_bytes": 0}, {"max_pixels": -1}, {"seconds": 0}, {"seconds": math.nan}])
def test_limits_that_allow_nothing_are_bad_arguments(bad):
    with pytest.raises(ArgumentError, match="positive"):
        Limits(**bad)


def test_a_pixel_limit_beyond_pillows_own_is_a_bad_argument():
    with pytest.raises(ArgumentError, match="at most"):
        Limits(max_pixels=10**9)
