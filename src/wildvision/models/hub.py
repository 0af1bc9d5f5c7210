"""Fetch single files from the Hugging Face Hub at a pinned revision, checked before they are used.

Knows nothing of cards and weights: the caller says what makes a file good.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from wildvision.errors import ArgumentError, ModelError

PREFIX = "hf://"
_TRUE = {"1", "ON", "YES", "TRUE"}
T = TypeVar("T")


class _RefusedError(ModelError):
    """A file was fetched, failed its check and has left the cache."""


@dataclass(frozen=True)
class HubReference:
    """A repository on the Hub at one revision.

    Attributes:
        repo: ``org/repo``.
        revision: Commit, tag or branch. Only a commit can never change.
    """

    repo: str
    revision: str

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """Read ``hf://org/repo@revision``.

        Raises:
            ArgumentError: The text has another form; the revision may not be left out.
        """
        match = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)@((?!.*\.\.)[\w./-]+)", text)
        if match is None:
            raise ArgumentError(
                f"a model on the Hub is written hf://org/repo@revision, with a commit, tag or branch; received {text!r}"
            )
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}@{self.revision}"


def fetch(reference: HubReference, filename: str, check: Callable[[Path], T]) -> tuple[Path, T]:
    """One file of a repository, from the Hub's local cache where it lies there already.

    A file that fails its check leaves the cache and is fetched once more; if it fails again, it is refused and
    nothing of it stays behind. ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` count as they stand now; offline, nothing but
    the cache is used.

    Args:
        reference: Repository and revision.
        filename: Path inside the repository.
        check: Raises :class:`ModelError` for a bad file; its result is returned.

    Returns:
        The path in the cache (``…/snapshots/<commit>/<filename>``) and what ``check`` said.

    Raises:
        ModelError: Not found, not reachable, or not what it should be.
    """
    try:
        return _fetch_once(reference, filename, check)
    except _RefusedError as refused:
        try:
            return _fetch_once(reference, filename, check)
        except _RefusedError:
            raise
        except ModelError as error:
            raise ModelError(f"{refused}. Then, a second download failed: {error}") from error


def _fetch_once(reference: HubReference, filename: str, check: Callable[[Path], T]) -> tuple[Path, T]:
    path = _download(reference, filename)
    try:
        return path, check(path)
    except ModelError as error:
        _evict(path)
        raise _RefusedError(f"{filename} of {reference} was refused and removed from the cache: {error}") from error


def _download(reference: HubReference, filename: str) -> Path:
    from huggingface_hub import hf_hub_download

    # huggingface-hub reads these two when it is imported; whoever sets them later means them too.
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE
    try:
        path = hf_hub_download(
            reference.repo,
            filename,
            revision=reference.revision,
            endpoint=endpoint,
            local_files_only=offline,
            library_name="wildvision",
        )
    except Exception as error:  # its own errors, the system's, and those of an HTTP client that changes by version
        raise ModelError(f"cannot fetch {filename} of {reference}: {_advice(reference, offline, error)}") from error
    return Path(path)


def _advice(reference: HubReference, offline: bool, error: Exception) -> str:
    from huggingface_hub import errors

    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if offline:
        return (
            "it is not in the cache, and HF_HUB_OFFLINE forbids a download. Run `wildvision models download "
            f"{reference}` once where there is a network, or give the folder of a downloaded model"
        )
    match error:
        case errors.GatedRepoError():
            return "access to the repository must be granted on its page first; then log in with `hf auth login`"
        case errors.RepositoryNotFoundError():
            return "no such repository, or a private one; check the name, or log in with `hf auth login`"
        case errors.RevisionNotFoundError():
            return f"the repository has no revision {reference.revision!r}; check the commit, tag or branch"
        case errors.LocalEntryNotFoundError():
            return (
                "it is not in the cache and the Hub cannot be reached. Check the network and HF_ENDPOINT, or give the "
                "folder of a downloaded model"
            )
        case errors.EntryNotFoundError():
            return "the repository has no such file, so it is not a wildvision model"
    return f"the download failed ({first_line}), nothing was kept of it; try again, or give a downloaded model's folder"


def _evict(path: Path) -> None:
    """Remove a file from the cache with every link that leads to its bytes."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)
