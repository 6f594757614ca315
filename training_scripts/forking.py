"""Processes that are forked off a server which has imported what they need: they start in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.context import ForkServerContext
from pathlib import Path


def forkserver(*preload: str) -> ForkServerContext:
    """Return the context of the fork server, which imports the modules `preload` and computes on one thread."""
    # Python 3.11 does not hand sys.path to the server before it imports.
    root = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def end_with_parent() -> None:
    """End this process when the one that asked for it is gone, whatever it waits for."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
