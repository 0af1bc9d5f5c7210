"""Find models by name, folder or Hub reference, and check their weights. Builds no network and needs no torch.

A model is two files side by side: a card (JSON) and the safetensors file that it names, whose sha256 it holds.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wildvision.errors import ModelError
from wildvision.models import heads, hub
from wildvision.models.card import NAME, ModelCard, Weights
from wildvision.models.card_file import read_card

BUNDLED = Path(__file__).parent.parent / "weights"
HEADS = BUNDLED / "heads"
"""Cards of models that need a download: heads that it puts together with a backbone, and detectors judged by those."""
CARD_NAME = "model.json"
_PICKLES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"}


@dataclass(frozen=True)
class Model:
    """A model on this machine: its card, read and checked, and the place of its weights, not yet checked."""

    card: ModelCard
    card_path: Path
    weights_folder: Path | None = None

    @property
    def weights_path(self) -> Path:
        """The safetensors file: beside the card, unless it has a folder of its own."""
        return (self.weights_folder or self.card_path.parent) / self.card.weights.file

    def read_weights(self) -> bytes:
        """The bytes of the weights file, the very ones that were checked.

        Raises:
            ModelError: They are missing, or not the bytes that the card describes.
        """
        return _read_checked(self.weights_path, self.card.weights)


def list_models() -> list[ModelCard]:
    """The cards of the bundled models, in name order."""
    return [read_card(path) for path in _cards_in(BUNDLED).values()]


def list_larger_models() -> list[ModelCard]:
    """The cards of the models that :func:`download` puts together or that need one of those, in name order."""
    return [read_card(path) for path in _cards_in(HEADS).values()]


def load_card(name_or_path: str | os.PathLike[str] = "default") -> ModelCard:
    """The card of a model; of a model on the Hub, only the card is fetched.

    Raises:
        ModelError: No such model, or its card is unusable.
    """
    reference = _hub_reference(name_or_path)
    if reference:
        return _fetch_card(reference).card
    return _larger(name_or_path) or _locate(name_or_path).card


def verify(name_or_path: str | os.PathLike[str] = "default") -> ModelCard:
    """The card of a model whose weights were just read and found to be what the card says.

    Raises:
        ModelError: No such model, an unusable card, or weights of another size or sha256.
    """
    model = find_model(name_or_path)
    _read_all(model)
    return model.card


def _read_all(model: Model) -> None:
    """Check the weights of a model and those of the classifiers that take part in its scores."""
    model.read_weights()
    for helper in model.card.helpers:
        _read_all(find_classifier(helper, model.card_path.parent))


def download(name_or_path: str | os.PathLike[str]) -> Path:
    """Make sure that a model is on this machine, checked; later runs then need no network.

    A model too large to bundle is put together from its head and a published backbone, with pip's help.

    Returns:
        The folder that holds card and weights; of a detector that needs a larger classifier, that one's.

    Raises:
        ModelError: No such model, not reachable, or refused.
    """
    try:
        model = find_model(name_or_path)
        _read_all(model)
    except ModelError:
        larger = _larger(name_or_path)
        if larger is None:
            raise
        for helper in larger.helpers:
            download(short_name(helper))
        if larger.kind == "classifier":
            heads.assemble(larger, HEADS / f"{larger.name}{heads.ENDING}")  # not here yet, or damaged since
        model = find_model(name_or_path)
        _read_all(model)
    fetched = find_classifier(model.card.helpers[0], HEADS) if _is_larger_detector(model) else model
    return fetched.weights_path.parent


def _is_larger_detector(model: Model) -> bool:
    """Whether its own weights are bundled and its classifier's are not."""
    return model.card.kind == "detector" and model.card_path.parent == HEADS


