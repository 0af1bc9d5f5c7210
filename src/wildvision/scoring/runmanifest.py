"""``manifest.json`` beside the parts: what was run on what. A run goes on only where all of that is unchanged."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wildvision._version import __version__
from wildvision.errors import WildvisionError
from wildvision.scoring.items import Fingerprint, Item
from wildvision.scoring.sinks import MANIFEST, Part, sync_folder

SCHEMA = "wildvision-run/1"
NAME = MANIFEST
STATE = ".state"
"""Folder inside the output folder for what only a running or interrupted run needs."""


class ResumeError(WildvisionError):
    """The output folder holds a run that this one cannot go on with; the message says what differs and what to do."""


@dataclass(frozen=True)
class RunManifest:
    """What a run is.

    Attributes:
        state: ``running``, ``interrupted`` or ``complete``.
        source: Kind, place and (for single files) digest of the input.
        model: Identity, operating points and numeric settings of the models.
        config: Every other setting that changes rows.
        created: When the run began, UTC.
        wildvision: Version of the library that began it.
        totals: Rows, counts by status and decision, and the sha256 of the listings, once the run is complete.
        schema: Version of this file's format.
    """

    state: str
    source: dict[str, Any]
    model: dict[str, Any]
    config: dict[str, Any]
    created: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    wildvision: str = __version__
    totals: dict[str, Any] | None = None
    schema: str = SCHEMA

    @classmethod
    def read(cls, folder: Path) -> RunManifest | None:
        """The manifest in a folder, ``None`` where there is none.

        Raises:
            WildvisionError: It is damaged or of another version.
        """
        path = folder / NAME
        if not path.exists():
            return None
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            found._check()
        except (ValueError, TypeError) as e:
            raise WildvisionError(f"{path} is not a run manifest that this version reads: {e}") from e
        if found.schema != SCHEMA:
            raise WildvisionError(f"{path} has the schema {found.schema!r}; this version reads {SCHEMA!r}")
        return found

    def _check(self) -> None:
        for name in ("source", "model", "config"):
            if not isinstance(getattr(self, name), dict):
                raise TypeError(f"{name} is {getattr(self, name)!r}")
        if self.totals is not None and not (isinstance(self.totals, dict) and isinstance(self.totals.get("rows"), int)):
            raise TypeError(f"totals are {self.totals!r}")

    def write(self, folder: Path) -> None:
        """Put the manifest into a folder, all of it or none."""
        temporary = folder / f".{NAME}.tmp"
        with temporary.open("w", encoding="utf-8") as f:
            json.dump(asdict(self), f, indent=2, ensure_ascii=False)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(folder / NAME)
        sync_folder(folder)

    def refuse_changes(self, now: RunManifest, folder: Path) -> None:
        """Refuse to go on with this run where ``now`` differs in anything that changes rows.

        Raises:
            ResumeError: Naming every difference.
        """
        differences = [
            line
            for part in ("source", "model", "config")
            for line in _differences(part, getattr(self, part), getattr(now, part))
        ]
        if differences:
            raise ResumeError(
                f"{folder} holds a run that began {self.created} with other settings:\n  "
                + "\n  ".join(differences)
                + "\nSet them back to go on with it, choose another output folder, or start anew with overwrite=True "
                "(--overwrite)"
            )


def skip_finished(items: Iterator[Item], parts: list[Part], fingerprint: Fingerprint, folder: Path) -> None:
    """Pass over the inputs of finished parts, opening none of them, and make sure that they are still the same.

    Raises:
        ResumeError: They are not; names the first part whose inputs changed.
    """
    for part in parts:
        for done in range(part.rows):
            item = next(items, None)
            if item is None:
                raise ResumeError(_changed(part, f"it now ends after {part.first + done} photos", folder))
            fingerprint.add(item)
        if fingerprint.hexdigest() != part.input:
            raise ResumeError(_changed(part, "photos were added, removed, renamed or changed", folder))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the output folder, so that two runs cannot write into it at once; a killed run lets go by itself.

    Raises:
        WildvisionError: Another run holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on POSIX
        yield
        return
    path = folder / STATE / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino != os.fstat(f.fileno()).st_ino:
                raise OSError("the run before removed the file between our opening and locking it")
        except OSError as e:
            raise WildvisionError(f"another run is writing into {folder}; wait for it or choose another folder") from e
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: an interrupted run needs the rest
                path.parent.rmdir()


def _changed(part: Part, how: str, folder: Path) -> str:
    return (
        f"the input changed since {part.part} was written (rows {part.first} to {part.first + part.rows - 1}, "
        f"{part.first_id!r} to {part.last_id!r}): {how}. Score the changed input into a new folder, or start anew with "
        f"overwrite=True (--overwrite); {folder} was left as it is"
    )


def _differences(name: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys([*before, *now])
        return [line for key in keys for line in _differences(f"{name}.{key}", before.get(key), now.get(key))]
    before, now = json.loads(json.dumps(before)), json.loads(json.dumps(now))
    return [] if before == now else [f"{name} was {_short(before)}, now {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"
