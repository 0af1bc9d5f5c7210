"""Train a classifier from a YAML: one leave-one-source-out fold, all folds, or the model that ships.

python -m training.train_classifier configs/classifier-fast.yaml --fold 0     # scores of fold 0's held-out sources
python -m training.train_classifier configs/classifier-fast.yaml --final      # learns from everything
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from training.classifier.augment import Corners
from training.classifier.config import ClassifierConfig, averaged, read_config
from training.classifier.engine import Batches, Composer, Run, score_photos
from training.classifier.photos import Photos, load_photos
from training.classifier.pretrained import pretrained_backbone
from training.classifier.refit import Labelled, refit
from training.classifier.sampling import NONE, BatchSampler
from training.command import run_script
from training.composer import BackgroundBank, CutoutBank, Recipe, check_bank, compose, pile
from training.evaluate import AVERAGED, load_network, partner_run
from training.folds import PhotoName, barred, check_labels, check_paths, check_sources, held_out_rows, photo_names
from training.taught import note_taught, refuse_taught
from wildvision.errors import ArgumentError
from wildvision.evaluation.scores import score_table, write_scores
from wildvision.models.network import Network
from wildvision.models.rollup import Rollup
from wildvision.taxonomy import load_taxonomy

log = logging.getLogger(__name__)
FEWEST_CUTOUTS = 12
PILES = 300  # of each group


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--fold", type=int, action="append", help="hold out the sources of this fold; may be repeated")
    what.add_argument("--final", action="store_true", help="train on every source")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--scores", action="store_true", help="only score the held-out photos of finished runs anew")
    part.add_argument("--head", action="store_true", help="only fit the heads of finished runs anew, and score")
    parser.add_argument("--data", type=Path, help="folder of the photos (default: as in the configuration)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="checkpoints and scores go here")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="resized photos and downloaded weights")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.threads:
        torch.set_num_threads(args.threads)
    config = read_config(args.config, data=args.data)
    if args.scores and args.final:
        parser.error("--scores measures held-out photos, of which --final has none")
    check_partners(config, args.fold or [], args.runs)
    photos = load_photos(
        [Path(m) for m in config.manifests],
        annotations=config.boxes,
        size=config.cache_size,
        cache=args.cache,
    )
    check_sources(config.folds, config.not_trained_on, photos.records, args.fold or ())
    check_paths(photos.records, config.folds)
    check_labels(photos.records)
    for fold in args.fold or [None]:
        if args.scores:
            score(config, photos, fold, runs=args.runs)
        elif args.head:
            fit_head_anew(config, photos, fold, runs=args.runs)
        else:
            train(config, photos, fold, runs=args.runs, cache=args.cache)


def check_partners(config: ClassifierConfig, folds: Collection[int | None], runs: Path) -> None:
    """Make sure that the partners have been trained, before hours go into scores that need them.

    Args:
        config: The classifier with partners, or one without.
        folds: Folds that are needed; ``None`` stands for the run that ships.
        runs: Folder with the runs.

    Raises:
        ArgumentError: One has not, or it cannot be a partner.
    """
    names = {"--final" if k is None else f"--fold {k}": "final" if k is None else f"fold{k}" for k in folds}
    for path, partner in zip(config.partners, config.partner_configs(), strict=True):
        done = [(runs / f"{partner.name}-{run}" / "average.pt").exists() for run in names.values()]
        if missing := [option for option, there in zip(names, done, strict=True) if not there]:
            raise ArgumentError(
                f"{config.name} needs its partner {partner.name}; train it first with 'python -m "
                f"training.train_classifier {path} {' '.join(missing)}'"
            )


def train(config: ClassifierConfig, photos: Photos, fold: int | None, *, runs: Path, cache: Path) -> None:
    """Train one network; with a fold, write its held-out photos' scores, else the weights."""
    torch.manual_seed(config.seed)
    folder = _folder(config, fold, runs)
    unseen = _unseen(config, fold)
    kept_out = barred(photos.records, photos.clusters, unseen)
    rows = _rows(photos, kept_out)
    _note_taught(folder, photos, kept_out)
    renders = {r.source for r in photos.records if r.synthetic}
    taught = rows if config.sampling.renders else [i for i in rows if photos.records[i].source not in renders]
    size = config.input.size
    network = Network(config.architecture, Rollup.of(load_taxonomy()), drop_rate=config.drop_rate, size=size)
    pretrained = pretrained_backbone(config.pretrained, config.architecture, cache=cache, size=size)
    network.backbone.load_state_dict(pretrained)
    sampler = BatchSampler(photos.records, taught, config.sampling, size=config.batch_size, seed=config.seed)
    log.info("%s: %d photos, expected shares %s", folder.name, len(taught), _rounded(sampler.shares(photos.records)))
    without = photo_names(photos.records, kept_out)
    paste = composer(config, unseen if config.sampling.renders else unseen | renders, without)
    heaped = piles(config, unseen, without)  # before the hours of training, for what cannot be laid is refused
    if config.sampling.composed or heaped:
        check_bank(CutoutBank.load(Path(config.composer_bank)), photos.records)
    average = Run(network, config, folder).fit(Batches(photos, sampler, config, network, paste))
    _finish(average, pretrained, config, photos, rows, fold, runs, heaped)


