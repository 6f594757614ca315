"""`sagehound scan`, and how the other commands come by a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli.console import Console, table
from core.dataset.manifest import Manifest
from core.dataset.records import Scan
from core.errors import UsageError
from core.paths import AppPaths
from core.progress import CancelToken
from core.workbench import Workbench

_SHOWN_FILES = 5


def scan(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print classes, counts and problems of a dataset."""
    workbench = Workbench(paths)
    try:
        found, manifest = open_dataset(workbench, options, console)
    finally:
        workbench.close()
    counts = manifest.counts()
    console.result(_as_json(found, manifest), lambda: _as_text(found, manifest, counts))
    return 0


def open_dataset(workbench: Workbench, options: argparse.Namespace, console: Console) -> tuple[Scan, Manifest]:
    """Scan and split the folder that a command names; `sample` is the one that ships."""
    from core.dataset import sample_path

    folder = sample_path() if options.dataset == "sample" else Path(options.dataset).expanduser()
    found = workbench.scan(folder, console.progress, CancelToken())
    return found, workbench.split(found, _fractions(options.split), options.split_seed)


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{text!r} is no split.", fix="Write three shares, for instance 0.7,0.15,0.15.") from None
    return train, valid, test


def _as_json(found: Scan, manifest: Manifest) -> dict[str, Any]:
    return {
        "path": str(found.root),
        "layout": str(found.layout),
        "version": manifest.version,
        "classes": list(manifest.classes),
        "counts": {label: dict(splits) for label, splits in manifest.counts().items()},
        "pictures": len(manifest.pictures),
        "problems": [
            {
                "kind": problem.kind,
                "severity": str(problem.severity),
                "message": problem.message,
                "fix": problem.fix,
                "paths": list(problem.paths),
            }
            for problem in found.problems
        ],
    }


def _as_text(found: Scan, manifest: Manifest, counts: Any) -> str:
    rows = [
        (label, splits.get("train", 0), splits.get("valid", 0), splits.get("test", 0))
        for label, splits in counts.items()
    ]
    lines = [
        f"{found.root}: {len(manifest.pictures)} pictures in {len(manifest.classes)} classes, "
        f"version {manifest.version}",
        "",
        table(("class", "train", "valid", "test"), rows),
    ]
    if found.problems:
        lines.append("")
    for problem in found.problems:
        lines.append(f"{str(problem.severity).upper()}  {problem.message} {problem.fix}".rstrip())
        lines += [f"    {path}" for path in problem.paths[:_SHOWN_FILES]]
        if len(problem.paths) > _SHOWN_FILES:
            lines.append(f"    … and {len(problem.paths) - _SHOWN_FILES} more")
    return "\n".join(lines)
