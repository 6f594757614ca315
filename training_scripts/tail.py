"""A log that grows, read from where one stopped."""

from __future__ import annotations

from pathlib import Path


class Tail:
    """Reads a growing log."""

    def __init__(self, log: Path) -> None:
        self._log, self._offset = log, 0

    def new_lines(self, ended: bool = False) -> list[str]:
        """Return the whole lines since the last call; with `ended` the unfinished last one too."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data if ended else data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", "replace").splitlines()
