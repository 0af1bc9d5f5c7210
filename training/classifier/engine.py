"""One training run: batches, optimiser, moving average, checkpoints with exact resume, scores of held-out photos.

Runs on whatever device is there; on a CPU with bf16 autocast. Chooses no data and writes no cards.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset

from training.classifier.augment import Augment, Corners, choose_crop, shrink_into
from training.classifier.config import ClassifierConfig, Loss
from training.classifier.photos import Photos
from training.classifier.sampling import NONE, BatchSampler
from training.data.manifest import Record
from training.optim import (
    freeze,
    full_precision_depthwise,
    make_optimiser,
    normalise,
    read_checkpoint,
    save_checkpoint,
    set_rates,
    still_norms,
    update_average,
)
from wildvision.imaging import Preparer, Preprocess
from wildvision.models.network import Network

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 180.0
LOG_STEPS = 25

Composer = Callable[[np.random.Generator], tuple[npt.NDArray[np.uint8], Sequence[Corners], Sequence[str]]]
"""Draws a picture ``(S, S, 3)`` uint8; boxes as shares of its sides, and the leaf in each."""


class Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batch ``k`` as ``(pixels (n, S, S, 3) uint8, groups (n, 4) float32, leaf (n,) int64 or -1)``; pure in ``k``."""

    def __init__(
        self,
        photos: Photos,
        sampler: BatchSampler,
        config: ClassifierConfig,
        network: Network,
        composer: Composer | None,
    ) -> None:
        self.photos, self.sampler, self.config, self.composer = photos, sampler, config, composer
        self.augment = Augment()
        self.groups, self.leaves = network.rollup.groups, network.rollup.leaves
        self.members = network.rollup.members.astype(np.float32)
        self.boxes = {n: relative_boxes(photos.records[n]) for n in np.unique(sampler.numbers).tolist()}
        self.rooms = np.array([n for n in np.unique(sampler.numbers) if photos.records[n].group == NONE])

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor, Tensor]:
        numbers = self.sampler.batch(k)
        rng = np.random.default_rng((self.config.seed, k, 1))
        items = [self._item(int(number), rng) for number in numbers]
        pixels, groups, leaves = zip(*items, strict=True)
        return torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(groups)), torch.tensor(leaves)

    def _item(
        self, number: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], int]:
        how, size, draw = self.config.sampling, self.config.train_size, rng.random()
        if self.composer is not None and draw < how.composed:
            image, boxes, names = self.composer(rng)
            crop = choose_crop(boxes, rng, zoomed=bool(rng.random() < how.zoomed))
            shown = {name for box, name in zip(boxes, names, strict=True) if crop.shows(box)}
            classes = [self.leaves.index(name) for name in sorted(shown)]
            leaf = classes[0] if len(classes) == 1 else -1
            groups = self.members[:, classes].max(1, initial=0.0)
            return self.augment(crop.cut(image, size), _seed(rng)), groups, leaf
        record, image = self.photos.records[number], self.photos.pixels[number]
        groups = np.array([record.group == g for g in self.groups], dtype=np.float32)
        leaf = self.leaves.index(record.leaf)
        crop = choose_crop(self.boxes.get(number, ()), rng, zoomed=bool(rng.random() < how.zoomed))
        image = crop.cut(image, size)
        if draw > 1 - how.tiny:
            room = choose_crop((), rng, zoomed=False).cut(self.photos.pixels[int(rng.choice(self.rooms))], size)
            image = shrink_into(image, room, rng)
            leaf = leaf if record.group != NONE else -1
        return self.augment(image, _seed(rng)), groups, leaf


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def relative_boxes(record: Record) -> tuple[Corners, ...]:
    """The boxes of a record as shares of the photo's sides, within [0, 1]."""
    if not record.boxes or not record.width or not record.height:
        return ()
    scale = np.array([record.width, record.height] * 2)
    return tuple(tuple(np.clip(np.array(box.corners) / scale, 0, 1).tolist()) for box in record.boxes)


