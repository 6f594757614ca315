"""Start Sagehound: the window without arguments, else the command line."""

from __future__ import annotations

import sys
from pathlib import Path

# The folders core, gui, training_scripts and resources lie beside this file, in a checkout and in site-packages alike.
_HERE = str(Path(__file__).resolve().parent)
if sys.path[0] != _HERE:
    sys.path.insert(0, _HERE)


def main() -> int:
    """Open the window, on a folder if one is named, or run one command; return the exit status."""
    if sys.argv[1:2] == ["--run"]:  # a worker of ours, see core/python.py
        from core.python import run as run_worker

        return run_worker(sys.argv[2:])
    arguments = sys.argv[1:]
    if not _opens_window(arguments):
        from core.cli.main import run as run_command

        return run_command(arguments)
    from gui.app import run as run_window

    return run_window(arguments)


def _opens_window(arguments: list[str]) -> bool:
    """Return whether this is `sagehound`, `sagehound gui`, or either with datasets and nothing else."""
    from core.cli.main import COMMANDS

    folders = arguments[1:] if arguments[:1] == ["gui"] else arguments
    if not folders:
        return True
    return folders[0] not in COMMANDS and all(Path(folder).is_dir() or Path(folder).is_file() for folder in folders)


if __name__ == "__main__":
    sys.exit(main())
