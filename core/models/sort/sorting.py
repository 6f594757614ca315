"""Sort the pictures of a folder into class folders, those that the model is unsure of apart."""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from core.errors import Cancelled, PictureError, UserFacingError
from core.locks import lock_of
from core.models.model import Model
from core.models.sort.journal import Journal, Placed
from core.models.sort.placing import free_name, put
from core.paths import give_away, make_outside
from core.predict.records import Answer, Prediction, Unreadable
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import is_no_room, replacing, sha256_of
from training_scripts.pictures.opening import is_picture

TABLE = "sorted.csv"
UNSURE, UNKNOWN = "_unsure", "_unknown"
_BATCH = 32
_LOCK_S = 2.0
_UNSAFE = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))


class Way(Enum):
    """What is done with a picture."""

    COPY = "copy"
    MOVE = "move"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Sorted:
    """What was done: how many pictures each folder got in all, and the pictures that could not be read or put."""

    into: Path
    counts: dict[str, int]
    refused: tuple[PictureError, ...] = ()


@dataclass
class _State:
    """What a run knows while it goes through a folder."""

    done: set[str]
    counts: Counter[str] = field(default_factory=Counter)
    taken: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refused: dict[str, PictureError] = field(default_factory=dict)


def sort_folder(
    model: Model,
    folder: Path,
    into: Path,
    way: Way = Way.COPY,
    threshold: float = 0.0,
    watch: bool = False,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    interval_s: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Sorted:
    """Put every picture of `folder` where the model says, each once also after a kill; what is there is kept.

    `into` gets one folder per class, `_unsure` for those whose probability is below `threshold`, `_unknown` for those
    that show none of its classes, where the model can say so, the journal and sorted.csv, a table of all. With `watch`
    new files are taken, when they have stopped growing, until a cancel, which is its usual end.

    Raises:
        UserFacingError: a folder cannot be read or written.
        Cancelled: through `cancel`, without `watch`; what was sorted stays, and the next run carries on.
    """
    cancel = cancel or CancelToken()
    if not folder.is_dir():
        raise UserFacingError(
            tr("There is no folder {folder}.").format(folder=folder), fix=tr("Name a folder of pictures.")
        )
    folder, into = folder.resolve(), into.expanduser().resolve()
    if into == folder:
        raise UserFacingError(
            tr("A folder cannot be sorted into itself."), fix=tr("Name another folder, or one inside it.")
        )
    try:
        make_outside(into)
        with lock_of(into / "sagehound-sort", _LOCK_S, tr("{name} is not sorted").format(name=folder.name)):
            return _sort(model, folder, into, way, threshold, watch, on_progress, cancel, interval_s, sleep)
    except OSError as error:
        why = tr("The disk is full") if is_no_room(error) else error.strerror or str(error)
        raise UserFacingError(
            tr("{name} was not sorted to its end.").format(name=folder.name),
            f"{why}.",
            tr("Mend that and start again: it carries on."),
        ) from error


def _sort(
    model: Model,
    folder: Path,
    into: Path,
    way: Way,
    threshold: float,
    watch: bool,
    on_progress: OnProgress,
    cancel: CancelToken,
    interval_s: float,
    sleep: Callable[[float], None],
) -> Sorted:
    journal = Journal(into)
    before = journal.read()
    state = _State({line.source for line in before})
    for line in before:
        _finish(into, line, state)
    sizes: dict[Path, tuple[int, int]] = {}
    with suppress(Cancelled) if watch else nullcontext():
        while True:
            found = [path for path in _pictures(folder, into) if str(path) not in state.done]
            if watch:
                found, sizes = _settled(found, sizes)
            for first in range(0, len(found), _BATCH):
                cancel.raise_if_cancelled()
                batch = found[first : first + _BATCH]
                lines = _decide(model, batch, into, way, threshold, state, cancel)
                journal.append(lines)
                for line in lines:
                    _finish(into, line, state)
                on_progress(Progress(first + len(batch), len(found), "Sorting", "pictures"))
            if found or not watch:
                _write_table(into, journal)
            if not watch:
                break
            on_progress(
                Progress(
                    state.counts.total(),
                    None,
                    tr("Waiting for pictures in {name}; sorted").format(name=folder.name),
                    "pictures",
                )
            )
            sleep(interval_s)
            cancel.raise_if_cancelled()
    if cancel.cancelled:
        _write_table(into, journal)  # of a watched folder's last pass, which the cancel ended
    return Sorted(into, dict(state.counts), tuple(state.refused.values()))


def _pictures(folder: Path, into: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and not path.is_relative_to(into) and path.is_file() and is_picture(path):
            yield path


def _settled(
    found: Sequence[Path], sizes: dict[Path, tuple[int, int]]
) -> tuple[list[Path], dict[Path, tuple[int, int]]]:
    """Return the files that are as they were a look ago, and how all of them are now: what still grows must wait."""
    now: dict[Path, tuple[int, int]] = {}
    for path in found:
        try:
            status = path.stat()
        except OSError:
            continue
        now[path] = (status.st_size, status.st_mtime_ns)
    return [path for path in now if now[path][0] and now[path] == sizes.get(path)], now


def _decide(
    model: Model,
    batch: Sequence[Path],
    into: Path,
    way: Way,
    threshold: float,
    state: _State,
    cancel: CancelToken,
) -> list[Placed]:
    lines = []
    for path, answer in zip(batch, model.classify(batch, 1, cancel=cancel), strict=True):
        state.done.add(str(path))
        if isinstance(answer, Unreadable):
            state.refused[str(path)] = answer.error
            continue
        group = _group(answer, threshold)
        target = ""
        if way is not Way.CSV:
            name = free_name(into / group, path.name, state.taken[group])
            state.taken[group].add(name.casefold())
            target = f"{group}/{name}"
        try:
            digest = sha256_of(path)
        except OSError as error:
            state.refused[str(path)] = PictureError(
                tr("{name} cannot be read.").format(name=path.name), f"{error.strerror or error}."
            )
            continue
        lines.append(Placed(str(path), target, digest, way.value, group, answer.label, round(answer.probability, 6)))
    return lines


def _group(answer: Answer, threshold: float) -> str:
    """Return the folder of a picture; a class's name from outside is made one that stays in the folder."""
    assert isinstance(answer, Prediction)
    if answer.unknown:
        return UNKNOWN
    if answer.probability < threshold:
        return UNSURE
    return answer.label.translate(_UNSAFE).strip(" .") or "_"


def _finish(into: Path, line: Placed, state: _State) -> None:
    source = Path(line.source)
    try:
        there = not line.target or put(source, into / line.target, line.sha256, line.way == Way.MOVE.value)
    except OSError as error:
        if is_no_room(error):
            raise
        there = False
        state.refused[line.source] = PictureError(
            tr("{name} was not put into {group}.").format(name=source.name, group=line.group),
            f"{error.strerror or error}.",
        )
    if there:
        state.counts[line.group] += 1
        if line.way == Way.MOVE.value:
            state.done.discard(line.source)  # what comes under this name later is another file


def _write_table(into: Path, journal: Journal) -> None:
    with replacing(into / TABLE) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("source", "folder", "label", "probability", "file"))
        for line in journal.read():
            writer.writerow((line.source, line.group, line.label, line.probability, line.target))
    give_away(into / TABLE)
