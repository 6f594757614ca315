"""What runs in a process forked off the fork server: the script, exactly as `python script …` would run it."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence


def run_script(script: str, arguments: Sequence[str], variables: Mapping[str, str], cwd: str, log: str) -> None:
    """Become `python script arguments…` with these variables, its output going to `log`."""
    os.setsid()  # a group of its own, so that its helpers can be ended with it
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")
