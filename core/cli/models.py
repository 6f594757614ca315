"""`sagehound export`, `serve` and `sort`: a trained model taken elsewhere, and put to work."""

from __future__ import annotations

import argparse
import shlex
import signal
import threading
from contextlib import suppress
from pathlib import Path

from core.cli.console import Console
from core.cli.predict import say_best
from core.errors import UsageError
from core.paths import AppPaths
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench


def export(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Write a model in another format, compared with its own answers."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        address = workbench.models.find(options.model)
        found = workbench.models.export(address, options.format, Path(options.output), console.progress, CancelToken())
    finally:
        workbench.close()
    data = {
        "path": str(found.path),
        "format": found.format,
        "compared": found.agreement.count,
        "largest_difference": found.agreement.largest,
    }
    console.result(
        data, tr("{path} is written. {sentence}").format(path=found.path, sentence=found.agreement.sentence())
    )
    return 0


def serve(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Serve a model until Ctrl-C or SIGTERM."""
    from core.models.serve import ModelServer

    if not 0 <= options.port <= 65535:
        raise UsageError("--port needs a number from 0 to 65535.")
    workbench = Workbench(paths)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        model = workbench.models.open(workbench.models.find(options.model), console.progress, CancelToken())
        with ModelServer(model, options.host, options.port, options.token) as server:
            if not server.is_private and not options.token:
                console.note(tr("Who can reach this machine can ask the model: --token asks for a password."))
            text = tr("{name} is served at {url} and at {partition}invocations.").format(
                name=model.name, url=server.url, partition=server.url.partition("#")[0]
            )
            console.result(
                {"url": server.url, "port": server.port, "model": model.name},
                tr("{text} Ctrl-C ends it.").format(text=text),
            )
            with suppress(KeyboardInterrupt):
                while not ended.wait(0.5):
                    pass
    finally:
        workbench.close()
    return 0


def sort(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Sort the pictures of a folder, or take a sorting back; 1 when a picture was left."""
    from core.models.sort import Way, sort_folder, undo

    if options.undo:
        undone = undo(Path(options.undo), console.progress, CancelToken())
        console.result(
            {"undone": undone.count, "left": undone.left},
            tr("{count:,} pictures are taken back.").format(count=undone.count),
        )
        for reason in undone.left:
            console.note(tr("sagehound: left as it is: {reason}").format(reason=reason))
        return int(bool(undone.left))
    if not options.folder or not options.into:
        raise UsageError(tr("Name a folder of pictures and, with --into, where they go; or --undo OUT."))
    if not 0 <= options.threshold <= 1:
        raise UsageError("--threshold needs a probability from 0 to 1.")
    workbench, cancel = Workbench(paths), CancelToken()
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        model = workbench.models.open(workbench.models.find(options.model), console.progress, CancelToken())
        if options.watch:  # Ctrl-C is its usual end
            signal.signal(signal.SIGINT, lambda *_: cancel.cancel())
        done = sort_folder(
            model,
            Path(options.folder).expanduser(),
            Path(options.into),
            Way(options.way),
            options.threshold,
            options.watch,
            console.progress,
            cancel,
        )
    finally:
        workbench.close()
    counts = [f"    {group}: {count:,}" for group, count in sorted(done.counts.items())]
    total = sum(done.counts.values())
    end = tr("Undo with: sagehound sort --undo {quote}").format(quote=shlex.quote(str(done.into)))
    text = "\n".join(
        [tr("{total:,} pictures are sorted into {into}.").format(total=total, into=done.into), *counts, end]
    )
    refused = [str(error) for error in done.refused]
    console.result({"into": str(done.into), "counts": done.counts, "refused": refused}, text)
    for reason in refused:
        console.note(f"sagehound: {reason}")
    return int(bool(refused))
