"""Where the rivals live: a Python of their own, so that nothing of theirs is among Sagehound's dependencies.

`make rivals` makes it. A benchmark that misses its rival says so and measures the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

from core.paths import ROOT

VARIABLE = "SAGEHOUND_BENCH_RIVALS"
"""May name another folder: a virtual environment that holds the rivals."""


def rivals_folder() -> Path:
    """The virtual environment of the rivals; it need not exist."""
    return Path(os.environ.get(VARIABLE) or ROOT / ".rivals")


@lru_cache
def python_with(module: str) -> str | None:
    """A Python that can import `module`: the rivals', else this one; None where it is not installed."""
    own = rivals_folder() / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    for python in (str(own), sys.executable):
        if Path(python).exists() and subprocess.run([python, "-c", look], check=False).returncode == 0:
            return python
    return None


def program(name: str) -> str | None:
    """A rival that is a command: the rivals' own, else one on the PATH; None where it is not installed."""
    folder = rivals_folder() / ("Scripts" if sys.platform == "win32" else "bin")
    return shutil.which(name, path=str(folder)) or shutil.which(name)


def versions(names: Iterable[str]) -> str:
    """The versions of rivals, for the report; what is not there is said."""
    folders = [*rivals_folder().glob("lib/python*/site-packages"), *rivals_folder().glob("Lib/site-packages")]
    there = {item.name.lower(): item.version for item in distributions(path=[str(folder) for folder in folders])}
    return ", ".join(f"{name} {there.get(name, 'not installed')}" for name in names)


def not_installed(name: str) -> str:
    """What to print in place of a rival's figures."""
    return f"{name} is not installed here, so it was not measured: `make rivals` installs it.\n"


class Asked:
    """A rival in a process of its own, which answers each line with one line."""

    def __init__(self, python: str, script: str, *arguments: str) -> None:
        command = [python, "-c", script, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, line: object = "") -> str:
        """The answer to a line.

        Raises:
            SystemExit: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"The rival ended with status {self._process.wait()}.")
        return answer.rstrip("\n")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
