"""What every trained model can say and do, wherever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from core.errors import ModelError
from core.models.info import ModelInfo
from core.predict.records import Answer, Explanation, Source
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr


class ModelKind(Enum):
    """Where a model is."""

    JOB = "job"
    ENDPOINT = "endpoint"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """Which model is meant: a training job's (its name, or "best"), an endpoint's (its name), or a file's (its path).

    A file is an archive (model.tar.gz), a folder that one was unpacked to, or what `sagehound export` wrote.
    """

    kind: ModelKind
    name: str

    @classmethod
    def job(cls, name: str) -> ModelAddress:
        """Return the address of a training job's model."""
        return cls(ModelKind.JOB, name)

    @classmethod
    def endpoint(cls, name: str) -> ModelAddress:
        """Return the address of an endpoint."""
        return cls(ModelKind.ENDPOINT, name)

    @classmethod
    def file(cls, path: Path) -> ModelAddress:
        """Return the address of an archive, a model folder or an exported model."""
        return cls(ModelKind.FILE, str(path))


BEST = ModelAddress.job("best")
"""The best trial of the latest tuning job, whichever that is when it is asked."""


OnAnswer = Callable[[int, Answer], None]
OnNotice = Callable[[str], None]


def ignore_notice(_words: str) -> None:
    """Say nothing to callers that do not listen."""


class Model(ABC):
    """A trained model that answers; ready when it is made.

    Threads: every method may be called from any thread, except the UI thread: each may take seconds.

    Attributes:
        name: the job's or endpoint's name, or the file's.
        address: where it came from, "best" resolved.
        info: what is known of it; None for an endpoint, of which only its answers are.
        runtime: what computes, for people; `why_runtime` is a sentence where it is not the fast one.
        explains: whether it can say where it looked.
    """

    explains = False

    def __init__(
        self, name: str, address: ModelAddress, info: ModelInfo | None, runtime: str, why_runtime: str = ""
    ) -> None:
        self.name, self.address, self.info = name, address, info
        self.runtime, self.why_runtime = runtime, why_runtime

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes, in the model's order; empty where they are not known."""
        return self.info.classes if self.info is not None else ()

    @property
    def caption(self) -> str:
        """Return one line for people: how many classes, which network, what computes."""
        words = [f"{len(self.classes)} classes" if self.classes else "", self.info.backbone if self.info else ""]
        return "  ·  ".join(filter(None, [*words, self.runtime]))

    @abstractmethod
    def classify(
        self,
        pictures: Sequence[Source],
        top_k: int | None = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: OnAnswer | None = None,
        on_notice: OnNotice = ignore_notice,
        *,
        thumbnail: int = 0,
    ) -> list[Answer]:
        """Classify pictures; the answers are in their order, and `on_answer` gets each with its number as it comes.

        `top_k` None gives every class. `on_notice` gets sentences for the user: that a picture was sent smaller than it
        is, say. `thumbnail` asks for a small JPEG with each answer, its longer side at most that long.

        Raises:
            ModelError, EngineError: the model does not answer.
            Cancelled: through `cancel`.
        """

    def explain(self, picture: Source, label: str | None = None, cancel: CancelToken | None = None) -> Explanation:
        """Show where the model looked to find `label`, the most probable class by default.

        Raises:
            PictureError: the picture cannot be read.
            ModelError: this model cannot say.
            Cancelled: through `cancel`.
        """
        raise ModelError(
            tr("{name} cannot say where it looked.").format(name=self.name), tr("An endpoint gives classes only.")
        )

    def nearest(self, picture: Source, count: int, cancel: CancelToken | None = None) -> list[tuple[str, float]]:
        """Return the SHA-256 and the distance (0…2) of the training pictures that are nearest for it, nearest first.

        None where the model does not know which pictures it learned from, as an endpoint or an exported file.

        Raises:
            PictureError: the picture cannot be read.
            Cancelled: through `cancel`.
        """
        return []
