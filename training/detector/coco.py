"""COCO's mAP of detections against a manifest's boxes, by pycocotools; and which detections are right."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.data.manifest import Record
from wildvision.contract import Detections, coco_categories
from wildvision.taxonomy import load_taxonomy

IOU = 0.5


def ground_truth(records: Sequence[Record]) -> dict[str, Any]:
    """The records as a COCO data set; image ids count from 1, only products are annotated."""
    group_of = {leaf: load_taxonomy().group_of(leaf) for leaf in load_taxonomy().leaf_names}
    numbers = {category["name"]: category["id"] for category in coco_categories()}
    annotations = []
    for image_id, record in enumerate(records, start=1):
        for box in record.boxes or ():
            group = group_of.get(box.leaf or record.leaf)
            if group is not None:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": numbers[group],
                        "bbox": [box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0],
                        "area": box.area,
                        "iscrowd": int(box.crowd),
                    }
                )
    images = [{"id": n, "file_name": r.path} for n, r in enumerate(records, start=1)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": coco_categories()}


def coco_map(records: Sequence[Record], detections: Sequence[Detections]) -> dict[str, float]:
    """``mAP`` (IoU 0.5 to 0.95), ``mAP50`` and ``AP50 GROUP`` over the groups that have boxes; NaN where none has.

    Args:
        records: Photos; those without boxes only give false alarms.
        detections: Their detections, from a low score on.
    """
    data = ground_truth(records)
    rows = [row for n, found in enumerate(detections, start=1) for row in found.to_coco(n)]
    present = sorted({a["category_id"] for a in data["annotations"] if not a["iscrowd"]})
    names = {category["id"]: category["name"] for category in data["categories"]}
    if not present:
        return {"mAP": float("nan"), "mAP50": float("nan")}
    if not rows:
        return {"mAP": 0.0, "mAP50": 0.0, **{f"AP50 {names[c]}": 0.0 for c in present}}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.params.catIds = present
        evaluation.evaluate()
        evaluation.accumulate()
    # (IoU thresholds, recalls, categories, area ranges, detections a photo); all areas, 100 detections.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    at50 = {f"AP50 {names[c]}": float(precision[0, :, k].mean()) for k, c in enumerate(present)}
    return {"mAP": float(precision.mean()), "mAP50": float(np.mean(list(at50.values()))), **at50}


def judge(record: Record, found: Detections) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which boxes are right, and which may be judged at all.

    Returns:
        ``(n,)`` bool, whether a box is the first to find an object of its group at IoU 0.5; and ``(n,)`` bool, false
        for boxes that lie in a heap, about which nothing is known.
    """
    group_of = {leaf: load_taxonomy().group_of(leaf) for leaf in load_taxonomy().leaf_names}
    right, judged = np.zeros(len(found), bool), np.ones(len(found), bool)
    objects = [(b, group_of.get(b.leaf or record.leaf)) for b in record.boxes or ()]
    if not objects or not len(found):
        return right, judged
    overlap = coco_mask.iou(_xywh(found.boxes), _xywh([b.corners for b, _ in objects]), [b.crowd for b, _ in objects])
    taken: set[int] = set()
    for n in np.argsort(-found.scores, kind="stable"):
        own = [k for k, (_, group) in enumerate(objects) if group == found.groups[n] and overlap[n, k] >= IOU]
        free = [k for k in own if k not in taken and not objects[k][0].crowd]
        if free:
            best = max(free, key=lambda k: overlap[n, k])
            taken.add(best)
            right[n] = True
        elif any(objects[k][0].crowd for k in own):
            judged[n] = False
    return right, judged


def _xywh(boxes: Any) -> npt.NDArray[np.float64]:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