class Run:
    """Training state; :meth:`fit` goes on from the checkpoint in ``folder`` when there is one."""

    def __init__(self, network: Network, config: ClassifierConfig, folder: Path, device: str = "auto") -> None:
        self.device = torch.device("cuda" if device == "auto" and torch.cuda.is_available() else "cpu")
        self.config, self.folder, self.step = config, folder, 0
        network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.network = network
        freeze(network.backbone, config.frozen_stages)
        if self.device.type == "cpu":
            full_precision_depthwise(network)
        body = (p for p in network.backbone.parameters() if p.requires_grad)
        self.optimiser = make_optimiser(body, network.head.parameters(), config.optimiser)

    def fit(self, batches: Batches, *, workers: int = 1) -> Network:
        """Train to the end and return the moving average of the weights."""
        self._resume()
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(self.step, self.config.steps),
            num_workers=workers,
            prefetch_factor=6 if workers else None,
        )
        started = saved = time.monotonic()
        first, losses = self.step, []
        for pixels, groups, leaves in loader:
            losses.append(self._advance(pixels, groups, leaves))
            now = time.monotonic()
            if self.step % LOG_STEPS == 0:
                rate = (self.step - first) * self.config.batch_size / (now - started)
                log.info("step %d/%d loss %.4f %.1f photos/s", self.step, self.config.steps, np.mean(losses), rate)
                losses.clear()
            if now - saved > CHECKPOINT_SECONDS or self.step == self.config.steps:
                self._save()
                saved = now
        return self.average

    def _advance(self, pixels: Tensor, groups: Tensor, leaves: Tensor) -> float:
        how = self.config.optimiser
        set_rates(self.optimiser, self.step / self.config.steps, how)
        self.network.train()
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # of dropout: a resumed run draws the same
        still_norms(self.network)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, _ = self.network(normalise(pixels.to(self.device), self.config.input))
        leaves = leaves.to(self.device)
        group, leaf = losses(self.network, logits.float(), groups.to(self.device), leaves, self.config.loss)
        loss = group.sum(1).mean() + self.config.loss.leaf_weight * leaf.sum() / (leaves >= 0).sum().clamp(min=1)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], 2.0)
        self.optimiser.step()
        self.step += 1
        update_average(self.average, self.network, step=self.step, decay=how.ema_decay)
        return float(loss.detach())

    def _save(self) -> None:
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save_checkpoint(self.folder, state, self.config.decisive)

    def _resume(self) -> None:
        state = read_checkpoint(self.folder, self.device, self.config.decisive)
        if state is None:
            return
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        log.info("resumed at step %d of %d", self.step, self.config.steps)


def losses(network: Network, logits: Tensor, groups: Tensor, leaves: Tensor, how: Loss) -> tuple[Tensor, Tensor]:
    """What photos cost by group ``(n, groups)`` and by leaf ``(n,)``; a leaf of -1 is not known and costs nothing."""
    n = len(network.rollup.groups)
    group = F.binary_cross_entropy_with_logits(network.group_logits(logits), groups, reduction="none") / 2
    leaf = F.cross_entropy(
        logits[:, n:], leaves, ignore_index=-1, label_smoothing=how.label_smoothing, reduction="none"
    )
    return group, leaf


@torch.inference_mode()
def score_photos(network: Network, paths: Sequence[Path], how: Preprocess) -> npt.NDArray[np.float32]:
    """Logits ``(n, outputs)`` of photo files in fp32, prepared just as the library does; a bad photo is an error."""
    prepare = Preparer(how)
    device = next(network.parameters()).device
    out = []
    for batch in _chunks(paths, 8):  # small: large ones spend a CPU's time on page faults
        pixels = np.stack([prepare(path, hashes=False).pixels for path in batch])
        x = normalise(torch.from_numpy(pixels).to(device), how)
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(x)[0]
        out.append(logits.float().cpu().numpy())
    return np.concatenate(out)


def _chunks(items: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
