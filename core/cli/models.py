"""`sagehound export` and `sagehound sort`: a trained model taken elsewhere, and put to work."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from core.cli.console import Console
from core.cli.predict import say_best
from core.errors import UsageError
from core.paths import AppPaths
from core.progress import CancelToken
from core.workbench import Workbench


def export(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Write a model in another format, compared with its own answers."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        address = workbench.find_model(options.model)
        found = workbench.export_model(address, options.format, Path(options.output), console.progress, CancelToken())
    finally:
        workbench.close()
    data = {
        "path": str(found.path),
        "format": found.format,
        "compared": found.agreement.count,
        "largest_difference": found.agreement.largest,
    }
    console.result(data, f"{found.path} is written. {found.agreement.sentence()}")
    return 0


def sort(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Sort the pictures of a folder, or take a sorting back; 1 when a picture was left."""
    from core.models.sort import Way, sort_folder, undo

    if options.undo:
        undone = undo(Path(options.undo), console.progress, CancelToken())
        console.result({"undone": undone.count, "left": undone.left}, f"{undone.count:,} pictures are taken back.")
        for reason in undone.left:
            console.note(f"sagehound: left as it is: {reason}")
        return int(bool(undone.left))
    if not options.folder or not options.into:
        raise UsageError("Name a folder of pictures and, with --into, where they go; or --undo OUT.")
    if not 0 <= options.threshold <= 1:
        raise UsageError("--threshold needs a probability from 0 to 1.")
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        model = workbench.open_model(workbench.find_model(options.model), console.progress, CancelToken())
        done = sort_folder(
            model,
            Path(options.folder).expanduser(),
            Path(options.into),
            Way(options.way),
            options.threshold,
            options.watch,
            console.progress,
        )
    finally:
        workbench.close()
    counts = [f"    {group}: {count:,}" for group, count in sorted(done.counts.items())]
    total = sum(done.counts.values())
    end = f"Undo with: sagehound sort --undo {shlex.quote(str(done.into))}"
    text = "\n".join([f"{total:,} pictures are sorted into {done.into}.", *counts, end])
    refused = [str(error) for error in done.refused]
    console.result({"into": str(done.into), "counts": done.counts, "refused": refused}, text)
    for reason in refused:
        console.note(f"sagehound: {reason}")
    return int(bool(refused))
