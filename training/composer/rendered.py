"""Cut-outs from renders: ``training.synth.render`` writes exact instance masks of products and look-alikes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.composer.cutouts import RENDERED, Cutout, cut_out
from training.data.masks import Mask, read_rgb
from training.data.progress import track
from training.data.validate import leaf_groups

LEAST_SIDE = 48
"""Least longer side of an object in pixels; smaller ones would be blown up."""

MOST_INSTANCES = 3
"""Pictures with more objects are heaps, where most are half hidden."""


def rendered_cutouts(folder: Path) -> list[Cutout]:
    """Cut-outs of the objects in a folder of renders that are neither cut by the frame nor part of a heap."""
    groups = leaf_groups()
    found = []
    for file in track(sorted((folder / "params").glob("*.json")), "rendered cut-outs"):
        params: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if params["crowd"] or len(params["instances"]) > MOST_INSTANCES:
            continue
        path = f"images/{params['name']}.jpg"
        image = read_rgb(folder / path)
        numbers = cv2.imread(str(folder / "masks" / f"{params['name']}.png"), cv2.IMREAD_UNCHANGED)
        if image is None or numbers is None or numbers.shape != image.shape[:2]:
            continue
        height, width = numbers.shape
        for instance in params["instances"]:
            x0, y0, x1, y1 = instance["box"]
            if x0 <= 0 or y0 <= 0 or x1 >= width or y1 >= height or max(x1 - x0, y1 - y0) < LEAST_SIDE:
                continue
            flags = (numbers == instance["number"]).astype(np.uint8) * 255
            alpha: Mask = cv2.GaussianBlur(flags, (0, 0), 0.8).astype(np.uint8, copy=False)
            pixels = cut_out(image, alpha)
            if pixels is not None:
                source = f"{RENDERED}{params['split']}"
                name = f"{source}:{params['seed']}:{params['index']}"
                found.append(Cutout(pixels, instance["leaf"], groups[instance["leaf"]], source, name, path))
    return found
