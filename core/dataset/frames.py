"""A dataset whose frames and pages are pictures of their own: they are taken apart into a folder of ours.

The frames of a file keep its label, its split and its group, or are a group of their own, so that no split tears a film
or a scan apart. What has one frame is linked, or copied where the system links nothing. Opening the same dataset again
takes apart only what is new or has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.dataset.records import Problem, ReadOptions
from core.dataset.tree import listing_of, tree_of
from core.errors import DatasetError, Offer
from core.formats import jsonl
from core.formats.archives import SPARE
from core.formats.dataset_format import Written
from core.formats.imported import mark_opened
from core.formats.opened_source import OpenedSource
from core.formats.records import Example, Frames, KeepTogether, Listing
from core.formats.walk import Walk
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import flush, is_no_room, write_text
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.pictures.frames import frames_of
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.reading import parts_of
from training_scripts.pictures.structure import PictureUnreadable

_KNOWN = ".frames.json"
"""What was taken apart: by path the size, the time and the names of its frames. No walk sees a name with a dot."""
_TAKEN_FROM = ".frames-of.json"
"""The folder that the paths in the other file are in."""
_PICTURES = "images"


@dataclass(frozen=True, slots=True)
class TakenApart:
    """The folder to read instead, what its reader saw before, and what was odd."""

    source: OpenedSource
    seen: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def take_apart(
    source: OpenedSource,
    imports: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    *,
    unlabelled: bool = False,
) -> TakenApart:
    """Return a dataset in `imports` in which each frame of each file is a picture of its own.

    Raises:
        DatasetError: it cannot be read, or there is no room.
        Cancelled: through `cancel`; what was taken apart is kept.
    """
    cancel = cancel or CancelToken()
    options = ReadOptions(frames=Frames.ALL, keep_together=source.options.keep_together)
    if (source.folder / _KNOWN).is_file():  # what an earlier call has returned
        mark_opened(source.folder)
        return TakenApart(OpenedSource(source.folder, options))
    walk = Walk(source.folder, cancel)
    try:
        listing = listing_of(walk, source.options, unlabelled=unlabelled)
    except DatasetError as error:
        raise DatasetError(error.what, error.why, error.fix, offers=_with_frames(error.offers)) from None
    problems = [
        replace(problem, offers=_with_frames(problem.offers))
        for problem in tree_of(listing, walk, unlabelled=unlabelled).problems
    ]
    key = hashlib.sha256(f"{walk.root}\0{replace(source.options, keep_together=KeepTogether.GIVEN)!r}".encode())
    folder = imports / f"{walk.root.name[:80]}-frames-{key.hexdigest()[:12]}"
    try:
        (folder / _PICTURES).mkdir(parents=True, exist_ok=True)
        write_text(folder / _TAKEN_FROM, json.dumps({"folder": str(listing.root)}))
        known = _frames(listing, folder, on_progress, cancel)
        write_text(folder / "labels.jsonl", "".join(text for _, text in jsonl.describe(list(_written(listing, known)))))
    except OSError as error:
        raise _cannot(folder, error) from error
    mark_opened(folder)
    several = sum(len(names) > 1 for _, _, names in known.values())
    pictures = sum(len(names) for _, _, names in known.values())
    said = tr("{files:,} files with several frames or pages were taken apart: {pictures:,} pictures in all.")
    seen = (*listing.seen, said.format(files=several, pictures=pictures))
    return TakenApart(OpenedSource(folder, options), seen, tuple(problems))


def taken_from(folder: Path) -> Path | None:
    """Return the folder whose files were taken apart into `folder`; None where it is another folder."""
    with suppress(*UNUSABLE):
        return Path(read_json(folder / _TAKEN_FROM)["folder"])
    return None


def files_behind(folder: Path) -> Mapping[str, Path]:
    """Return, by the path of a frame in `folder`, the user's file that it was taken from."""
    source = taken_from(folder)
    if source is None:
        return {}
    return {f"{_PICTURES}/{name}": source / path for path, (*_, names) in _read_known(folder).items() for name in names}


