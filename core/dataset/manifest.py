"""A manifest: exactly which pictures of a folder are in which split, and the version that names this choice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.dataset.records import SPLITS, ReadOptions
from core.errors import DatasetError, reason_of
from core.jobs.declared import from_plain, to_plain
from core.translation import tr
from training_scripts.durable import write_text
from training_scripts.outside import UNUSABLE, read_json

if TYPE_CHECKING:
    from training_scripts.pictures.levels import Levels

_FORMAT = 1
CHANNEL_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: `path` relative to the root ("/" between parts), `label` an index into the classes."""

    path: str
    label: int
    split: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dataset version. No file is moved or copied: it points at them under `root`.

    `version` is 16 hex digits over every picture's split, class and content, so the same pictures split the same way
    have the same version wherever they are. `fractions` are (train, valid, test). `notices` are sentences about what
    `split` decided for the user. `options` are how the folder was read when it was scanned. `levels` are
    the values of black and white for its pictures with more than 8 bits a channel, None where it has none.
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Entry, ...]
    version: str
    seed: int
    fractions: tuple[float, float, float]
    notices: tuple[str, ...] = ()
    options: ReadOptions = ReadOptions()  # noqa: RUF009 - frozen
    levels: Levels | None = None

    @classmethod
    def build(
        cls,
        root: Path,
        classes: Iterable[str],
        pictures: Iterable[Entry],
        seed: int = 0,
        fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
        notices: Iterable[str] = (),
        options: ReadOptions | None = None,
        levels: Levels | None = None,
    ) -> Manifest:
        """Return a manifest of `pictures`, sorted by path, with its version computed."""
        classes, ordered = tuple(classes), tuple(sorted(pictures, key=lambda entry: entry.path))
        version = content_version(classes, ordered)
        return cls(root, classes, ordered, version, seed, fractions, tuple(notices), options or ReadOptions(), levels)

    def of(self, split: str) -> tuple[Entry, ...]:
        """Return the pictures of one split, by path."""
        return tuple(entry for entry in self.pictures if entry.split == split)

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the splits that hold pictures, in the order train, valid, test."""
        present = {entry.split for entry in self.pictures}
        return tuple(split for split in SPLITS if split in present)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return pictures per class and split, zeros included."""
        counts = {label: dict.fromkeys(SPLITS, 0) for label in self.classes}
        for entry in self.pictures:
            counts[self.classes[entry.label]][entry.split] += 1
        return counts

    def path_of(self, entry: Entry) -> Path:
        """Return where a picture is on this machine."""
        return self.root / entry.path

    def measure(self) -> int:
        """Return how many bytes its pictures have together; one that is gone counts as none."""
        total = 0
        for entry in self.pictures:
            with suppress(OSError):
                total += self.path_of(entry).stat().st_size
        return total

    def save(self, path: Path) -> None:
        """Write the manifest as JSON, atomically."""
        data = {
            "format": _FORMAT,
            "root": str(self.root),
            "classes": list(self.classes),
            "version": self.version,
            "seed": self.seed,
            "fractions": list(self.fractions),
            "notices": list(self.notices),
            "read": to_plain(self.options),
            "levels": levels_to_json(self.levels),
            "pictures": [[e.path, e.label, e.split, e.sha256] for e in self.pictures],
        }
        _write_json(path, data)

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read what `save` wrote.

        Raises:
            DatasetError: the file is missing, damaged, or not the version it says it is.
        """
        try:
            manifest = _from_json(read_json(path))
        except FileNotFoundError:
            raise DatasetError(
                tr("The dataset's manifest is gone."),
                tr("There is no {path}.").format(path=path),
                tr("Scan the folder again."),
            ) from None
        except UNUSABLE as error:
            raise DatasetError(
                tr("The dataset's manifest cannot be read."),
                f"{path}: {reason_of(error)}.",
                tr("Scan the folder again."),
            ) from error
        return manifest

    def write_channel(self, split: str, folder: Path) -> Path:
        """Make `folder` a channel: the manifest.json that training reads. Returns `folder`.

        A channel that says the same already is left alone.
        """
        data = {
            "format": _FORMAT,
            "root": str(self.root),
            "dataset_version": self.version,
            "classes": list(self.classes),
            "levels": levels_to_json(self.levels),
            "pictures": [{"path": e.path, "label": e.label, "sha256": e.sha256} for e in self.of(split)],
        }
        _write_json(folder / CHANNEL_FILE, data)
        return folder

    def channels(self, folder: Path) -> Mapping[str, str]:
        """Write one channel per split that holds pictures under `folder`; returns their names and paths."""
        return {split: str(self.write_channel(split, folder / split)) for split in self.splits}


def content_version(classes: tuple[str, ...], pictures: Iterable[Entry]) -> str:
    """Return 16 hex digits over the sorted (split, class, sha256) of all pictures; not root, names, times or order."""
    lines = sorted(f"{entry.split}\0{classes[entry.label]}\0{entry.sha256}\n" for entry in pictures)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()[:16]


def read_options(data: Mapping[str, Any]) -> ReadOptions:
    """Return how a dataset is read from where it was kept: under "read", and in earlier versions "class_folders".

    Raises:
        ValueError: a choice is none.
    """
    kept = data.get("read") or {"class_folders": data.get("class_folders", "auto")}
    options: ReadOptions = from_plain(ReadOptions, kept)
    return options


def levels_to_json(levels: Levels | None) -> list[float] | None:
    """Return levels as channels and manifests carry them."""
    return None if levels is None else list(levels)


def _from_json(data: Mapping[str, Any]) -> Manifest:
    if data["format"] != _FORMAT:
        raise ValueError(f"its format is {data['format']}, this Sagehound reads {_FORMAT}")
    train, valid, test = (float(fraction) for fraction in data["fractions"])
    manifest = Manifest.build(
        Path(data["root"]),
        (str(label) for label in data["classes"]),
        (Entry(str(path), int(label), str(split), str(sha256)) for path, label, split, sha256 in data["pictures"]),
        int(data["seed"]),
        (train, valid, test),
        (str(notice) for notice in data["notices"]),
        read_options(data),
        None if (levels := data.get("levels")) is None else (float(levels[0]), float(levels[1])),
    )
    if manifest.version != data["version"]:
        raise ValueError("its content does not match its version")
    if any(entry.split not in SPLITS for entry in manifest.pictures):
        raise ValueError("it names a split that is none of train, valid and test")
    return manifest


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON atomically; a file that says the same already is left as it is, for others may be reading it."""
    text = json.dumps(data, separators=(",", ":"))
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, ValueError):
        pass
    write_text(path, text)
