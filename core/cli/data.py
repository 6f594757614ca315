"""`sagehound scan`, and how the other commands come by a dataset."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from core.cli.console import Console, table
from core.cli.spec_options import given, words
from core.dataset.manifest import Manifest
from core.dataset.records import ReadOptions, Scan, Severity
from core.errors import DatasetError, UsageError
from core.formats.joined import folders_of, words_for
from core.formats.unlabelled import NAME as UNLABELLED
from core.paths import AppPaths
from core.progress import CancelToken
from core.translation import plural, tr
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
    """Scan and split the folder that a command names; `sample` is the one that ships.

    Pictures without a class of their own count where someone labelled them.
    """
    folder, read = source_of(workbench, options, console), ReadOptions(**given(options, ReadOptions))
    found = scan_to_label(workbench, folder, read, console)
    if len(workbench.data.labelling(found).labelled_scan().classes) < 2:
        found = workbench.data.scan(folder, console.progress, CancelToken(), options=read)  # says why, and the ways out
    return found, workbench.data.split(found, _fractions(options.split), options.split_seed)


def scan_to_label(workbench: Workbench, folder: Path, read: ReadOptions, console: Console) -> Scan:
    """Scan a folder with the pictures that have no class; one that says no classes at all is read as unlabelled."""
    try:
        return workbench.data.scan(folder, console.progress, CancelToken(), options=read, unlabelled=True)
    except DatasetError:
        if read != ReadOptions() or folder.is_file():
            raise
        without = ReadOptions(format=UNLABELLED)
        return workbench.data.scan(folder, console.progress, CancelToken(), options=without, unlabelled=True)


def open_for_job(workbench: Workbench, options: argparse.Namespace, console: Console) -> Manifest:
    """Return the dataset that a job is to learn from; what the scan found wrong and the split decided is said first.

    Raises:
        DatasetError: the scan found errors, and --despite-errors is not given.
    """
    found, manifest = open_dataset(workbench, options, console)
    if found.errors and not options.despite_errors:
        raise DatasetError(
            plural(
                "Nothing was started, because {count} error was found in {root}.",
                "Nothing was started, because {count} errors were found in {root}.",
                len(found.errors),
                root=found.root,
            ),
            " ".join(f"{problem.message} {problem.fix}".rstrip() for problem in found.errors),
            tr("Then try again, or add --despite-errors to start all the same."),
        )
    if getattr(options, "preprocessing", None) in ("squash", "pad"):  # the network sees the ends of wide pictures
        seen = tuple(problem for problem in found.problems if problem.kind != "wide")
        found = dataclasses.replace(found, problems=seen)
    for line in [*_problem_lines(found, Severity.WARNING), *manifest.notices]:
        console.note(line)
    return manifest


def convert(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Write a dataset as another format."""
    workbench = Workbench(paths)
    try:
        written = workbench.data.convert(
            source_of(workbench, options, console),
            options.to,
            Path(options.output).expanduser(),
            ReadOptions(**given(options, ReadOptions)),
            None if options.split is None else _fractions(options.split),
            options.split_seed,
            console.progress,
            CancelToken(),
        )
    finally:
        workbench.close()
    if written.unlabelled:
        console.note(tr("{unlabelled:,} pictures without a label are left out.").format(unlabelled=written.unlabelled))
    if written.ungrouped:
        lost = tr(
            "The groups of {count:,} pictures are not among it, since this format has none; csv and jsonl do. "
            "Another split may tear them apart."
        )
        console.note(lost.format(count=written.ungrouped))
    text = tr("{path}: {pictures:,} pictures of {classes:,} classes as {format}").format(
        path=written.path, pictures=written.pictures, classes=written.classes, format=written.format
    )
    console.result(dataclasses.asdict(written), text)
    return 0


def imports(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """List what archives and S3 have left in the home, or remove what nothing uses."""
    workbench = Workbench(paths)
    try:
        found = workbench.folders.remove_unused_imports() if options.remove else workbench.folders.imports()
    finally:
        workbench.close()
    rows = [(one.name, f"{one.size / 1e6:,.1f} MB", one.used_by or tr("nothing")) for one in found]
    if options.remove:
        removed = sum(one.size for one in found) / 1e6
        text = tr("{megabytes} MB that nothing used are removed.").format(megabytes=f"{removed:,.1f}")
    else:
        heads = (tr("import"), tr("size"), tr("used by"))
        text = table(heads, rows) if rows else tr("Nothing was unpacked or fetched.")
        if any(not one.used_by for one in found):
            text = "\n".join([text, tr("To remove what nothing uses: sagehound imports --remove")])
    data = [{"path": str(one.path), "bytes": one.size, "used_by": one.used_by} for one in found]
    console.result({"removed" if options.remove else "imports": data}, text)
    return 0


def source_of(workbench: Workbench, options: argparse.Namespace, console: Console) -> Path:
    """Return what a command names, several folders as one; `sample` is the dataset that ships."""
    from core.dataset import sample_path

    named = [options.dataset, *(getattr(options, "also", None) or ())]
    folders = [sample_path() if name == "sample" else Path(name).expanduser() for name in named]
    return folders[0] if len(folders) == 1 else workbench.data.join(folders, None, console.progress, CancelToken())


def _fractions(text: str) -> tuple[float, float, float]:
    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            tr("{text!r} is not a split.").format(text=text), fix=tr("Write three shares, for instance 0.7,0.15,0.15.")
        ) from None
    return train, valid, test


def _as_json(found: Scan, manifest: Manifest) -> dict[str, Any]:
    return {
        "path": str(found.root),
        "folders": [{"name": one.name, "path": str(one.folder)} for one in folders_of(found.root)],
        "layout": str(found.layout),
        "format": found.format,
        "seen": list(found.seen),
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
                "offers": [{"title": offer.title, "options": words(offer.options)} for offer in problem.offers],
                "setting": problem.setting,
            }
            for problem in found.problems
        ],
        "notices": list(manifest.notices),
    }


def _as_text(found: Scan, manifest: Manifest, counts: Any) -> str:
    rows = [
        (label, splits.get("train", 0), splits.get("valid", 0), splits.get("test", 0))
        for label, splits in counts.items()
    ]
    lines = [
        tr("{root}: {pictures} pictures in {classes} classes, version {version}").format(
            root=words_for(found.root),
            pictures=len(manifest.pictures),
            classes=len(manifest.classes),
            version=manifest.version,
        ),
        *found.seen,
        "",
        table(("class", "train", "valid", "test"), rows),
    ]
    for paragraph in (_problem_lines(found, Severity.INFO), manifest.notices):
        lines += ["", *paragraph] if paragraph else []
    return "\n".join(lines)


def _problem_lines(found: Scan, least: Severity) -> list[str]:
    """Return the problems of at least this severity for people, each with the first of its files."""
    lines: list[str] = []
    for problem in found.problems:
        if problem.severity.rank > least.rank:
            continue
        lines.append(f"{str(problem.severity).upper()}  {problem.message} {problem.fix}".rstrip())
        lines += [f"    {path}" for path in problem.paths[:_SHOWN_FILES]]
        if len(problem.paths) > _SHOWN_FILES:
            lines.append(f"    … and {len(problem.paths) - _SHOWN_FILES} more")
    return lines
