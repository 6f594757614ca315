"""Write labels to the disk: pictures copied or moved into class folders, by a plan that is on the disk first.

The plan names every file, where it goes and its SHA-256. What ends in between, by a kill or a full disk, is continued
by the same call; a move is taken back by its plan. At every moment each picture is whole at its old place, at its new
one, or at both, and no file that is not ours is ever written over.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.dataset.records import Scan
from core.errors import DatasetError, reason_of
from core.labels.label_state import LabelState
from core.paths import make_outside
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import flush, is_no_room, replacing, sha256_of, write_text
from training_scripts.outside import UNUSABLE, read_json

PLAN = ".sagehound-write.json"
_ONE_AT_A_TIME = threading.RLock()
"""A write that was cancelled is still at its last picture when the next one begins."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: `count` pictures went into class folders, `left` did not, unlabelled or left out."""

    folder: Path
    count: int
    left: int
    moved: bool


@dataclass(frozen=True, slots=True)
class EarlierWrite:
    """What an earlier call wrote, or began to write, into a folder: `count` pictures of `root`."""

    folder: Path
    root: Path
    count: int
    moved: bool
    finished: bool

    @property
    def sentence(self) -> str:
        """Return the sentence for a person."""
        what = "1 picture" if self.count == 1 else f"{self.count:,} pictures"
        done = "move" if self.moved else "copy"
        if self.finished:
            verb = "was" if self.count == 1 else "were"
            return f"{what} of {self.root} {verb} {'moved' if self.moved else 'copied'} here."
        return tr("A {done} of {what} of {root} is not finished: each picture is whole, here or there.").format(
            done=done, what=what, root=self.root
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    root: Path
    move: bool
    files: tuple[tuple[str, str, str], ...]
    """(path in `root`, path in the target, SHA-256)."""
    left: int
    finished: bool = False

    def save(self, target: Path, finished: bool = False) -> None:
        data = {"format": 1, "root": str(self.root), "move": self.move, "left": self.left, "finished": finished}
        write_text(target / PLAN, json.dumps(data | {"files": self.files}, ensure_ascii=False))


def write_labels(
    scan: Scan,
    state: LabelState,
    target: Path,
    move: bool = False,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    splits: Mapping[str, str] | None = None,
) -> Written:
    """Copy or move the labelled pictures into one folder per class, inside their split's where they have one.

    `splits` (by path) says which split that is; None: as the labels and the folders have it. Called again after it was
    interrupted, it continues with the plan that it began, whatever the labels are by then.

    Raises:
        DatasetError: the target holds other files, a picture has changed, or the disk is full; says how far it is.
        Cancelled: through `cancel`; the next call continues.
    """
    with _ONE_AT_A_TIME:
        return _write(scan, state, target, move, on_progress, cancel or CancelToken(), splits)


def _write(
    scan: Scan,
    state: LabelState,
    target: Path,
    move: bool,
    on_progress: OnProgress,
    cancel: CancelToken,
    splits: Mapping[str, str] | None,
) -> Written:
    target = Path(os.path.abspath(target))
    plan = _load(target)
    if plan is None or plan.finished:
        plan = _new_plan(scan, state, target, move, plan, splits)
    elif plan.root != scan.root or plan.move is not move:
        what = tr("{target} holds an unfinished {which} of {root}.").format(
            target=target, which="move" if plan.move else "copy", root=plan.root
        )
        raise DatasetError(what, fix=tr("Finish that one first, or choose another folder."))
    done = 0
    try:
        make_outside(target)
        plan.save(target)
        for source, place, sha256 in plan.files:
            cancel.raise_if_cancelled()
            _carry(plan.root / source, target / place, sha256, plan.move)
            done += 1
            if done % 20 == 0:
                on_progress(Progress(done, len(plan.files), tr("Writing pictures"), "pictures"))
        flush(target / place for _, place, _ in plan.files)
        plan.save(target, finished=True)
    except OSError as error:
        raise _cannot(error, target, done, len(plan.files)) from error
    return Written(target, len(plan.files), plan.left, plan.move)


def take_back(target: Path, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None) -> int:
    """Move pictures back to where they were before `write_labels` moved them to `target`; returns how many.

    Raises:
        DatasetError: nothing was moved there, the place of a picture is taken, or the disk is full.
        Cancelled: through `cancel`; the next call continues.
    """
    with _ONE_AT_A_TIME:
        return _take_back(Path(os.path.abspath(target)), on_progress, cancel or CancelToken())


def earlier_write(target: Path) -> EarlierWrite | None:
    """Return what was written into a folder before; None where nothing was. Waits for a write of this process to end.

    Raises:
        DatasetError: its plan cannot be read.
    """
    with _ONE_AT_A_TIME:
        plan = _load(target)
    return EarlierWrite(target, plan.root, len(plan.files), plan.move, plan.finished) if plan is not None else None


def _take_back(target: Path, on_progress: OnProgress, cancel: CancelToken) -> int:
    plan = _load(target)
    if plan is None or not plan.move:
        raise DatasetError(
            tr("Nothing was moved to {target}.").format(target=target),
            tr("It has no plan of a move."),
            tr("Name the folder OUT."),
        )
    done = 0
    try:
        for source, place, sha256 in plan.files:
            cancel.raise_if_cancelled()
            if (target / place).exists():
                _carry(target / place, plan.root / source, sha256, True)
                done += 1
            if done % 20 == 0:
                on_progress(Progress(done, len(plan.files), tr("Moving pictures back"), "pictures"))
        flush(plan.root / source for source, _, _ in plan.files)
        (target / PLAN).unlink()
        for folder in sorted({(target / place).parent for _, place, _ in plan.files}, reverse=True):
            for empty in (folder, folder.parent):
                if empty != target:
                    with suppress(OSError):
                        empty.rmdir()
    except OSError as error:
        raise _cannot(error, plan.root, done, len(plan.files)) from error
    return done


def _new_plan(
    scan: Scan,
    state: LabelState,
    target: Path,
    move: bool,
    before: _Plan | None,
    splits: Mapping[str, str] | None,
) -> _Plan:
    """Return what goes where; a name that is taken gets a number.

    Raises:
        DatasetError: nothing is labelled, or the target is in use.
    """
    in_place = target == scan.root
    if target.exists() and not in_place and any(entry.name != PLAN for entry in target.iterdir()):
        raise DatasetError(
            tr("{target} is not empty.").format(target=target),
            tr("Nothing is written over."),
            tr("Choose a folder that is new."),
        )
    if in_place and not move:
        raise DatasetError(tr("The pictures are in that folder."), fix=tr("Choose another folder, or move them."))
    if before is not None and before.move:
        raise DatasetError(
            tr("{target} holds a finished move.").format(target=target),
            fix=tr("Take it back first, or choose another folder."),
        )
    files: list[tuple[str, str, str]] = []
    taken = {picture.path.casefold() for picture in scan.pictures} | {path.casefold() for path in scan.unreadable}
    taken = taken if in_place else set()
    for picture in scan.pictures:
        label = state.label_of(picture)
        split = state.split_of(picture) if splits is None else splits.get(picture.path)
        if not label or state.is_excluded(picture):
            continue
        folder = f"{split}/{label}" if split else label
        if in_place and picture.path.rpartition("/")[0] == folder:
            continue
        place = _free(f"{folder}/{picture.path.rpartition('/')[2]}", taken)
        files.append((picture.path, place, picture.sha256))
    left = len(scan.pictures) - len(files)
    if not files:
        raise DatasetError(
            tr("There is nothing to write."), tr("No picture has a label that its folder does not say already.")
        )
    return _Plan(scan.root, move, tuple(files), left)


def _free(place: str, taken: set[str]) -> str:
    stem, dot, suffix = place.rpartition(".")
    found, number = place, 1
    while found.casefold() in taken:
        number += 1
        found = f"{stem}-{number}{dot}{suffix}"
    taken.add(found.casefold())
    return found


def _load(target: Path) -> _Plan | None:
    try:
        data: dict[str, Any] = read_json(target / PLAN)
        files = tuple((str(source), str(place), str(sha256)) for source, place, sha256 in data["files"])
        return _Plan(Path(data["root"]), bool(data["move"]), files, int(data["left"]), bool(data["finished"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNUSABLE as error:
        what = tr("The plan {target} cannot be read.").format(target=target / PLAN)
        raise DatasetError(
            what, f"{reason_of(error)}.", tr("Move that file away; the pictures are where they were.")
        ) from error


def _carry(source: Path, place: Path, sha256: str, move: bool) -> None:
    """Bring one file to its place, where it may be already.

    Raises:
        DatasetError: the file has changed, or another one is at its place.
    """
    if place.exists():
        if sha256_of(place) != sha256:
            what = tr("{place} is there already, and is another file.").format(place=place)
            raise DatasetError(what, tr("Nothing is written over."), tr("Move it away and try again."))
        if move and source.exists() and not os.path.samefile(source, place):
            flush([place])
            source.unlink()
        return
    make_outside(place.parent)
    if move:
        try:
            os.rename(source, place)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    with replacing(place, flushed=move) as partial:
        shutil.copy2(source, partial)
        if sha256_of(partial) != sha256:
            what = tr("{source} has changed since the folder was scanned.").format(source=source)
            raise DatasetError(what, tr("It was not written."), tr("Scan the folder again."))
    if move:
        source.unlink()


def _cannot(error: OSError, target: Path, done: int, total: int) -> DatasetError:
    so_far = tr("{done:,} of {total:,} pictures are written, and nothing is lost.").format(done=done, total=total)
    if is_no_room(error):
        what = tr("The disk of {target} is full.").format(target=target)
        return DatasetError(what, so_far, tr("Make room, then do the same again: it continues where it was."))
    why = f"{error.strerror or error} ({error.filename or target}). {so_far}"
    return DatasetError(
        tr("{target} cannot be written.").format(target=target), why, tr("Mend that, then do the same again.")
    )