def find_model(name_or_path: str | os.PathLike[str]) -> Model:
    """A model on this machine, fetched from the Hub first where a Hub reference is given.

    Args:
        name_or_path: Name of a bundled model, or of a larger one that was downloaded; a folder holding
            ``model.json``, or one card under another name; the path of a card; or ``hf://org/repo@revision``, where
            classifiers that take part in the model's scores are looked for too (as ``NAME.json``) unless they are
            the library's and on this machine.

    Raises:
        ModelError: No such model, not reachable, or refused.
    """
    if not isinstance(name_or_path, str | os.PathLike) or not os.fspath(name_or_path):
        raise ModelError(f"a model is named by a name, a path or hf://org/repo@revision; received {name_or_path!r}")
    reference = _hub_reference(name_or_path)
    if reference is None:
        return _locate(name_or_path)
    model = _fetch_card(reference)
    # The commit that the card came from, so that a branch moving meanwhile cannot mix two versions.
    _fetch_weights(hub.HubReference(reference.repo, model.card_path.parent.name), model.card)
    return model


def find_classifier(model_id: str, beside: Path) -> Model:
    """The classifier with this ``model_id``, in a folder (as ``NAME.json``), bundled, or a larger one on this machine.

    The id says which partners and shares it has, whatever its card says by now: what was measured without stays so.

    Raises:
        ModelError: None of them is it.
    """
    name = short_name(model_id)
    for path in (folder / f"{name}.json" for folder in (beside, BUNDLED, HEADS)):
        try:
            card = read_card(path).named(model_id)
        except ModelError:  # none there, or some other JSON file of that name
            continue
        if card is not None and path.parent != HEADS:
            return Model(card, path)
        if card is not None and is_here(card):
            return _larger_model(card)
    raise ModelError(f"{model_id} is needed, and is neither in {beside} nor bundled{_way_to_get(model_id)}")


def _way_to_get(model_id: str) -> str:
    """The command that fetches a larger classifier of the library, as the end of a message; empty for any other."""
    larger = _larger(short_name(model_id))
    if larger is None or larger.named(model_id) is None:
        return ""
    return f"; once, where there is a network: wildvision models download {larger.name}"


def short_name(model_id: str) -> str:
    """``NAME`` of ``wildvision-classifier-NAME@sha256:…``.

    Raises:
        ModelError: It is no classifier's ``model_id``; the name, coming from a card, becomes part of a path.
    """
    match = re.match(rf"wildvision-classifier-({NAME})@sha256:[0-9a-f]{{64}}(\+|$)", model_id)
    if match is None:
        raise ModelError(f"a classifier's id is wildvision-classifier-NAME@sha256:…; received {model_id!r}")
    return match[1]


def _hub_reference(name: str | os.PathLike[str]) -> hub.HubReference | None:
    return hub.HubReference.parse(name) if isinstance(name, str) and name.startswith(hub.PREFIX) else None


def _fetch_card(reference: hub.HubReference) -> Model:
    path, card = hub.fetch(reference, CARD_NAME, read_card)
    return Model(card, path)


def _fetch_weights(commit: hub.HubReference, card: ModelCard) -> None:
    """Fetch a model's weights, and those of the classifiers that take part in its scores unless they are bundled."""
    hub.fetch(commit, card.weights.file, partial(_read_checked, weights=card.weights))
    for wanted in card.helpers:
        if _is_bundled(wanted):
            continue
        name = f"{short_name(wanted)}.json"
        try:
            _, found = hub.fetch(commit, name, read_card)
        except ModelError as error:
            raise ModelError(f"{error}{_way_to_get(wanted)}") from error
        helper = found.named(wanted)
        if helper is None or (helper.helpers and card.kind == "classifier"):
            raise ModelError(f"{name} of {commit} is {found.model_id}; {card.name!r} needs {wanted}")
        _fetch_weights(commit, helper)


def _is_bundled(model_id: str) -> bool:
    try:
        find_classifier(model_id, BUNDLED)
    except ModelError:
        return False
    return True


