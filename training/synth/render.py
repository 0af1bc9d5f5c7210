"""Render training or test pictures: ``python -m training.synth.render --out DIR --count N --seed S``.

Writes ``images/``, ``masks/`` (instance numbers as PNG), ``params/`` (everything for replay) and ``manifest.csv``.
Finished pictures are skipped, so a run can be stopped and started again; equal seeds give equal parameters and boxes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from training.command import run_script
from training.data import Box, Record, write_manifest
from training.synth.boxes import boxes_from_mask, enclosing
from training.synth.config import EMPTY, group_of, label_of, load_config, plan_leaf, sample_scene, stream
from training.synth.post import apply_post, sample_post, save_jpeg

LICENCE = "Apache-2.0 (rendered for this project)"
PICTURES_PER_PROCESS = 150  # Blender never gives all of its memory back
DEFAULT_CONFIG = Path(__file__).parents[2] / "configs" / "synth.yaml"


@dataclass(frozen=True)
class Job:
    """What a worker needs to know besides the picture's number."""

    out: Path
    assets: Path
    config: Path
    seed: int
    leaves: tuple[str, ...]
    size: int
    split: str


def render_one(job: Job, index: int) -> dict[str, Any]:
    """Render, finish and write picture ``index``; returns its params. The params file comes last and marks it done."""
    from training.synth.engine import render_mask, render_picture, settle_engine
    from training.synth.leaves import BuildContext
    from training.synth.light import find_hdris
    from training.synth.scene import reset, stage

    started, cpu = time.perf_counter(), time.process_time()
    config = load_config(job.config)
    test = job.split == "test"
    leaf = plan_leaf(config, job.seed, index, job.leaves)
    hdris = find_hdris(job.assets, config.holdout["hdris"], test=test)
    params = sample_scene(config, job.seed, index, list(hdris))
    others = sorted(n for n in config.shares if group_of(n) == "none" and n != EMPTY)
    companion = (
        stream(job.seed, index, "companion-leaf").choice(others)
        if params["companion"] and label_of(leaf) != EMPTY
        else None
    )
    post = sample_post(stream(job.seed, params["post_seed"], "post"))
    reset()
    context = BuildContext(job.assets, holdout=test, held_meshes=tuple(config.holdout["meshes"]))
    staged = stage(
        leaf, companion, params, context, hdris[params["light"]["hdri"]], seed=job.seed, index=index, size=job.size
    )
    settle_engine(stream(job.seed, index, "engine").getrandbits(30))
    picture, mask = render_picture(), render_mask()
    finished = apply_post(picture, mask, post)
    name = f"{index:06d}_{leaf}"
    save_jpeg(job.out / "images" / f"{name}.jpg", finished.image, post["quality"])
    cv2.imwrite(str(job.out / "masks" / f"{name}.png"), finished.mask)
    boxes = boxes_from_mask(finished.mask, staged.instances)
    record = {
        "index": index, "name": name, "leaf": label_of(leaf), "companion": companion,
        "seed": job.seed, "split": job.split,
        "size": [finished.image.shape[1], finished.image.shape[0]],
        "instances": [{"number": n, "leaf": staged.instances[n], "box": list(b)} for n, b in boxes.items()],
        "crowd": staged.crowd, "scene": params, "products": staged.built, "post": post,
        "seconds": round(time.perf_counter() - started, 2), "cpu_seconds": round(time.process_time() - cpu, 2),
    }  # fmt: skip
    (job.out / "params" / f"{name}.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    return record


def to_record(params: dict[str, Any]) -> Record:
    """The manifest row of one picture; boxes only for products, look-alikes keep theirs in the params file.

    A product that nothing is left of in the picture (hidden, out of frame) makes the picture ``ambiguous``.
    """
    leaf, group = params["leaf"], group_of(params["leaf"])
    visible = {item["number"]: tuple(item["box"]) for item in params["instances"] if item["leaf"] == leaf}
    boxes: tuple[Box, ...] = ()
    if group != "none":
        boxes = tuple(Box(*box, leaf=leaf) for box in visible.values())
        heap = enclosing(visible)
        if params["crowd"] and heap:
            boxes += (Box(*heap, leaf=leaf, crowd=True),)
    hidden = leaf != EMPTY and not visible
    return Record(
        path=f"images/{params['name']}.jpg",
        group="ambiguous" if hidden else group,
        leaf=leaf,
        source=f"render-{params['split']}",
        boxes=boxes,
        object_id=f"render-{params['split']}:{params['seed']}:{params['index']}",
        split=params["split"],
        licence=LICENCE,
        redistributable=True,
        synthetic=True,
        width=params["size"][0],
        height=params["size"][1],
        origin_class=params["products"][0].get("form", "") if params["products"] else "empty scene",
        note="product not visible" if hidden else "",
    )


def write_outputs(out: Path) -> int:
    """Write ``manifest.csv`` from the params files; returns the number of pictures."""
    files = sorted((out / "params").glob("*.json"))
    write_manifest(out / "manifest.csv", (to_record(json.loads(f.read_text(encoding="utf-8"))) for f in files))
    return len(files)


def _jobs_left(job: Job, count: int, start: int) -> Iterator[int]:
    config = load_config(job.config)
    for index in range(start, start + count):
        if not (job.out / "params" / f"{index:06d}_{plan_leaf(config, job.seed, index, job.leaves)}.json").exists():
            yield index


def _attempt(job: Job, index: int) -> tuple[int, dict[str, Any] | str]:
    """The picture's number with its params, or with what went wrong: one bad scene must not end a run of thousands."""
    try:
        return index, render_one(job, index)
    except Exception as error:
        return index, f"{type(error).__name__}: {error}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to fill (created)")
    parser.add_argument("--count", type=int, required=True, help="pictures in all, finished ones included")
    parser.add_argument("--start", type=int, default=0, help="number of the first picture")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--leaf", action="append", default=[], help="only this leaf; may be repeated")
    parser.add_argument("--size", type=int, default=256, help="long side in pixels")
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--assets", type=Path, default=Path("../shared/assets"))
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG)
    options = parser.parse_args(arguments)
    job = Job(
        options.out.resolve(),
        options.assets.resolve(),
        options.config.resolve(),
        options.seed,
        tuple(options.leaf),
        options.size,
        options.split,
    )
    for folder in ("images", "masks", "params"):
        (job.out / folder).mkdir(parents=True, exist_ok=True)
    (job.out / f"run-seed{job.seed}.json").write_text(
        json.dumps({k: str(v) for k, v in asdict(job).items() if k not in ("out", "assets")})
    )
    left = list(_jobs_left(job, options.count, options.start))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(options.workers, maxtasksperchild=PICTURES_PER_PROCESS) as pool:
        for done, (index, result) in enumerate(pool.imap_unordered(partial(_attempt, job), left), start=1):
            if isinstance(result, str):
                print(f"picture {index}: {result}", flush=True)
                continue
            print(
                f"{done}/{len(left)} {result['name']} {result['seconds']} s ({result['cpu_seconds']} s CPU)", flush=True
            )
    print(f"{write_outputs(job.out)} pictures in {job.out / 'manifest.csv'}")
    return 0


if __name__ == "__main__":
    run_script(main)
