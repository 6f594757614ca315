"""What the predictor answers, as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import PictureError

Source = Path | bytes
"""A picture to be classified: a file, or the encoded bytes of one."""


UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The model that the predictor process holds.

    `runtime` says what computes ("OpenVINO" or "PyTorch"); `why_runtime` is one sentence when it is not the fast one.
    """

    name: str
    folder: Path
    classes: tuple[str, ...]
    backbone: str
    runtime: str
    seconds: float
    why_runtime: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of one picture, the most probable first.

    `classes` are (label, probability in 0…1) pairs. `unknown` says that the picture most likely shows none of them:
    `label` is then what the model would have said. `strangeness` says how unlike known pictures it is, 0 for a
    usual one; None where the model cannot say. `milliseconds` is decoding plus the picture's share of the forward
    pass. `width` and `height` are the picture's own, in pixels, after EXIF orientation. `thumbnail` is a small JPEG,
    empty unless it was asked for.
    """

    source: Source
    classes: tuple[tuple[str, float], ...]
    milliseconds: float
    model: str
    width: int
    height: int
    thumbnail: bytes = b""
    strangeness: float | None = None
    unknown: bool = False

    @property
    def label(self) -> str:
        """Return the most probable class."""
        return self.classes[0][0]

    @property
    def answer(self) -> str:
        """Return what the model says in one word: a class, or that it knows none for this picture."""
        return UNKNOWN if self.unknown else self.label

    @property
    def probability(self) -> float:
        """Return the probability of `label`, 0…1."""
        return self.classes[0][1]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be classified, and why."""

    source: Source
    error: PictureError


Answer = Prediction | Unreadable


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a model looked: `png` is an RGBA overlay of the whole picture, transparent where nothing mattered.

    `label` is the class that was explained and `probability` its probability without occlusion.
    """

    source: Source
    label: str
    probability: float
    png: bytes
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture to be shown: upright RGB, 3 bytes per pixel, row by row without padding."""

    width: int
    height: int
    pixels: bytes
