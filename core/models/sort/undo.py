"""Take a sorting back: copies are removed, moved files go back to where they were."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserFacingError
from core.locks import lock_of
from core.models.sort.journal import JOURNAL, Journal, Placed
from core.models.sort.placing import put
from core.models.sort.sorting import TABLE
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import sha256_of


@dataclass(frozen=True, slots=True)
class Undone:
    """How many files are back or gone, and what was left as it is, with the reason."""

    count: int
    left: tuple[str, ...]


def undo(into: Path, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None) -> Undone:
    """Undo all that was sorted into a folder; a file that was changed or moved since is left, and named.

    Started again after a kill it carries on. The journal stays while something was left.

    Raises:
        UserFacingError: nothing was sorted there.
        Cancelled: through `cancel`; what is undone stays so.
    """
    into = into.expanduser().resolve()
    if not (into / JOURNAL).is_file():
        raise UserFacingError(
            tr("Nothing was sorted into {into}.").format(into=into),
            tr("There is no {journal} in it.").format(journal=JOURNAL),
        )
    cancel = cancel or CancelToken()
    with lock_of(into / "sagehound-sort", 2.0, tr("The sorting is not undone")):
        journal = Journal(into)
        lines, left, groups = list(journal.backwards()), [], set()
        for number, line in enumerate(lines, 1):
            cancel.raise_if_cancelled()
            if reason := _take_back(into, line):
                left.append(reason)
            groups.add(line.group)
            on_progress(Progress(number, len(lines), tr("Taking back"), "pictures"))
        for group in groups:
            with suppress(OSError):  # something else is in it
                (into / group).rmdir()
        if not left:
            (into / TABLE).unlink(missing_ok=True)
            journal.file.unlink()
    (into / "sagehound-sort.lock").unlink(missing_ok=True)
    with suppress(OSError):
        into.rmdir()
    return Undone(len(lines) - len(left), tuple(left))


def _take_back(into: Path, line: Placed) -> str:
    """Undo one line; returns why it was left, "" where it was not."""
    if not line.target:
        return ""
    source, target = Path(line.source), into / line.target
    try:
        if not target.is_file():  # undone already, or never done
            return (
                ""
                if line.way == "copy" or source.is_file()
                else tr("{target} is not there any more").format(target=line.target)
            )
        if sha256_of(target) != line.sha256:
            return tr("{target} was changed since").format(target=line.target)
        if line.way == "copy":
            target.unlink()
        else:
            put(target, source, line.sha256, move=True)
    except FileExistsError:
        return tr("there is another file at {source}").format(source=source)
    except OSError as error:
        return f"{line.target}: {error.strerror or error}"
    return ""
