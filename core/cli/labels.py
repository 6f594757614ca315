"""`sagehound check`, `label`, `labels` and `suggest`: labels beside the pictures, undone at will."""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.cli.console import Console, table
from core.cli.data import scan_to_label, source_of
from core.cli.spec_options import add_read_options, given
from core.dataset.records import SPLITS, ReadOptions, Scan
from core.errors import DatasetError, UsageError
from core.labels.labelling import Change, Labelling
from core.paths import AppPaths, give_away
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench
from training_scripts.durable import write_text
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable


def add_label_commands(command: Any) -> None:
    """Add the commands of this module to the parser."""
    check = command(
        "check", tr("look for copies, wrong labels, odd and bad pictures, and groups that splits tear apart")
    )
    _add_pictures(check)
    check.add_argument(
        "--model",
        metavar="JOB",
        help=tr(
            "use what this job's model says (default: the best that was trained on these pictures); none: no model"
        ),
    )
    label = command("label", tr("label pictures, leave them out, move them between splits, or take that back"))
    _add_pictures(label)
    label.add_argument("paths", nargs="*", metavar="PATH", help=tr("pictures of it; a folder means those in it"))
    what = label.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--class", dest="name", metavar="NAME", help=tr('put the pictures into this class; "" takes it away')
    )
    what.add_argument("--csv", metavar="FILE", help=tr("label by a table with a picture and its class in each row"))
    what.add_argument("--leave-out", action="store_true", help=tr("leave the pictures out of training"))
    what.add_argument("--put-back", action="store_true", help=tr("put pictures back that were left out"))
    what.add_argument(
        "--to-split", choices=[*SPLITS, "any"], help=tr("move the pictures; any: where their share puts them")
    )
    what.add_argument(
        "--rename", nargs=2, metavar=("OLD", "NEW"), help=tr("rename a class, or merge it into another one")
    )
    what.add_argument(
        "--from",
        dest="take_over",
        metavar="FOLDER",
        help=tr("take over the labels of a folder that these pictures were in"),
    )
    what.add_argument("--undo", type=int, nargs="?", const=1, metavar="N", help=tr("take back the last N actions (1)"))
    what.add_argument("--redo", type=int, nargs="?", const=1, metavar="N", help=tr("do again what was undone (1)"))
    labels = command("labels", tr("list the labels of pictures, or write them to a file"))
    _add_pictures(labels)
    labels.add_argument("--history", action="store_true", help=tr("what was done and when, instead of how it stands"))
    labels.add_argument("-o", "--output", metavar="FILE", help=tr("a .csv or .json file; the screen otherwise"))
    suggest = command("suggest", tr("say which pictures to label next, and what they probably are"))
    _add_pictures(suggest)
    write = command(
        "write", tr("copy or move pictures into class folders as their labels are; a move can be taken back")
    )
    _add_pictures(write)
    write.add_argument("output", metavar="OUT", help=tr("a new folder; with --move also PICTURES itself"))
    how = write.add_mutually_exclusive_group()
    how.add_argument("--move", action="store_true", help=tr("move the pictures instead of copying them"))
    how.add_argument("--undo", action="store_true", help=tr("move pictures back that were moved to OUT"))
    suggest.add_argument("--count", type=int, default=20, metavar="N", help=tr("how many (default %(default)s)"))


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="PICTURES", help=tr("a folder of pictures, labelled or not"))
    add_read_options(parser)


def open_for_labels(workbench: Workbench, options: argparse.Namespace, console: Console) -> Labelling:
    """Return the labels of the folder that a command names; it need not have any yet.

    Labels that its pictures were given in another folder are taken over where the command says so, else said.
    """
    read = ReadOptions(**given(options, ReadOptions))
    scan = scan_to_label(workbench, source_of(workbench, options, console), read, console)
    take_over = getattr(options, "take_over", None)
    for found in [] if take_over else workbench.data.labelled_elsewhere(scan):
        console.note(
            tr("{sentence} `sagehound label {root} --from {folder}` takes them over.").format(
                sentence=found.sentence, root=scan.root, folder=found.folder
            )
        )
    if take_over:
        workbench.data.take_over_labels(scan, Path(take_over).expanduser().absolute())
    return workbench.data.labelling(scan)


