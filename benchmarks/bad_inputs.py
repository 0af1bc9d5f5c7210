"""Score a folder in which one file in four was mutated: one typed row each, bounded memory, inputs untouched."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import MIB, Watch, arguments, picture, small_photos, table, timed, tiny_model, write_report
from wildvision.imaging import DEFAULT_LIMITS
from wildvision.models import load_classifier
from wildvision.scoring import ScoreSettings, read_rows, score, validate
from wildvision.scoring.validation import row_problem


def bound_mib(workers: int) -> float:
    """Stated bound of the memory of the whole run: the process with the model, and for each decode worker itself and 15
    bytes for each pixel that the limits allow (Pillow's four for the photo, as many for its conversion, and the copies
    that numpy gets)."""
    return 750 + workers * (100 + 15 * DEFAULT_LIMITS.max_pixels / MIB)


Mutation = Callable[[bytes, random.Random], bytes]


def seeds() -> dict[str, bytes]:
    """Good files of every format, with EXIF and a colour profile where the format has them."""
    from PIL import ImageCms

    image = picture(np.random.default_rng(3), (320, 240), detail=40)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description" * 20
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = {}
    for name, options in {
        "jpg": {"quality": 88, "exif": exif, "icc_profile": profile},
        "progressive.jpg": {"quality": 80, "progressive": True},
        "png": {"icc_profile": profile, "exif": exif},
        "webp": {"exif": exif, "icc_profile": profile},
        "gif": {},
        "bmp": {},
        "tif": {"compression": "tiff_lzw"},
        "avif": {},
    }.items():
        buffer = io.BytesIO()
        kind = name.rpartition(".")[2].replace("jpg", "jpeg").replace("tif", "tiff")
        image.save(buffer, kind, **options)
        found[name] = buffer.getvalue()
    return found


def bit_flips(data: bytes, rng: random.Random) -> bytes:
    """Flip 1 to 64 bits anywhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 64)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def truncation(data: bytes, rng: random.Random) -> bytes:
    """Keep a random front part."""
    return data[: rng.randrange(len(data))]


def swapped_header(data: bytes, rng: random.Random) -> bytes:
    """Put the header of another format in front of the rest."""
    other = rng.choice(list(seeds_cache().values()))
    cut = rng.randint(2, 40)
    return other[:cut] + data[cut:]


def fuzzed_metadata(data: bytes, rng: random.Random) -> bytes:
    """Overwrite bytes in the first kilobytes, where EXIF and the colour profile lie."""
    out = bytearray(data)
    for _ in range(rng.randint(4, 200)):
        out[rng.randrange(8, min(4000, len(out)))] = rng.randrange(256)
    return bytes(out)


