"""The errors of Sagehound, by audience.

SagehoundError
├── Cancelled                   the user asked for it: not shown
└── UserFacingError             shown as it is: what happened, why, what to do next
    ├── UsageError              wrong use of the command line: exit status 2
    ├── DatasetError            a folder that cannot serve as a dataset
    ├── SpecError               a job that cannot be asked for like this; names the field
    ├── WeightsUnavailable      pretrained weights that cannot be had now
    ├── PictureError            a file that is not a usable picture
    ├── ModelError              a model artifact that is missing or broken
    ├── JobNotFound             no job of that name
    ├── EngineError             an engine that could not do what it was asked
    └── StoreError              the database of results cannot be used
        └── NoRoom              its disk is full: nothing can be recorded until there is room

Anything else that escapes is a defect and goes to the excepthook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.translation import tr


class SagehoundError(Exception):
    """The root of all errors that Sagehound raises on purpose."""


class Cancelled(SagehoundError):
    """The work was cancelled through its `CancelToken`."""


class UserFacingError(SagehoundError):
    """An error to be shown as it is.

    Args:
        what: one sentence, what happened.
        why: one sentence, the cause; may be empty.
        fix: one sentence, what to do next; may be empty.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)
        self.what, self.why, self.fix = what, why, fix

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


class UsageError(UserFacingError):
    """The command line was used wrongly."""


def reason_of(error: Exception) -> str:
    """Return why something failed, for a sentence: of an `OSError` the cause and the file, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return str(error)


def refused(error: OSError) -> UserFacingError:
    """Return the sentence for what no one foresaw the system to refuse."""
    return UserFacingError(
        tr("The system refused what was needed."), f"{reason_of(error)}.", tr("Mend that, then try again.")
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to read a dataset all the same: what it does in words, and the `ReadOptions` that ask for it."""

    title: str
    options: Any


class DatasetError(UserFacingError):
    """A folder cannot serve as a dataset; `offers` are the ways to read it all the same."""

    def __init__(self, what: str, why: str = "", fix: str = "", *, offers: Sequence[Offer] = ()) -> None:
        super().__init__(what, why, fix)
        self.offers = tuple(offers)


class SpecError(UserFacingError):
    """A job cannot be asked for like this.

    `field` is the spec's field or hyperparameter at fault, for a form to mark.
    """

    def __init__(self, what: str, why: str = "", fix: str = "", *, field: str = "") -> None:
        super().__init__(what, why, fix)
        self.field = field


class WeightsUnavailable(UserFacingError):
    """Pretrained weights cannot be had now."""


class PictureError(UserFacingError):
    """A file is not a usable picture."""


class ModelError(UserFacingError):
    """A model artifact is missing or broken."""


class JobNotFound(UserFacingError):
    """There is no job of that name."""


class EngineError(UserFacingError):
    """An engine could not do what it was asked."""


class StoreError(UserFacingError):
    """The database of results cannot be used."""


class NoRoom(StoreError):
    """The disk is full, so that nothing can be recorded."""