def label(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Change labels; one command is one action, undone as a whole."""
    workbench = Workbench(paths)
    try:
        labelling = open_for_labels(workbench, options, console)
        changes = list(_change(labelling, options))
    finally:
        workbench.close()
    touched = len({path for change in changes for path in change.paths})
    state = labelling.state
    done = {"changed": touched, "actions": [change.summary for change in changes]}
    console.result(
        done | {"version": state.version(labelling.scan)},
        "\n".join(f"{change.summary}." for change in changes),
    )
    return 0


def labels(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print or write the labels of a dataset, or their history."""
    workbench = Workbench(paths)
    try:
        labelling = open_for_labels(workbench, options, console)
        rows = _history_rows(labelling) if options.history else _state_rows(labelling)
    finally:
        workbench.close()
    data = {
        "path": str(labelling.scan.root),
        "version": labelling.state.version(labelling.scan),
        "history" if options.history else "labels": rows,
    }
    if options.output:
        _write(Path(options.output).expanduser(), rows, data)
        console.result(
            data | {"file": options.output},
            tr("Wrote {rows:,} rows to {output}.").format(rows=len(rows), output=options.output),
        )
        return 0
    console.result(data, lambda: _as_table(rows, labelling) if rows else tr("Nothing has been changed yet."))
    return 0


def check(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print what may be wrong with a dataset, gravest first."""
    workbench = Workbench(paths)
    try:
        labelling = open_for_labels(workbench, options, console)
        scan, none = labelling.scan, options.model == "none"
        trained = None if none else workbench.models.answers_for_check(scan, options.model or "")
        found = workbench.data.check(scan, console.progress, CancelToken(), trained)
    finally:
        workbench.close()
    data = [
        {
            "kind": str(finding.kind),
            "pictures": list(finding.pictures),
            "score": round(finding.score, 4),
            "suggested": finding.suggested,
            "why": finding.why,
            "evidence": list(finding.evidence),
            "grave": finding.grave,
        }
        for finding in found
    ]
    counts = Counter(str(finding.kind) for finding in found)
    said = ", ".join(f"{kind.replace('_', ' ')}: {count:,}" for kind, count in counts.items()) or tr(
        "Nothing was found."
    )
    lines = [
        f"{'!' if one.grave else ' '} {str(one.kind).replace('_', ' '):<14} {one.pictures[0]}  {one.why}"
        for one in found
    ]
    used = trained.sentence([picture.sha256 for picture in scan.pictures]) if trained is not None else ""
    model = {"job": trained.job, "backbone": trained.backbone, "answers": len(trained.answers)} if trained else None
    console.result({"findings": data, "model": model}, "\n".join([*lines, "", said, used]).strip())
    return 0


def write(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Write labels to the disk as class folders, or take a move back."""
    from core.labels.disk import take_back

    target = Path(options.output).expanduser()
    if options.undo:
        count = take_back(target, console.progress, CancelToken())
        console.result({"moved_back": count}, tr("Moved {count:,} pictures back.").format(count=count))
        return 0
    workbench = Workbench(paths)
    try:
        labelling = open_for_labels(workbench, options, console)
        written = workbench.data.write_labels(labelling.scan, target, options.move, console.progress, CancelToken())
    finally:
        workbench.close()
    said = (
        tr("Moved {count:,} pictures into class folders in {folder}.")
        if written.moved
        else tr("Copied {count:,} pictures into class folders in {folder}.")
    ).format(count=written.count, folder=written.folder)
    if written.left:
        left = tr("{left:,} stay where they are.").format(left=written.left)
        said = f"{said} {left}"
    console.result({"folder": str(written.folder), "written": written.count, "left": written.left}, said)
    return 0


def suggest(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print what to label next, best first."""
    if options.count < 1:
        raise UsageError(tr("{count} pictures are none.").format(count=options.count), fix=tr("Ask for one at least."))
    workbench = Workbench(paths)
    try:
        labelling = open_for_labels(workbench, options, console)
        suggester = workbench.data.suggester(labelling.scan, console.progress, CancelToken())
        found = suggester.suggest(*labelling.known_labels(), options.count)
    finally:
        workbench.close()
    data = {
        "suggestions": [
            {"picture": one.path, "label": one.label, "probability": round(one.probability, 4)} for one in found.next
        ],
        "labelled": found.labelled,
        "pictures": found.total,
        "expected_accuracy": found.expected_accuracy,
        "sure": found.sure,
    }
    rows = [(one.path, one.label or "?", one.probability) for one in found.next]
    said = tr("{labelled:,} of {total:,} pictures have a label.").format(labelled=found.labelled, total=found.total)
    if found.expected_accuracy is not None and found.guesses:
        right = tr("About {share:.0%} of the guesses for the others are right.").format(share=found.expected_accuracy)
        said = f"{said} {right}"
    head = (tr("label next"), tr("probably"), tr("probability"))
    console.result(data, lambda: f"{table(head, rows)}\n\n{said}" if rows else said)
    return 0


def _change(labelling: Labelling, options: argparse.Namespace) -> list[Change]:
    if options.rename:
        return [labelling.rename_class(*options.rename)]
    if options.take_over:
        state = labelling.state
        touched = tuple(picture.path for picture in labelling.scan.pictures if state.touches(picture))
        return [Change(tr("Took over the labels of {count:,} pictures").format(count=len(touched)), touched, state)]
    if options.undo is not None or options.redo is not None:
        turn, count = (labelling.undo, options.undo) if options.redo is None else (labelling.redo, options.redo)
        return [change for _ in range(count) if (change := turn()).summary != tr("Nothing to change")] or [turn()]
    if options.csv:
        return [labelling.label_each(*_table_of(Path(options.csv).expanduser(), labelling.scan))]
    chosen = _chosen(labelling.scan, options.paths)
    if options.leave_out:
        return [labelling.exclude(chosen)]
    if options.put_back:
        return [labelling.restore(chosen)]
    if options.to_split:
        return [labelling.move_to_split(chosen, None if options.to_split == "any" else options.to_split)]
    return [labelling.label(chosen, options.name or None)]


def _chosen(scan: Scan, paths: Sequence[str]) -> list[str]:
    """Return the pictures that are named: relative to the dataset or to where the command is given, or in a folder."""
    if not paths:
        raise UsageError(tr("No picture is named."), fix=tr("Name pictures of the dataset, or a folder in it."))
    known = [picture.path for picture in scan.pictures]
    chosen: dict[str, None] = {}
    for text in paths:
        inside = _inside(scan, text)
        found = [path for path in known if path == inside or path.startswith(f"{inside}/") or inside == "."]
        if not found:
            raise DatasetError(
                tr("{text} is not a picture of {root}, and no folder in it.").format(text=text, root=scan.root),
                fix=tr("Look at its name."),
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _inside(scan: Scan, text: str) -> str:
    """Return a path as the scan writes it."""
    for place in (scan.root / text, Path(text).expanduser().absolute()):
        if place.exists() and place.is_relative_to(scan.root):
            return place.relative_to(scan.root).as_posix()
    return Path(text).as_posix()


def _table_of(file: Path, scan: Scan) -> tuple[dict[str, str | None], str]:
    """Return the class of each picture that a table names, and the table's name as their source.

    Raises:
        DatasetError: it cannot be read, or names a picture that is not there; then nothing is labelled.
    """
    try:
        rows = [row for row in csv.reader(read_file(file).decode("utf-8-sig").splitlines()) if any(row)]
    except (PictureUnreadable, ValueError, csv.Error) as error:
        why = f"{str(error).rstrip('.')}."
        raise DatasetError(
            tr("{file} cannot be read.").format(file=file), why, tr("Give a table of pictures and classes.")
        ) from error
    if any(len(row) < 2 for row in rows):
        raise DatasetError(
            tr("{file} is not a table of labels.").format(file=file),
            tr("A row has fewer than two columns."),
            tr("Write path,class."),
        )
    known, by_name = {picture.path for picture in scan.pictures}, Counter(Path(p.path).name for p in scan.pictures)
    names = {Path(picture.path).name: picture.path for picture in scan.pictures}
    found: dict[str, str | None] = {}
    missing: list[str] = []
    for number, (text, name, *_) in enumerate(rows):
        path = _inside(scan, text.strip())
        if path not in known and by_name[Path(path).name] == 1:
            path = names[Path(path).name]
        if path in known:
            found[path] = name.strip() or None
        elif number:
            missing.append(text)
    if missing or not found:
        what, why = tr("{file} is empty.").format(file=file), ""
        if missing:
            what = tr("{count:,} of the pictures in {name} are not in {root}.").format(
                count=len(missing), name=file.name, root=scan.root
            )
            why = tr("The first is {missing}; nothing was labelled.").format(missing=missing[0])
        raise DatasetError(what, why, tr("Name pictures relative to the dataset."))
    return found, file.name


def _state_rows(labelling: Labelling) -> list[dict[str, Any]]:
    state = labelling.state
    return [
        {
            "path": picture.path,
            "labels": sorted(state.labels_of(picture)),
            "split": state.split_of(picture),
            "left_out": state.is_excluded(picture),
            "sha256": picture.sha256,
        }
        for picture in labelling.scan.pictures
    ]


def _history_rows(labelling: Labelling) -> list[dict[str, Any]]:
    return [
        {
            "time": entry.time,
            "action": entry.summary,
            "source": entry.source,
            "pictures": entry.pictures,
            "undone": entry.undone,
        }
        for entry in labelling.history()
    ]


def _as_table(rows: Sequence[dict[str, Any]], labelling: Labelling) -> str:
    shown = [[" + ".join(value) if isinstance(value, list) else value for value in row.values()] for row in rows]
    names = [name for name in rows[0] if name != "sha256"]
    counts = Counter(" + ".join(row["labels"]) or "unlabelled" for row in rows if "labels" in row)
    said = ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items()))
    return "\n\n".join(filter(None, (table(names, [row[: len(names)] for row in shown]), said)))


def _write(file: Path, rows: Sequence[dict[str, Any]], data: dict[str, Any]) -> None:
    if file.suffix.lower() == ".json":
        text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    elif file.suffix.lower() == ".csv":
        lines = [",".join(rows[0]) if rows else "path,labels,split,left_out,sha256"]
        lines += [",".join(_cell(value) for value in row.values()) for row in rows]
        text = "\n".join(lines) + "\n"
    else:
        raise UsageError(
            tr("{name} is neither .csv nor .json.").format(name=file.name), fix=tr("Choose one of these endings.")
        )
    try:
        write_text(file, text)
    except OSError as error:
        raise DatasetError(
            tr("{file} cannot be written.").format(file=file), f"{error.strerror}.", tr("Choose another place.")
        ) from error
    give_away(file)


def _cell(value: object) -> str:
    text = "|".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\n') else text