def fit_head_anew(config: ClassifierConfig, photos: Photos, fold: int | None, *, runs: Path) -> None:
    """Fit the head of a finished run by the present recipe, on the present photos and renders; the backbone stays."""
    folder = _folder(config, fold, runs)
    network = load_network(config.alone, folder)
    kept_out = barred(photos.records, photos.clusters, _unseen(config, fold))
    _note_taught(folder, photos, kept_out)
    network.to("cuda" if torch.cuda.is_available() else "cpu", memory_format=torch.channels_last)
    own = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    without = photo_names(photos.records, kept_out)
    heaped = piles(config, _unseen(config, fold), without)
    if heaped:
        check_bank(CutoutBank.load(Path(config.composer_bank)), photos.records)
    _finish(network, own, config, photos, _rows(photos, kept_out), fold, runs, heaped)


def _finish(
    network: Network,
    towards: Mapping[str, torch.Tensor],
    config: ClassifierConfig,
    photos: Photos,
    rows: Sequence[int],
    fold: int | None,
    runs: Path,
    heaped: Sequence[Labelled],
) -> None:
    """Refit, write the weights and, with a fold, the held-out photos' scores."""
    whole = BatchSampler(photos.records, rows, config.sampling, size=config.batch_size, seed=config.seed)
    refit(network, towards, photos, whole, config, heaped)
    folder = _folder(config, fold, runs)
    folder.mkdir(parents=True, exist_ok=True)  # a recipe of no steps left no checkpoint there
    torch.save(network.state_dict(), folder / "average.pt")
    if fold is not None:
        score(config, photos, fold, runs=runs)


def _folder(config: ClassifierConfig, fold: int | None, runs: Path) -> Path:
    return runs / (f"{config.name}-final" if fold is None else f"{config.name}-fold{fold}")


def _unseen(config: ClassifierConfig, fold: int | None) -> set[str]:
    return set(config.not_trained_on) | (set() if fold is None else set(config.folds[fold]))


def _rows(photos: Photos, kept_out: Collection[int]) -> list[int]:
    """Numbers of the photos and renders that a run may learn from."""
    return [i for i, r in enumerate(photos.records) if i not in kept_out and r.sure]


def _note_taught(run: Path, photos: Photos, kept_out: Collection[int]) -> None:
    taught = set(range(len(photos))).difference(kept_out)
    note_taught(run, photo_names(photos.records, taught), photo_names(photos.records, kept_out))


