"""Where a backbone's pretrained weights are, and how they are read: never from a network, never silently others."""

from __future__ import annotations

import importlib.util
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, Backbone
from training_scripts.durable import sha256_of, write_bytes
from training_scripts.job import JobError

if TYPE_CHECKING:
    from torch import Tensor

OWN = "own"
"""The folder of weights files that the user gave; their names end in the first digits of their SHA-256."""
_KEPT = re.compile(r"-([0-9a-f]{12})$")


@dataclass(frozen=True, slots=True)
class Weights:
    """What a backbone starts from: a file with its SHA-256, or, with `file` None, random numbers from `seed`.

    `parts` are the weights of backbones that stand side by side.
    """

    file: Path | None
    sha256: str
    seed: int = 0
    parts: tuple[Weights, ...] = ()

    @property
    def is_pretrained(self) -> bool:
        """Whether there is anything to start from."""
        return self.file is not None or bool(self.parts)

    @property
    def identity(self) -> str:
        """Return what tells these weights from all others."""
        return self.sha256 or f"untrained-seed-{self.seed}"


def find(backbone: str, choice: str, seed: int = 0, channels: Mapping[str, Path] | None = None) -> Weights:
    """Return the weights that the hyperparameter `weights` asks for: default, none or a path.

    Raises:
        JobError: they are not there, or their checksum is wrong; says the ways out.
    """
    if choice == "none":
        return Weights(None, "", seed)
    spec = BACKBONES[backbone]
    if choice != "default":
        file = _own_file(choice, (channels or {}).get("weights"))
        digest = sha256_of(file)
        if file.parent.name == OWN and (kept := _KEPT.search(file.stem)) and not digest.startswith(kept[1]):
            raise JobError(f"The weights file {file} is damaged: its SHA-256 is not the one in its name.")
        return Weights(file, digest)
    if spec.parts:
        parts = tuple(find(part, choice, seed, channels) for part in spec.parts)
        return Weights(None, "+".join(part.sha256 for part in parts), seed, parts)
    for file in places(spec, (channels or {}).get("weights")):
        if file.is_file():
            digest = sha256_of(file)
            if not digest.startswith(spec.sha256_prefix):
                raise JobError(f"The weights file {file} is damaged: its SHA-256 is not {spec.sha256_prefix}….")
            return Weights(file, digest)
    raise JobError(
        f"The pretrained weights of {spec.title} ({spec.weights_file}) are not on this machine; "
        + (
            "reinstall Sagehound"
            if spec.bundled
            else f"fetch them, choose the backbone {DEFAULT_BACKBONE}, whose weights are bundled"
        )
        + ", give a weights file of your own, or choose weights none to start untrained."
    )


def places(spec: Backbone, channel: Path | None = None) -> Iterator[Path]:
    """Yield the files where the published weights of a backbone may be, in the order they are looked for."""
    if channel is not None:
        yield channel / spec.weights_file
    for folder in _folders():
        yield Path(folder) / spec.weights_file
    if spec.bundled:
        found = importlib.util.find_spec(spec.package.replace("-", "_"))
        for root in (found.submodule_search_locations or ()) if found else ():
            yield Path(root) / "models" / spec.weights_file


def _folders() -> list[str]:
    return [folder for folder in os.environ.get("SAGEHOUND_WEIGHTS_DIR", "").split(os.pathsep) if folder]


def read_state(backbone: str, file: Path) -> dict[str, Tensor]:
    """Return a state_dict for `model.build_backbone(backbone)`: no classifier, other libraries' names translated.

    Raises:
        JobError: the file holds no state_dict. Code in a file is never run.
    """
    import torch

    try:
        state: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=_can_map(file))
    except Exception as error:
        raise JobError(f"The weights file {file} cannot be read: {' '.join(str(error).split())[:200]}") from error
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise JobError(f"The weights file {file} holds no state_dict.")
    state = {
        key.removeprefix("module.").removeprefix("backbone."): value.float() if value.is_floating_point() else value
        for key, value in state.items()
    }
    return BACKBONES[backbone].rename(state)


def write_state(file: Path, data: Any) -> None:
    """Write what `torch.load(weights_only=True)` reads, whole or not at all.

    Not by torch's own writer, which says of a full disk only that it failed.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(data, buffer)
    write_bytes(file, buffer.getbuffer(), flushed=False)


def _own_file(choice: str, channel: Path | None) -> Path:
    name = Path(choice).name
    kept = [Path(folder) / OWN / name for folder in _folders()]  # of a home that was moved since
    for file in (Path(os.path.expanduser(choice)), *([channel / name] if channel else []), *kept):
        if file.is_file():
            return file
    raise JobError(f"The weights file {choice} is not there.")


def _can_map(file: Path) -> bool:
    """Whether torch can memory-map the file: only those of its newer, zip-based format."""
    with file.open("rb") as opened:
        return opened.read(4) == b"PK\x03\x04"