def spliced(data: bytes, rng: random.Random) -> bytes:
    """Cut a piece out and put it elsewhere."""
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    piece, rest = data[a:b], data[:a] + data[b:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + piece + rest[at:]


def lying_size(data: bytes, rng: random.Random) -> bytes:
    """Claim another size in the header of a PNG, JPEG or BMP."""
    big = struct.pack(">H", rng.choice([0, 1, 65535, 30000]))
    out = bytearray(data)
    at = data.find(b"\xff\xc0") + 5 if b"\xff\xc0" in data else 18
    out[at : at + 2] = big
    return bytes(out)


def png_bomb(data: bytes, rng: random.Random) -> bytes:
    """A small PNG of 50,000 by 50,000, of 16,000 by 16,000, or just under the limit of 100 megapixels."""
    side = rng.choice([50_000, 16_000, 9_900])
    colour, channels = rng.choice([(0, 1), (2, 3), (6, 4)])  # grey, RGB, RGB with transparency
    row = zlib.compressobj(1)
    rows = side if side < 10_000 else 2000
    body = b"".join(row.compress(bytes(1 + channels * side)) for _ in range(rows)) + row.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb(data: bytes, rng: random.Random) -> bytes:
    """A PNG whose compressed text chunk unpacks to 200 MB."""
    content = b"comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    good = seeds_cache()["png"]
    return good[:33] + chunk + good[33:]


def not_a_photo(data: bytes, rng: random.Random) -> bytes:
    """Something else under a photo's name."""
    return rng.choice(
        [b"", b"\0" * 5000, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n", rng.randbytes(3000)]
    )


MUTATIONS: dict[str, tuple[Mutation, int]] = {
    "bit flips": (bit_flips, 25),
    "truncation": (truncation, 20),
    "swapped header": (swapped_header, 15),
    "fuzzed EXIF or ICC": (fuzzed_metadata, 15),
    "spliced": (spliced, 10),
    "lying size": (lying_size, 8),
    "not a photo": (not_a_photo, 5),
    "PNG bomb": (png_bomb, 1),
    "text bomb": (text_bomb, 1),
}

_SEEDS: dict[str, bytes] = {}


def seeds_cache() -> dict[str, bytes]:
    """The seeds, made once."""
    if not _SEEDS:
        _SEEDS.update(seeds())
    return _SEEDS


def make_bad_files(folder: Path, count: int, seed: int) -> Counter[str]:
    """Write ``count`` mutated files; returns how many of each kind."""
    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = list(MUTATIONS)
    weights = [weight for _, weight in MUTATIONS.values()]
    bombs: dict[bytes, bytes] = {}
    made: Counter[str] = Counter()
    for n in range(count):
        kind = rng.choices(names, weights)[0]
        name, data = rng.choice(list(seeds_cache().items()))
        mutated = MUTATIONS[kind][0](data, rng) if "bomb" not in kind else None
        if mutated is None:  # bombs are few and dear to make
            key = f"{kind}{n % 9}".encode()
            if key not in bombs:
                bombs[key] = MUTATIONS[kind][0](data, rng)
            mutated, name = bombs[key], "png"
        (folder / f"bad-{n:05d}-{kind.replace(' ', '-')}.{name}").write_bytes(mutated)
        made[kind] += 1
    Image.new("RGB", (16_000, 16_000), "white").save(folder / "zz-huge.jpg")
    return made


def fingerprints(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Digest, time of change and mode of every file."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> int:
    """Run the benchmark."""
    args = arguments(main.__doc__ or "", 20_000, bad=5_000, seed=2, workers=2)
    bad = min(args.bad, args.rows - 1)
    photos = args.work / "bad" / f"photos-{args.rows}-{bad}"
    small_photos(photos / "good", args.rows - bad - 1)
    made = make_bad_files(photos / "bad", bad, args.seed)
    classifier = load_classifier(tiny_model(args.work / "bad"), device="cpu")
    out = args.work / "bad" / "out"
    before = fingerprints(photos)
    settings = ScoreSettings(workers=args.workers, progress="none", dedupe="off")
    with Watch(every=0.1) as watch:
        seconds, report = timed(lambda: score(photos, out, classifier=classifier, overwrite=True, settings=settings))
    untouched = fingerprints(photos) == before
    statuses: Counter[str] = Counter()
    crashes = untyped = 0
    for row in read_rows(out):
        untyped += row_problem(row) is not None
        crashes += "decoder died" in str(row["error"])
        if row["id"].startswith("bad/"):
            statuses[row["status"]] += 1
    checked = validate(out)
    passed = checked.ok and report.rows == args.rows == len(before) and untouched and untyped == 0
    bound = bound_mib(args.workers)
    passed = passed and watch.peak < bound
    summary = table(
        {
            "files": len(before),
            "of them mutated": bad + 1,
            "rows": report.rows,
            "rows against the contract": untyped,
            "rows of files that killed a decode worker (typed, run went on)": crashes,
            "statuses of the mutated files": dict(statuses.most_common()),
            "peak memory of all processes": f"{watch.peak:.0f} MiB, bound {bound:.0f} MiB",
            "bytes, times and modes of the inputs": "unchanged" if untouched else "CHANGED",
            "time": f"{seconds:.0f} s",
        }
    )
    note = (
        "Mutations: " + ", ".join(f"{kind} {n}" for kind, n in made.items()) + ", one JPEG of 16,000 by 16,000. "
        "A mutated file may still be a photo; then `ok` is right. The model is a tiny network with random weights: the "
        "test is about the runner and the decoders. The bound is 750 MiB for the process with the model, and for each "
        f"of the {args.workers} decode workers 100 MiB and 15 bytes for each pixel that the limits allow; "
        "`--max-megapixels` lowers it."
    )
    data = {
        "rows": report.rows,
        "mutations": made,
        "statuses": statuses,
        "peak_mib": watch.peak,
        "bound_mib": bound,
        "untouched": untouched,
        "seconds": seconds,
        "workers_killed": crashes,
    }
    return write_report(args.report, "bad_inputs", "Bad inputs", f"{summary}\n\n{note}", data, passed=passed)


if __name__ == "__main__":
    sys.exit(main())
