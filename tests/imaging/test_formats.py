"""Formats are told apart by content, and what cannot be decoded is named."""

from __future__ import annotations

import struct

import pytest
from PIL import features

from tests.zoo import encode, photo
from wildvision.contract import Status
from wildvision.imaging import decode
from wildvision.imaging.sniffing import is_cut, sniff


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_every_supported_format_is_recognised_whole_and_cut(kind):
    data = encode(photo(), kind)
    assert sniff(data) == kind
    assert not is_cut(data, kind)
    assert is_cut(data[: len(data) // 2], kind)


@pytest.mark.parametrize("data", [b"", b"\xff", b"GIF", b"RIFF", b"text", bytes(100), b"<html><svg></svg></html>"])
def test_other_bytes_are_no_format(data):
    assert sniff(data) in (None, "RIFF media")


def test_a_box_of_unknown_or_64_bit_length_is_followed():
    head = b"\0\0\0\x10ftypavif\0\0\0\0"
    assert not is_cut(head + b"\0\0\0\0mdat" + bytes(9), "AVIF")  # up to the end of the file
    assert not is_cut(head + b"\0\0\0\1mdat" + struct.pack(">Q", 20) + bytes(4), "AVIF")
    assert is_cut(head + b"\0\0\0\1mdat" + struct.pack(">Q", 99) + bytes(4), "AVIF")


def test_fill_bytes_between_jpeg_segments_are_skipped():
    data = encode(photo(), "JPEG")
    assert not is_cut(data[:2] + b"\xff\xff" + data[2:], "JPEG")
    assert not is_cut(b"\xff\xd8\xff\xd9", "JPEG")


def test_bigtiff_and_big_endian_tiff_are_decoded():
    assert decode(encode(photo(), "TIFF", big_tiff=True)).ok
    assert is_cut(b"MM\0*\0\0\0\x08", "TIFF")


def test_a_variant_that_the_decoder_does_not_know_is_unsupported():
    data = bytearray(encode(photo(), "BMP"))
    data[30:34] = struct.pack("<I", 4)  # compression: a JPEG inside a BMP
    decoded = decode(bytes(data))
    assert decoded.status is Status.UNSUPPORTED and "BMP" in decoded.error


def test_avif_without_its_decoder_is_unsupported(monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    decoded = decode(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(40))
    assert decoded.status is Status.UNSUPPORTED and "AVIF" in decoded.error
