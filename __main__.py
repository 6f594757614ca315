"""Start Sagehound: the window without arguments, else the command line."""

from __future__ import annotations

import sys
from pathlib import Path

# The folders core, gui, training_scripts and resources lie beside this file, in a checkout and in site-packages alike.
_HERE = str(Path(__file__).resolve().parent)
if sys.path[0] != _HERE:
    sys.path.insert(0, _HERE)


def main() -> int:
    """Open the window when there are no arguments, else run one command; returns the exit status."""
    if sys.argv[1:2] == ["--run"]:  # a worker of ours, see core/python.py
        from core.python import run as run_worker

        return run_worker(sys.argv[2:])
    if len(sys.argv) > 1:
        from core.cli.main import run as run_command

        return run_command(sys.argv[1:])
    from gui.app import run as run_window

    return run_window([])


if __name__ == "__main__":
    sys.exit(main())
