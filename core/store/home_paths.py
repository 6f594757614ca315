"""Places inside the home, kept as they are seen from it: a home that was moved, restored or renamed finds its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.jobs.specs import Spec

_FOLDERS = ("jobs", "datasets", "features", "weights")
"""The folders of a home that records name files in."""


class HomePaths:
    """Turns places into what is kept of them, and back; addresses and files elsewhere stay as they are."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()

    def kept(self, place: str) -> str:
        """Return what to keep of a place."""
        try:
            return Path(place).relative_to(self.home).as_posix()
        except ValueError:
            return place

    def found(self, kept: str) -> str:
        """Return the place that is meant by what was kept of it."""
        if not kept or "://" in kept:
            return kept
        if not (PurePosixPath(kept).is_absolute() or PureWindowsPath(kept).is_absolute()):
            return str(self.home / kept)
        return kept if Path(kept).exists() else self._moved(kept)

    def kept_spec(self, spec: Spec) -> Spec:
        """Return a spec with what to keep of its channels' places."""
        return _with_channels(spec, self.kept)

    def found_spec(self, spec: Spec) -> Spec:
        """Return a spec with the places that are meant."""
        return _with_channels(spec, self.found)

    def _moved(self, place: str) -> str:
        """Return where a file is by now that an older Sagehound kept with the whole path of its home."""
        parts = place.replace("\\", "/").split("/")
        for at in (len(parts) - 1 - parts[::-1].index(name) for name in _FOLDERS if name in parts):
            if (here := self.home.joinpath(*parts[at:])).exists():
                return str(here)
        return place


def _with_channels(spec: Spec, change: Callable[[str], str]) -> Spec:
    return spec.with_training(channels={name: change(place) for name, place in spec.training.channels.items()})
