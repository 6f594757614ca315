"""What each machine of a features job leaves: a matrix, its index, and what is said of them. No torch here.

`part.json` is written last. It has the size and the SHA-256 of each file beside it, how many rows there are, what the
numbers depend on, which pictures could not be read, and which had another content than the one that is listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training_scripts.durable import sha256_of, write_text
from training_scripts.outside import parse_json

MANIFEST = "manifest"
"""The channel that lists the pictures, the same on every machine."""
KNOWN_LIST = "known.json"
"""The file in it with the SHA-256 of the pictures that show what known ones look like."""
PART_FILE, INDEX_FILE, KNOWN_ROWS = "part.json", "rows.index", "known.f32"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a picture has no features, and its content's SHA-256 if the fault is in that."""

    reason: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class FileSum:
    """The size in bytes and the SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one machine computed.

    `about` is what the numbers depend on (backbone, weights, preprocessing, runtime). `known` are the SHA-256 of the
    pictures whose features `known.f32` has. `failures` and `changed` are by the SHA-256 that the list says; `changed`
    has the one that was found. `files` are by name.
    """

    host: str
    rows: int
    dim: int
    about: Mapping[str, Any]
    known: tuple[str, ...] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileSum] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Part:
        """Read part.json.

        Raises:
            `outside.UNUSABLE`: it is none.
        """
        data = parse_json(text)
        if data["format"] != 1:
            raise ValueError(f"format {data['format']}, where 1 is understood")
        return cls(
            str(data["host"]),
            int(data["rows"]),
            int(data["dim"]),
            dict(data["about"]),
            tuple(map(str, data["known"])),
            {str(asked): Failure(**found) for asked, found in data["failures"].items()},
            {str(asked): str(found) for asked, found in data["changed"].items()},
            {str(name): FileSum(**found) for name, found in data["files"].items()},
        )


def write_part(folder: Path, part: Part, names: Iterable[str]) -> None:
    """Write part.json beside the files that are named."""
    files = {name: asdict(FileSum((folder / name).stat().st_size, sha256_of(folder / name))) for name in names}
    write_text(folder / PART_FILE, json.dumps({"format": 1, **asdict(part), "files": files}, ensure_ascii=False))
