"""The journal of a sorted folder: what is to be put where, on the disk before anything is touched.

Each line is one JSON object. What carries on after a kill reads the lines and finishes each as it was decided, so no
file is put twice; undoing goes through them backwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import UserFacingError, reason_of
from core.translation import tr
from training_scripts.durable import flush

JOURNAL = "sagehound-sort.jsonl"


@dataclass(frozen=True, slots=True)
class Placed:
    """What was decided about one picture.

    `source` is its absolute path; `target` the path within the sorted folder, "" where only a table is made. `sha256`
    is that of its content; `way` is copy, move or csv. `label` is what the model says, also of a picture that it is
    unsure of; `group` is the folder.
    """

    source: str
    target: str
    sha256: str
    way: str
    group: str
    label: str
    probability: float


class Journal:
    """The lines of one sorted folder; appended durably, read back whole lines only."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / JOURNAL

    def read(self) -> list[Placed]:
        """Return what was decided so far; a last line that was cut off by a kill is none: nothing was done of it.

        Raises:
            UserFacingError: it is damaged in its middle, or of something else.
        """
        if not self.file.is_file():
            return []
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # or the next line would be joined to the rest
            with self.file.open("r+b") as opened:
                opened.truncate(len(whole))
        try:
            return [Placed(**json.loads(line)) for line in whole.decode("utf-8").splitlines()]
        except (ValueError, TypeError) as error:
            raise UserFacingError(
                tr("The journal {file} cannot be read.").format(file=self.file),
                f"{reason_of(error)}.",
                tr("Sort into another folder."),
            ) from error

    def append(self, lines: Sequence[Placed]) -> None:
        """Write decisions down; they are on the disk when this returns."""
        text = "".join(json.dumps(asdict(line), ensure_ascii=True) + "\n" for line in lines)
        with self.file.open("ab") as opened:
            opened.write(text.encode("ascii"))
            opened.flush()
            os.fsync(opened.fileno())
        flush([self.file.parent])

    def backwards(self) -> Iterator[Placed]:
        """Yield what was decided, the latest first."""
        yield from reversed(self.read())