def score(config: ClassifierConfig, photos: Photos, fold: int, *, runs: Path) -> None:
    """Write the scores that a finished run, with its partners', gives its held-out photos and its share of renders.

    Raises:
        ArgumentError: One of the runs has learnt from photos that are held out.
    """
    folder, test = _folder(config, fold, runs), held_out_rows(photos.records, config.folds, fold)
    held_out = photo_names(photos.records, barred(photos.records, photos.clusters, _unseen(config, fold)))
    for run in (folder, *(partner_run(config, partner, folder) for partner in config.partner_configs())):
        refuse_taught(run, held_out)
    network = load_network(config, folder).to("cuda" if torch.cuda.is_available() else "cpu")
    logits = score_photos(network, [photos.files[i] for i in test], config.input)
    table = score_table(
        [_row(photos.records[i]) for i in test],
        network.rollup.group_logits(logits),
        network.rollup.leaf_probabilities(logits),
        groups=network.rollup.groups,
        leaves=network.rollup.leaves,
        fold=np.full(len(test), fold),
    )
    write_scores(table, folder / "scores.parquet")
    (folder / AVERAGED).write_text(json.dumps(averaged(config)) + "\n", encoding="utf-8")


def composer(config: ClassifierConfig, unseen: Collection[str], without: Collection[PhotoName]) -> Composer | None:
    """The copy-paste composer without ``unseen`` sources, photos of ``without`` and leaves that have few cut-outs."""
    if config.sampling.composed == 0:
        return None
    cutouts, backgrounds = _banks(config, unseen, without)
    recipe = Recipe(size=config.cache_size)

    def draw(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Sequence[Corners], Sequence[str]]:
        image, boxes, labels = compose(rng, cutouts, backgrounds, recipe)
        return image, [tuple(box) for box in (boxes / recipe.size).tolist()], labels

    return draw


def piles(config: ClassifierConfig, unseen: Collection[str], without: Collection[PhotoName]) -> list[Labelled]:
    """Piles for the head, :data:`PILES` of each group that ``config.refit.piles`` names, of its leaves in turn.

    Args:
        config: The recipe.
        unseen: Sources of which nothing is pasted.
        without: Photos of which nothing is pasted.

    Raises:
        ArgumentError: An unknown group is named.
    """
    if unknown := sorted(set(config.refit.piles) - {NONE, *load_taxonomy().group_names}):
        raise ArgumentError(f"refit.piles names unknown groups {unknown}")
    if not config.refit.piles:
        return []
    cutouts, backgrounds = _banks(config, unseen, without)
    found: list[Labelled] = []
    for number, group in enumerate(sorted(config.refit.piles)):
        leaves = sorted({c.leaf for c in cutouts.cutouts if c.group == group})
        if not leaves:
            log.warning("no piles of %s: the bank has less than %d cut-outs of each leaf", group, FEWEST_CUTOUTS)
            continue
        for k in range(PILES):
            leaf, rng = leaves[k % len(leaves)], np.random.default_rng((config.seed, number, k))
            found.append((leaf, pile(rng, cutouts, backgrounds, leaf, size=config.cache_size).image))
    return found


def _banks(
    config: ClassifierConfig, unseen: Collection[str], without: Collection[PhotoName]
) -> tuple[CutoutBank, BackgroundBank]:
    """What may be pasted, and on what."""
    bank = Path(config.composer_bank)
    cutouts = CutoutBank.load(bank).without_sources(unseen).without_photos(without)
    counts = Counter(c.leaf for c in cutouts.cutouts)
    common = (c for c in cutouts.cutouts if counts[c.leaf] >= FEWEST_CUTOUTS)
    return (
        CutoutBank(common, photo_weight=config.sampling.photo_weight),
        BackgroundBank.load(bank).without_sources(unseen).without_photos(without),
    )


def _row(record: object) -> dict[str, object]:
    names = ("path", "source", "object_id", "group", "leaf", "trust", "synthetic")
    return {name: getattr(record, name) for name in names}


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 3) for name, share in sorted(shares.items())}


if __name__ == "__main__":
    run_script(main)
