"""Detections of photos that a run has not learnt from, kept for calibration and measures: one JSON line a photo."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.classifier.config import ClassifierConfig, averaged
from training.data.manifest import Record, record_from_row, row_from_record
from training.detector.config import DetectorConfig, run_name
from wildvision.backends.torch_backend import TorchBackend
from wildvision.contract import Detections
from wildvision.errors import ArgumentError
from wildvision.imaging import Preprocess
from wildvision.models import Detector, DetectorNetwork, draft_card
from wildvision.taxonomy import load_taxonomy

DECISIVE = ("head", "channels", "convs", "context", "peak", "contrast", "nms_iou", "nested", "max_boxes")


@dataclass(frozen=True)
class Looked:
    """A photo and what an uncalibrated detector found in it: each score is the sigmoid of the raw logit.

    Crop scores, where there are any, are those of an uncalibrated classifier; NaN for boxes that it has not looked at.
    """

    record: Record
    found: Detections


def bare_detector(network: DetectorNetwork, name: str, how: Preprocess) -> Detector:
    """A detector without calibration and operating points, on the network's device, in fp32."""
    card = draft_card(
        name=name,
        architecture=network.architecture,
        input=how,
        taxonomy=load_taxonomy(),
        detector=dataclasses.replace(network.settings, floor=0.01),
    )
    device = str(next(network.parameters()).device)
    return Detector(card, TorchBackend(network, mean=how.mean, std=how.std, device=device, precision="fp32"))


def look(detector: Detector, records: Sequence[Record], *, batch_size: int = 16) -> Iterable[Looked]:
    """What the detector finds in each photo, from the lowest scores on; photos that cannot be read are left out."""
    found = detector.predict((r.path for r in records), batch_size=batch_size, score=0.0)
    return (Looked(r, d) for r, d in zip(records, found, strict=True) if d.ok)


def write_looked(path: Path, looked: Iterable[Looked], by: str) -> None:
    """Write one line a photo after one that says what the boxes were scored and chosen ``by`` (:func:`found_by`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.write(by + "\n")
        for item in looked:
            d = item.found
            row = {
                "record": row_from_record(item.record),
                "size": d.size,
                "boxes": d.boxes.tolist(),
                "scores": d.scores.tolist(),
                "groups": d.groups,
                "leaves": d.leaves,
            }
            if d.crop_scores is not None:
                row["crop_scores"] = [float(v) if np.isfinite(v) else None for v in d.crop_scores]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_folds(config: DetectorConfig, folds: Iterable[int], runs: Path) -> list[Looked]:
    """What the runs of ``folds`` found in the photos that they had not seen; errors as of :func:`read_looked`."""
    files = [runs / run_name(config.name, k) / "held_out.jsonl" for k in folds]
    return [item for file in files for item in read_looked(file, found_by(config))]


def read_looked(path: Path, by: str) -> list[Looked]:
    """Read what :func:`write_looked` wrote.

    Raises:
        ArgumentError: No such file: the run has not been trained to its end. Or its boxes were scored and chosen by
            something else than ``by`` says.
    """
    if not path.is_file():
        raise ArgumentError(f"no detections at {path}; train that fold first with 'python -m training.train_detector'")
    found = []
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    if head != by:
        raise ArgumentError(
            f"the boxes of {path} were found by {head}, the configuration says {by}; "
            "'python -m training.train_detector' looks again, without training a finished run anew"
        )
    for line in lines:
        row = json.loads(line)
        detections = Detections(
            boxes=np.array(row["boxes"], np.float32).reshape(-1, 4),
            scores=np.array(row["scores"], np.float32),
            groups=tuple(row["groups"]),
            leaves=tuple(row["leaves"]),
            size=tuple(row["size"]),
            crop_scores=np.array(row["crop_scores"], np.float32) if "crop_scores" in row else None,
        )
        found.append(Looked(record_from_row(row["record"]), detections))
    return found


def found_by(config: DetectorConfig, again: ClassifierConfig | None = None) -> str:
    """What decides which boxes are found and how they are scored, as JSON.

    Args:
        config: The detector's recipe, with the classifier that judges whole photos and whose logits that averages.
        again: The classifier that looked at crops, where one did.
    """
    settings = dataclasses.asdict(config.detector)
    classifiers = (("judge", config.context_classifier()), ("again", again))
    return json.dumps(
        {name: settings[name] for name in DECISIVE}
        | {what: {"name": c.name, **averaged(c)} for what, c in classifiers if c is not None}
    )
