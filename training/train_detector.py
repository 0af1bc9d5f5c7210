"""Train a detector from a YAML: one leave-one-source-out fold, all folds, or the model that ships.

python -m training.train_detector configs/detector-default.yaml --fold 0   # finds things in fold 0's held-out sources
python -m training.train_detector configs/detector-default.yaml --final    # learns from everything
torchrun --nproc-per-node 4 -m training.train_detector configs/detector-default.yaml --final
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from training.classifier.config import ClassifierConfig
from training.classifier.pretrained import pretrained_backbone
from training.command import run_script
from training.composer import CutoutBank, check_bank
from training.data.manifest import Record
from training.detector.coco import coco_map
from training.detector.config import DetectorConfig, read_config, run_name
from training.detector.engine import Batches, Evaluate, Run
from training.detector.held_out import bare_detector, found_by, look, write_looked
from training.detector.scenes import Composer, read_records, teaches
from training.evaluate import load_network
from training.folds import PhotoName, barred, check_labels, check_sources, held_out_rows, photo_clusters, photo_names
from training.optim import read_checkpoint
from training.taught import note_taught, refuse_taught
from training.train_classifier import check_partners
from wildvision.errors import ArgumentError
from wildvision.models import DetectorNetwork
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)
BODY = "backbone."  # what the keys of a classifier's backbone start with


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--fold", type=int, action="append", help="hold out the sources of this fold; may be repeated")
    what.add_argument("--final", action="store_true", help="train on every source")
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="checkpoints, logs and detections go here")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="downloaded weights")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    parser.add_argument("--stop-at", type=int, help="end after this step, with a checkpoint to go on from")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    if "RANK" in os.environ:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    config = read_config(args.config, data=args.data)
    records = read_records(config.photos)
    check_sources(config.folds, config.not_trained_on, records, args.fold or ())
    check_labels(records)
    if config.sampling.composed and not config.weights_from:
        check_bank(CutoutBank.load(Path(config.composer_bank)), records, config.folders)
    for fold in args.fold or [None]:
        train(config, records, fold, runs=args.runs, cache=args.cache, stop_at=args.stop_at)
    if distributed.is_initialized():
        distributed.destroy_process_group()


def train(
    config: DetectorConfig,
    records: Sequence[Record],
    fold: int | None,
    *,
    runs: Path,
    cache: Path,
    stop_at: int | None = None,
) -> None:
    """Train one network; with a fold, write what it finds in the held-out photos, and always the weights.

    Where the weights are another recipe's, nothing is trained and no weights are written.
    """
    torch.manual_seed(config.seed)
    folder = runs / run_name(config.name, fold)
    unseen = {*config.not_trained_on, *(() if fold is None else config.folds[fold])}
    leaves = load_taxonomy().leaf_names
    clusters = photo_clusters(records, [Path(r.path) for r in records], cache)
    if unreadable := [i for i, cluster in enumerate(clusters) if cluster < 0]:
        log.warning("%d photos cannot be read and are left out: %s, …", len(unreadable), records[unreadable[0]].path)
    kept_out = barred(records, clusters, unseen)
    rows = [i for i, r in enumerate(records) if clusters[i] >= 0 and i not in kept_out and teaches(r)]
    held_out = photo_names(records, kept_out, config.folders)
    test = [] if fold is None else [records[i] for i in held_out_rows(records, config.folds, fold) if records[i].sure]
    network = DetectorNetwork(config.architecture, config.detector, Rollup.of(load_taxonomy()))
    if config.weights_from:
        set_judge(network, config, fold, held_out, runs=runs)
        load_trained(network, config, fold, held_out, runs=runs)
        if int(os.environ.get("RANK", 0)) == 0:
            _look(network.to("cuda" if torch.cuda.is_available() else "cpu"), config, test, folder)
        return
    first_weights(network, config, fold, held_out, runs=runs, cache=cache)
    composer = _composer(config, unseen, held_out, leaves)
    taught = set(range(len(records))).difference(kept_out)
    note_taught(folder, photo_names(records, taught, config.folders), held_out)
    run = Run(network, config, folder)
    log.info("%s: %d photos, %d with boxes", folder.name, len(rows), sum(bool(records[i].boxes) for i in rows))
    batches = Batches(records, rows, config, leaves, composer, rank=run.rank, world=run.world)
    average = run.fit(batches, evaluate=_evaluation(config, test), stop_at=stop_at)
    if run.rank == 0 and run.step == config.steps:
        torch.save(average.state_dict(), folder / "average.pt")
        _look(average, config, test, folder)
    if distributed.is_initialized():
        distributed.barrier()


def _look(network: DetectorNetwork, config: DetectorConfig, photos: Sequence[Record], folder: Path) -> None:
    if photos:
        looked = look(bare_detector(network.eval(), config.name, config.input), photos)
        write_looked(folder / "held_out.jsonl", looked, found_by(config))


def set_judge(
    network: DetectorNetwork, config: DetectorConfig, fold: int | None, held_out: Collection[PhotoName], *, runs: Path
) -> None:
    """Let the classifier of the same fold judge whole photos, where the recipe names one; it is not trained further.

    Raises:
        ArgumentError: It has not been trained yet, or has learnt from photos of ``held_out``.
    """
    judge = config.context_classifier()
    if judge is None:
        return
    _trained(config, config.context_from or config.start_from, judge, fold, runs)
    check_partners(judge, [fold], runs)
    for used in (judge, *judge.partner_configs()):
        refuse_taught(runs / run_name(used.name, fold), held_out)
    # one that ships inside the detector's own file looks at the detector's pictures
    size = judge.input.size if config.context_from else 0
    looks = config.input.renormalised(judge.input)
    network.set_context(load_network(judge, runs / run_name(judge.name, fold)), size, *looks)


def load_trained(
    network: DetectorNetwork, config: DetectorConfig, fold: int | None, held_out: Collection[PhotoName], *, runs: Path
) -> None:
    """Give the network, but for the classifier that judges whole photos, the weights of a finished run.

    Raises:
        ArgumentError: There is none, it is of another recipe or incomplete, or has learnt from photos of ``held_out``.
    """
    trained = config.trained()
    run = runs / run_name(trained.name, fold)
    if not (run / "average.pt").exists():
        which = "--final" if fold is None else f"--fold {fold}"
        raise ArgumentError(
            f"{run / 'average.pt'} is missing; train it first with "
            f"'python -m training.train_detector {config.weights_from} {which}'"
        )
    refuse_taught(run, held_out)
    read_checkpoint(run, torch.device("cpu"), trained.decisive)
    state = torch.load(run / "average.pt", map_location="cpu", weights_only=True)
    own = {name for name in network.state_dict() if not name.startswith("context.")}
    if missing := sorted(own.difference(state)):
        raise ArgumentError(f"{run / 'average.pt'} lacks {missing[0]!r} and others; train it anew")
    network.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)


def first_weights(
    network: DetectorNetwork,
    config: DetectorConfig,
    fold: int | None,
    held_out: Collection[PhotoName],
    *,
    runs: Path,
    cache: Path,
) -> None:
    """Give the backbone the weights of the classifier of the same fold, of ImageNet, or none.

    A classifier of the same fold judges whole photos inside the detector (:func:`set_judge`).

    Raises:
        ArgumentError: A classifier has not been trained yet, has learnt from photos of ``held_out``, or there is none
            and its judgement has weight.
    """
    set_judge(network, config, fold, held_out, runs=runs)
    classifier = config.classifier()
    if classifier is not None:
        weights_file = _trained(config, config.start_from, classifier, fold, runs)
        refuse_taught(weights_file.parent, held_out)
        state = torch.load(weights_file, map_location="cpu", weights_only=True)
        network.body.load_state_dict({key: state[BODY + key] for key in network.body.state_dict()})
    elif config.pretrained:
        weights = pretrained_backbone(config.pretrained, config.architecture, cache=cache)
        network.body.load_state_dict({key: weights[key] for key in network.body.state_dict()})


def _trained(config: DetectorConfig, recipe: str, classifier: ClassifierConfig, fold: int | None, runs: Path) -> Path:
    path = runs / run_name(classifier.name, fold) / "average.pt"
    if not path.exists():
        which = "--final" if fold is None else f"--fold {fold}"
        raise ArgumentError(
            f"{path} is missing, which {config.name} builds on; train it first with "
            f"'python -m training.train_classifier {recipe} {which}'"
        )
    return path


def _composer(
    config: DetectorConfig, unseen: Collection[str], without: Collection[PhotoName], leaves: Sequence[str]
) -> Composer | None:
    if config.sampling.composed == 0:
        return None
    return Composer(
        Path(config.composer_bank),
        unseen,
        without,
        leaves,
        size=max(config.sizes),
        photo_weight=config.sampling.photo_weight,
        positives=config.sampling.composed_positives,
        piles=config.sampling.piles,
    )


def _evaluation(config: DetectorConfig, test: Sequence[Record]) -> Evaluate | None:
    """mAP of photos and of renders, apart, on photos that have boxes or show nothing."""
    usable = [r for r in test if not r.positive or r.boxes]
    if not usable or not config.evaluation.every:
        return None
    order = np.random.default_rng(config.seed).permutation(len(usable))
    chosen = [usable[i] for i in order[: config.evaluation.photos]]

    def evaluate(network: DetectorNetwork) -> Mapping[str, float]:
        looked = list(look(bare_detector(network, config.name, config.input), chosen))
        values: dict[str, float] = {}
        for kind, synthetic in (("photos", False), ("renders", True)):
            part = [item for item in looked if item.record.synthetic == synthetic]
            if part:
                measured = coco_map([p.record for p in part], [p.found for p in part])
                values |= {f"{kind} {name}": value for name, value in measured.items()}
        log.info("mAP %s", {name: round(value, 3) for name, value in values.items()})
        return values

    return evaluate


if __name__ == "__main__":
    run_script(main)
