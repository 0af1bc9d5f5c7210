"""One training run: batches, optimiser, moving average, checkpoints with exact resume; alone or under torchrun.

Runs on whatever device is there, with bf16 autocast. Chooses no data and writes no cards.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from training.classifier.augment import Looks
from training.classifier.sampling import BatchSampler
from training.data.manifest import Record
from training.detector.augment import mosaic, place
from training.detector.config import DetectorConfig
from training.detector.logs import CsvLog
from training.detector.scenes import Scene, scene_of
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
from wildvision.models import DetectorNetwork
from wildvision.models.detector_network import Target

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 180.0
LOG_STEPS = 25
CLIP_NORM = 5.0
JUDGE = "context."  # what the keys of the classifier inside start with; it is not trained here, so it is not kept here

Batch = tuple[Tensor, list[Target]]
Evaluate = Callable[[DetectorNetwork], Mapping[str, float]]


class Batches(Dataset[Batch]):
    """Batch ``k`` as pixels ``(n, S, S, 3)`` uint8 and ``n`` targets; pure in ``k``.

    Under torchrun each process gets its share of the same batch, so that results depend on the number of processes
    only by rounding.
    """

    def __init__(
        self,
        records: Sequence[Record],
        rows: Sequence[int],
        config: DetectorConfig,
        leaves: Sequence[str],
        composer: Callable[[np.random.Generator], Scene] | None,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.records, self.config, self.leaves, self.composer = records, config, tuple(leaves), composer
        self.rank, self.world = rank, world
        # Four photos for each picture, in case it becomes a mosaic.
        self.sampler = BatchSampler(records, rows, config.sampling, size=4 * config.batch_size, seed=config.seed)
        self.looks = Looks()

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, k: int) -> Batch:
        numbers = self.sampler.batch(k).reshape(-1, 4)
        size = int(np.random.default_rng((self.config.seed, k, len(numbers))).choice(self.config.sizes))
        items = [self._item(k, i, numbers[i], size) for i in range(self.rank, len(numbers), self.world)]
        pixels = torch.from_numpy(np.stack([scene.image for scene in items]))
        return pixels, [
            Target(torch.from_numpy(s.boxes), torch.from_numpy(s.labels), torch.from_numpy(s.ignore)) for s in items
        ]

    def _item(self, k: int, i: int, numbers: np.ndarray, size: int) -> Scene:
        rng = np.random.default_rng((self.config.seed, k, i))
        how = self.config.sampling
        if self.composer is not None and rng.random() < how.composed:
            scene = place(self.composer(rng), size, size, rng, zoom=(0.8, 1.4))
        elif rng.random() < how.mosaic:
            scene = mosaic([self._photo(n) for n in numbers], size, rng)
        else:
            scene = place(self._photo(numbers[0]), size, size, rng, zoom=(0.6, 1.6))
        image = self.looks(np.ascontiguousarray(scene.image), int(rng.integers(2**31)))
        return Scene(image, scene.boxes, scene.labels, scene.ignore)

    def _photo(self, number: int) -> Scene:
        return scene_of(self.records[int(number)], self.leaves)


class _Loss(nn.Module):
    """The loss as a forward pass, which is what distributed training wraps."""

    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        return self.network.losses(x, targets)


def _trainable(network: DetectorNetwork) -> dict[str, Tensor]:
    """The state without the classifier inside, which a resumed run takes from where it started."""
    return {name: value for name, value in network.state_dict().items() if not name.startswith(JUDGE)}


class Run:
    """Training state; :meth:`fit` goes on from the checkpoint in ``folder`` when there is one."""

    def __init__(self, network: DetectorNetwork, config: DetectorConfig, folder: Path) -> None:
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        self.device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        self.config, self.folder, self.step = config, folder, 0
        network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.network = network
        freeze(network.body, config.frozen_stages)
        if network.context is not None:
            network.context.requires_grad_(False)
        if self.device.type == "cpu":
            full_precision_depthwise(network)
        self.loss: nn.Module = _Loss(network)
        if self.world > 1:
            self.loss = DistributedDataParallel(self.loss, device_ids=[local] if self.device.type == "cuda" else None)
        body = [p for p in network.body.parameters() if p.requires_grad]
        known = {id(p) for p in network.body.parameters()}
        head = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
        self.optimiser = make_optimiser(body, head, config.optimiser)

    def fit(
        self, batches: Batches, *, workers: int = 1, evaluate: Evaluate | None = None, stop_at: int | None = None
    ) -> DetectorNetwork:
        """Train and return the moving average of the weights.

        Args:
            batches: What to learn from.
            workers: Processes that prepare batches.
            evaluate: Measures the average every ``config.evaluation.every`` steps, on the first process.
            stop_at: End after this step, with a checkpoint to go on from.
        """
        self._resume()
        end = min(stop_at or self.config.steps, self.config.steps)
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(self.step, end),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
        losses, measures = (CsvLog(self.folder / f"{name}.csv", step=self.step) for name in ("losses", "map"))
        started = saved = time.monotonic()
        first, recent = self.step, []
        for pixels, targets in loader:
            recent.append(self._advance(pixels, targets))
            now = time.monotonic()
            if self.rank == 0 and (self.step % LOG_STEPS == 0 or self.step == end):
                rate = (self.step - first) * self.config.batch_size / (now - started)
                means = {name: float(np.mean([r[name] for r in recent])) for name in recent[0]}
                losses.add(self.step, means | {"pictures_per_second": rate})
                parts = " ".join(f"{name} {value:.3f}" for name, value in means.items())
                log.info("step %d/%d %s %.1f pictures/s", self.step, self.config.steps, parts, rate)
                recent.clear()
            every = self.config.evaluation.every
            if self.rank == 0 and evaluate and every and self.step % every == 0:
                measures.add(self.step, evaluate(self.average))
            if now - saved > CHECKPOINT_SECONDS or self.step == end:
                self._save()
                saved = now
        return self.average

    def _advance(self, pixels: Tensor, targets: Sequence[Target]) -> dict[str, float]:
        how = self.config.optimiser
        set_rates(self.optimiser, self.step / self.config.steps, how)
        self.network.train()
        still_norms(self.network)
        here = [Target(*(part.to(self.device) for part in target)) for target in targets]
        with torch.autocast(self.device.type, torch.bfloat16):
            parts: dict[str, Tensor] = self.loss(normalise(pixels.to(self.device), self.config.input), here)
        total = torch.stack(list(parts.values())).sum()
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        update_average(self.average, self.network, step=self.step, decay=how.ema_decay)
        return {name: float(part.detach()) for name, part in parts.items()}

    def _save(self) -> None:
        if self.rank == 0:
            state = {
                "step": self.step,
                "network": _trainable(self.network),
                "average": _trainable(self.average),
                "optimiser": self.optimiser.state_dict(),
            }
            save_checkpoint(self.folder, state, self.config.decisive)

    def _resume(self) -> None:
        state = read_checkpoint(self.folder, self.device, self.config.decisive)
        if state is None:
            return
        self.step = state["step"]
        for network, saved in ((self.network, state["network"]), (self.average, state["average"])):
            judge = {k: v for k, v in network.state_dict().items() if k.startswith(JUDGE)}
            network.load_state_dict({k: v for k, v in saved.items() if not k.startswith(JUDGE)} | judge)
        self.optimiser.load_state_dict(state["optimiser"])
        log.info("resumed at step %d of %d", self.step, self.config.steps)