def _with_frames(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return the same ways to read a dataset, still with its frames taken apart."""
    return tuple(replace(offer, options=replace(offer.options, frames=Frames.ALL)) for offer in offers)


_Known = tuple[int, int, list[str]]
"""Size, modification time in ns, and the names of the frames."""
_GONE = (0, -1)


def _frames(listing: Listing, folder: Path, on_progress: OnProgress, cancel: CancelToken) -> Mapping[str, _Known]:
    """Take apart what is not known yet and forget what is gone; returns what there is, by the path in the listing.

    What cannot be read now is tried again by the next call, with a time that no file has.
    """
    before, there = _read_known(folder), {example.path for example in listing.examples}
    kept: dict[str, _Known] = {}
    for path in there & before.keys():
        status = _status(listing.root / path)
        whole = all((folder / _PICTURES / name).is_file() for name in before[path][2])
        if status == before[path][:2] and whole:
            kept[path] = before[path]
    for path in before.keys() - kept.keys():
        for name in before[path][2]:
            (folder / _PICTURES / name).unlink(missing_ok=True)
    new = sorted(there - kept.keys())

    def one(path: str) -> tuple[str, _Known]:
        cancel.raise_if_cancelled()
        source = listing.root / path
        status = _status(source)
        names = _taken_apart(source, path, folder / _PICTURES, cancel) if status[1] >= 0 else []
        return path, (*(status if os.access(source, os.R_OK) else _GONE), names)

    pool = ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="frames")
    made: list[str] = []
    try:
        for number, (path, said) in enumerate(pool.map(one, new), 1):
            kept[path] = said
            made += said[2]
            on_progress(Progress(number, len(new), tr("Taking frames apart"), "files"))
            cancel.raise_if_cancelled()
    finally:
        pool.shutdown(cancel_futures=True)
        flush(file for name in made if _is_ours(file := folder / _PICTURES / name))
        write_text(folder / _KNOWN, json.dumps(kept))
    return kept


def _taken_apart(source: Path, path: str, target: Path, cancel: CancelToken) -> list[str]:
    """Write the frames of one file; of a file with one frame, or that cannot be read, the file itself stands there."""
    stem = f"{source.stem[:80]}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    names: list[str] = []
    try:
        data = read_file(source)
        count, _ = parts_of(data)
        if count > 1:
            for number, (suffix, content) in enumerate(frames_of(data), 1):
                cancel.raise_if_cancelled()
                if shutil.disk_usage(target).free < SPARE:
                    raise _no_room(target.parent)
                names.append(f"{stem}-{number:0{len(str(count))}}{suffix}")
                (target / names[-1]).write_bytes(content)
            return names
    except PictureUnreadable:  # the scan says why; of frames before a damaged one none counts
        for name in names:
            (target / name).unlink(missing_ok=True)
    name = f"{stem}{source.suffix}"
    return [name] if _stands_at(target / name, source) else []


def _stands_at(place: Path, source: Path) -> bool:
    """Let a file stand at another place too, by a link where one can be made; whether it does."""
    place.unlink(missing_ok=True)
    with suppress(OSError):
        os.link(os.path.realpath(source), place)
        return True
    if shutil.disk_usage(place.parent).free < SPARE:
        raise _no_room(place.parent.parent)
    try:
        shutil.copyfile(source, place)
        return True
    except OSError as error:
        if is_no_room(error):
            raise
    place.unlink(missing_ok=True)
    with suppress(OSError):  # it cannot be read: the scan says so of a link to it as well
        place.symlink_to(os.path.realpath(source))
        return True
    return False


def _is_ours(file: Path) -> bool:
    """Whether a file was written here, and is no link to one of the user's own, which need not even be readable."""
    with suppress(OSError):
        status = file.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return False


def _no_room(folder: Path) -> DatasetError:
    return DatasetError(
        tr("The frames cannot be taken apart."),
        tr("The disk of {target} has no room for more.").format(target=folder),
        tr("Make room, or read one frame of each file: --frames one."),
    )


def _cannot(folder: Path, error: OSError) -> DatasetError:
    if is_no_room(error):
        return _no_room(folder)
    return DatasetError(
        tr("The frames cannot be taken apart."),
        tr("{target} cannot be written ({reason}).").format(target=folder, reason=error.strerror or error),
        tr("Mend that, or read one frame of each file: --frames one."),
    )


def _written(listing: Listing, known: Mapping[str, _Known]) -> Iterator[Written]:
    for example in listing.examples:
        names = known[example.path][2]
        group = example.group or (example.path if len(names) > 1 else None)
        for name in names:
            yield Written(f"{_PICTURES}/{name}", Example(name, example.labels, example.split, group), (0, 0))


def _status(file: Path) -> tuple[int, int]:
    """Return size and time; a negative time where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return _GONE
    return status.st_size, status.st_mtime_ns


def _read_known(folder: Path) -> dict[str, _Known]:
    try:
        found = read_json(folder / _KNOWN)
        return {
            path: (int(size), int(time), [str(name) for name in names]) for path, (size, time, names) in found.items()
        }
    except (*UNUSABLE, FileNotFoundError, AttributeError, TypeError):
        return {}
