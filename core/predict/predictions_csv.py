"""Predictions as a CSV file, for spreadsheets and for scripts."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from core.errors import UserFacingError
from core.paths import give_away
from core.predict.intake import NamedPicture
from core.predict.records import Answer, Prediction, Unreadable
from core.translation import tr
from training_scripts.durable import replacing

HEADER = (
    *("picture", "label", "probability", "second_label", "second_probability"),
    *("width", "height", "milliseconds", "unknown", "strangeness"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(rows: Iterable[tuple[NamedPicture, Answer | None]], path: Path) -> int:
    """Write one line per answered picture, whole or not at all; returns how many.

    A last column `error` says why a picture was not read. Names that a spreadsheet would run as a formula get an
    apostrophe in front, as spreadsheets do themselves.

    Raises:
        UserFacingError: the file cannot be written.
    """
    count = 0
    try:
        path.parent.stat()  # a folder that is not there is a slip of the hand, and not made
        with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow((*HEADER, "error"))
            for picture, answer in rows:
                if answer is not None:
                    writer.writerow(_line(picture, answer))
                    count += 1
        give_away(path)
    except OSError as error:
        raise UserFacingError(
            tr("{name} could not be written.").format(name=path.name),
            f"{error.strerror or error}.",
            tr("Choose another place."),
        ) from None
    return count


def _line(picture: NamedPicture, answer: Answer) -> tuple[str, ...]:
    name = str(picture.source) if isinstance(picture.source, Path) else picture.name
    if isinstance(answer, Unreadable):
        return (_plain(name), *[""] * (len(HEADER) - 1), _plain(str(answer.error)))
    return (_plain(name), *_figures(answer), "")


def _figures(answer: Prediction) -> tuple[str, ...]:
    label, probability = answer.classes[0]
    second = (_plain(answer.classes[1][0]), f"{answer.classes[1][1]:.6f}") if len(answer.classes) > 1 else ("", "")
    size = (str(answer.width), str(answer.height))
    strange = ("", "") if answer.strangeness is None else (str(answer.unknown).lower(), f"{answer.strangeness:.4f}")
    return (_plain(label), f"{probability:.6f}", *second, *size, f"{answer.milliseconds:.2f}", *strange)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
