"""The one place that knows how to start Python in another process: by this interpreter, or by a frozen program itself.

A frozen program (PyInstaller, Nuitka) has no `python` to call: its own executable, started with a hidden first word,
runs what it is asked to. A checkout and an installed wheel run the same through `__main__.py`.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from core.paths import ROOT

_SECRET_NAME = re.compile(
    r"^AWS_|^BOTO_|TOKEN|SECRET|PASSW|CREDENTIAL|(API|ACCESS|PRIVATE|AUTH|ENCRYPTION|ACCOUNT)_?KEY|_KEY$|^SSH_|_COOKIE"
)
_SECRET_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]*@")

RUN = "--run"
"""The hidden first word: `--run module NAME …`, `--run script FILE …`, `--run code TEXT …`."""


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls `module.main(*arguments)` and ends with what it returns."""
    return _command("module", module, *arguments)


def script_command(script: Path, *arguments: str) -> list[str]:
    """Return the command that runs a script, as `python script …` does."""
    if _frozen():
        return _command("script", str(script), *arguments)
    return [sys.executable, str(script), *arguments]


def code_command(code: str, *arguments: str, isolated: bool = False) -> list[str]:
    """Return the command that runs a text of Python, as `python -c` does; `isolated` as by its option -I."""
    if _frozen():
        return _command("code", code, *arguments)
    return [sys.executable, *(["-I"] if isolated else []), "-c", code, *arguments]


def child_environment(machine: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of a child process: those of the machine but for secrets.

    Every process that Sagehound starts gets them, but for those that speak to AWS themselves or run what the user asked
    for. What counts as a secret is known by its name, or by an address with a password in it.
    """
    return {
        name: value
        for name, value in machine.items()
        if not (_SECRET_NAME.search(name.upper()) or _SECRET_ADDRESS.search(value))
    }


def run(words: Sequence[str]) -> int:
    """Run what one of the commands above asks for, in its process; `words` are those after `RUN`."""
    kind, what, *arguments = words
    if kind == "module":
        return int(import_module(what).main(*arguments) or 0)
    if kind == "script":
        sys.argv = [what, *arguments]
        sys.path[0] = str(Path(what).parent)
        runpy.run_path(what, run_name="__main__")
    else:
        sys.argv = ["-c", *arguments]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    return 0


def _frozen() -> bool:
    return bool(getattr(sys, "frozen", False))


def _command(*words: str) -> list[str]:
    return [sys.executable, *([] if _frozen() else [str(ROOT / "__main__.py")]), RUN, *words]