def _cards_in(folder: Path) -> dict[str, Path]:
    """Names of the library's models with their cards."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def _larger(name_or_path: str | os.PathLike[str]) -> ModelCard | None:
    """The card of a model that is too large to bundle, where this names one."""
    path = _cards_in(HEADS).get(name_or_path) if isinstance(name_or_path, str) else None
    return read_card(path) if path else None


def _larger_model(card: ModelCard) -> Model:
    """The place of a larger model: a detector's own weights are bundled, and only the classifier it needs is not."""
    return Model(card, HEADS / f"{card.name}.json", BUNDLED if card.kind == "detector" else heads.place_of(card))


def is_here(card: ModelCard) -> bool:
    """Whether a model of :func:`list_larger_models` is on this machine, with all that takes part in its scores."""
    needed = (_larger(short_name(helper)) for helper in card.helpers)
    return _larger_model(card).weights_path.is_file() and all(is_here(other) for other in needed if other)


def comes_with_the_library(model: Model) -> bool:
    """Whether its card is one of the library's own, which nobody else writes."""
    return model.card_path.resolve().parent in (BUNDLED.resolve(), HEADS.resolve())


def is_known(name: str) -> bool:
    """Whether this names a model of the library, bundled or larger, whatever lies in the working folder."""
    return name in _cards_in(BUNDLED) or name in _cards_in(HEADS)


def _locate(name_or_path: str | os.PathLike[str]) -> Model:
    bundled, larger_names = _cards_in(BUNDLED), ", ".join(_cards_in(HEADS))
    if name_or_path in bundled:
        path = bundled[str(name_or_path)]
        return Model(read_card(path), path)
    if larger := _larger(name_or_path):
        if not is_here(larger):
            what = "needs a classifier that is" if larger.kind == "detector" else "is"
            raise ModelError(
                f"{larger.name!r} {what} too large to bundle and not on this machine yet; put it together once, where "
                f"there is a network, with: wildvision models download {larger.name}"
            )
        return _larger_model(larger)
    path = Path(name_or_path)
    try:
        folder, file = path.is_dir(), path.is_file()
    except OSError:  # a name too long for a path, say
        folder = file = False
    if folder:
        path = _card_in(path)
    elif path.suffix in _PICKLES:
        raise ModelError(f"{path}: pickle files can run code when loaded and are never read; {_WAYS_IN}")
    elif path.suffix != ".json" or not file:
        named = ", and are named by text, not by a path" if str(name_or_path) in bundled else ""
        more = f"; to download are {larger_names}" if larger_names else ""
        raise ModelError(
            f"no model {str(name_or_path)!r}: bundled are {', '.join(bundled) or 'none'}{named}{more}; {_WAYS_IN}"
        )
    return Model(read_card(path), path)


_WAYS_IN = (
    "otherwise give a folder with a card (.json) and its weights (.safetensors), the card itself, or "
    "hf://org/repo@revision"
)


def _card_in(folder: Path) -> Path:
    if (folder / CARD_NAME).is_file():
        return folder / CARD_NAME
    match sorted(folder.glob("*.json")):
        case [card]:
            return card
        case []:
            pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
            refused = f"; {', '.join(pickles)} can run code when loaded and is never read" if pickles else ""
            raise ModelError(f"{folder} holds no model card (.json){refused}")
        case cards:
            names = ", ".join(card.name for card in cards)
            raise ModelError(f"{folder} holds several JSON files ({names}) and no {CARD_NAME}; give the card's path")


def _read_checked(path: Path, weights: Weights) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the weights {path}: {error.strerror or error}") from error
    if len(content) != weights.bytes:
        raise ModelError(f"{path} has {len(content)} bytes, its card says {weights.bytes}; get the file again")
    digest = hashlib.sha256(content).hexdigest()
    if digest != weights.sha256:
        raise ModelError(f"{path} has sha256 {digest}, its card says {weights.sha256}; get the file again")
    return content
