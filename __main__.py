"""Start Sagehound: the window without arguments, else the command line."""

from __future__ import annotations

import sys
from pathlib import Path

# The folders core, gui, training_scripts and resources lie beside this file, in a checkout and in site-packages alike.
_HERE = str(Path(__file__).resolve().parent)
if sys.path[0] != _HERE:
    sys.path.insert(0, _HERE)


def main() -> int:
    """Run one command; returns the exit status."""
    from core.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
