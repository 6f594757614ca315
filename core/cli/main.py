"""The parser of the command line, and what becomes of errors.

Exit status: 0 done, 1 it failed and said why on stderr in one plain sentence, 2 wrong use.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from core.cli.console import Console
from core.errors import Cancelled, DatasetError, UsageError, UserFacingError, refused
from core.paths import AppPaths, keep_private
from core.translation import tr
from training_scripts.version import VERSION

Command = Callable[[str, str], argparse.ArgumentParser]
EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2

_DATASET = tr(
    "a folder of pictures in class folders or with a file of labels, such a file, an archive of "
    "them, or s3://BUCKET/PREFIX"
)
_WRITTEN = tr("folders, ultralytics, huggingface, coco, label-studio, fiftyone, jsonl, csv")

# name of the command -> the module and function that run it; imported only when asked for
COMMANDS = {
    "gui": "core.cli.main:no_folder",
    "doctor": "core.cli.doctor:doctor",
    "demo": "core.cli.demo:demo",
    "scan": "core.cli.data:scan",
    "convert": "core.cli.data:convert",
    "imports": "core.cli.data:imports",
    "check": "core.cli.labels:check",
    "label": "core.cli.labels:label",
    "labels": "core.cli.labels:labels",
    "suggest": "core.cli.labels:suggest",
    "write": "core.cli.labels:write",
    "tune": "core.cli.launch:tune",
    "train": "core.cli.launch:train",
    "ensemble": "core.cli.launch:ensemble",
    "resume": "core.cli.jobs:resume",
    "jobs": "core.cli.jobs:jobs",
    "show": "core.cli.jobs:show",
    "logs": "core.cli.jobs:logs",
    "note": "core.cli.jobs:note",
    "rename": "core.cli.jobs:rename",
    "pin": "core.cli.jobs:pin",
    "stop": "core.cli.jobs:stop",
    "delete": "core.cli.jobs:delete",
    "classify": "core.cli.predict:classify",
    "evaluate": "core.cli.predict:evaluate",
    "compare": "core.cli.predict:compare",
    "lock": "core.cli.predict:lock",
    "threshold": "core.cli.predict:threshold",
    "export": "core.cli.models:export",
    "serve": "core.cli.models:serve",
    "sort": "core.cli.models:sort",
    "rules": "core.cli.debug:rules",
    "watch": "core.cli.watch:watch",
    "report": "core.cli.debug:report",
    "upload": "core.cli.cloud:upload",
    "preflight": "core.cli.cloud:preflight",
    "adopt": "core.cli.cloud:adopt",
    "deploy": "core.cli.endpoints:deploy",
    "endpoints": "core.cli.endpoints:endpoints",
    "undeploy": "core.cli.endpoints:undeploy",
}


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    keep_private()
    options, unknown = build_parser(arguments[0] if arguments else "").parse_known_args(arguments)
    console = Console(options.json)
    module, _, function = COMMANDS[options.command].partition(":")
    try:
        if unknown:
            from core.cli.unknown_options import unknown_option

            raise unknown_option(options.command, options.help_text(), unknown, arguments)
        status = getattr(importlib.import_module(module), function)(options, AppPaths.default(), console)
    except UsageError as error:
        return _fail(console, str(error), EXIT_USAGE)
    except DatasetError as error:
        return _fail(console, " ".join([str(error), *_ways(error)]), EXIT_FAILED)
    except UserFacingError as error:
        return _fail(console, str(error), EXIT_FAILED)
    except (Cancelled, KeyboardInterrupt):
        return _fail(console, tr("Stopped on your request."), EXIT_FAILED)
    except BrokenPipeError:  # the reader of a pipe has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        return _fail(console, str(refused(error)), EXIT_FAILED)
    return int(status or EXIT_DONE)


def _missing(options: argparse.Namespace) -> str:
    return next((name for name in options.folder if not os.path.exists(name)), " ".join(options.folder))


def no_folder(options: argparse.Namespace, _paths: AppPaths, _console: Console) -> int:
    """Say why the window was not opened: `gui` comes here only with what is not a folder."""
    raise UsageError(
        tr("There is no folder {folder}. Name a folder of labelled pictures, or none.").format(folder=_missing(options))
    )


def build_parser(only: str = "") -> argparse.ArgumentParser:
    """Return the parser of the whole command line, or of one command and its likes: the others' options take time."""
    parser = argparse.ArgumentParser(
        prog="sagehound",
        description=tr(
            "A workbench for image classification. Without a command, or with a folder, it opens the window."
        ),
    )
    parser.add_argument("--version", action="version", version=f"sagehound {VERSION}")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help=tr("print one JSON document on stdout"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=help_text, description=help_text, parents=[shared]
        )
        made.set_defaults(help_text=made.format_help)
        return made

    for group in [_LIGHT[only]] if only in _LIGHT else _GROUPS:
        group(commands, command)
    return parser


def _add_first_commands(_commands: Any, command: Command) -> None:
    window = command("gui", tr("open the window"))
    window.add_argument("folder", nargs="*", help=_DATASET)
    command("doctor", tr("check the environment and say how to mend what is wrong"))
    command("demo", tr("tune on the sample dataset, evaluate the best trial on test, classify one picture"))


def _add_others_commands(which: str, commands: Any, command: Command) -> None:
    """Add commands whose options are declared elsewhere."""
    if which == "labels":
        from core.cli.labels import add_label_commands

        add_label_commands(command)
    elif which == "models":
        from core.cli.model_options import add_model_commands

        add_model_commands(command)
    elif which == "watch":
        from core.cli.watch import add_watch_command

        add_watch_command(commands)
    else:
        from core.cli.cloud_options import add_cloud_commands

        add_cloud_commands(command, _add_split_options)


def _add_data_commands(_commands: Any, command: Command) -> None:
    scan = command("scan", tr("list a dataset's classes, counts and problems"))
    scan.add_argument("dataset", help=_DATASET)
    _add_split_options(scan)
    convert = command("convert", tr("write a dataset as another format; its files are copied, and stay as they are"))
    convert.add_argument("dataset", help=_DATASET)
    convert.add_argument("--to", required=True, metavar="FORMAT", help=tr("one of {written}").format(written=_WRITTEN))
    convert.add_argument("-o", "--output", required=True, metavar="OUT", help=tr("a folder that is not there yet"))
    _add_read_options(convert)
    convert.add_argument(
        "--split",
        metavar="TRAIN,VALID,TEST",
        help=tr("divide the pictures by these shares (default: the splits that the dataset has, if any)"),
    )
    convert.add_argument("--split-seed", type=int, default=0, metavar="N", help=tr("seed of the split (default 0)"))
    imports = command("imports", tr("list what was unpacked from archives or fetched from S3, and what uses it"))
    imports.add_argument("--remove", action="store_true", help=tr("remove what nothing uses"))


def _add_split_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        default="0.7,0.15,0.15",
        metavar="TRAIN,VALID,TEST",
        help=tr("shares for folders that have no splits of their own (default %(default)s)"),
    )
    parser.add_argument("--split-seed", type=int, default=0, metavar="N", help=tr("seed of the split (default 0)"))
    _add_read_options(parser)


def _add_read_options(parser: argparse.ArgumentParser) -> None:
    from core.cli.spec_options import add_read_options

    add_read_options(parser)


def _add_launch_commands(_commands: Any, command: Command) -> None:
    from core.cli.launch_options import add_launch_options
    from core.tuning.ensemble import COUNT

    tune = command("tune", tr("search hyperparameters: many trials, the best one kept"))
    train = command("train", tr("run one training job with fixed hyperparameters"))
    for parser in (tune, train):
        parser.add_argument("dataset", help=tr("{dataset}; `sample` is the one that ships").format(dataset=_DATASET))
        _add_split_options(parser)
        add_launch_options(parser, tuning=parser is tune)
    ensemble = command("ensemble", tr("make one model of the best trials of a search: the mean of their heads"))
    ensemble.add_argument("job", metavar="SEARCH", help=tr("a tuning job's name, or `latest`"))
    of = tr("of so many trials (default {count})").format(count=COUNT)
    ensemble.add_argument("--count", type=int, default=COUNT, metavar="N", help=of)
    ensemble.add_argument("--detach", action="store_true", help=tr("return at once"))


def _add_job_commands(_commands: Any, command: Command) -> None:
    command("jobs", tr("list jobs, newest first"))
    for name, help_text in (
        ("show", tr("describe one job, with its trials")),
        ("stop", tr("stop a job; what is finished is kept")),
        ("resume", tr("continue an interrupted or stopped tuning job")),
        ("delete", tr("forget a finished job and remove its files; asks first")),
        ("note", tr("put a note on a job or trial")),
        ("rename", tr("call a job something else; its own name works as before")),
        ("pin", tr("keep a job at the head of the list")),
    ):
        parser = command(name, help_text)
        parser.add_argument("job", help=tr("a job's name; `latest`, or `best` for the best trial"))
        if name == "rename":
            parser.add_argument("title", help=tr('what to call it; "" for its own name again'))
        if name == "pin":
            parser.add_argument("--off", action="store_true", help=tr("no longer"))
        if name == "note":
            parser.add_argument("text", help=tr('what to keep with the job; "" takes the note away'))
        if name == "delete":
            parser.add_argument("--yes", "-y", action="store_true", help=tr("do not ask; needed without a terminal"))
    logs = command("logs", tr("print a training job's log"))
    logs.add_argument("job", help=tr("a training job or trial; a tuning job shows its best trial's"))
    logs.add_argument("--follow", "-f", action="store_true", help=tr("continue until the job ends"))


def _add_predict_commands(_commands: Any, command: Command) -> None:
    classify = command("classify", tr("say what is in pictures"))
    classify.add_argument("images", nargs="+", metavar="IMAGE", help=tr("picture files, or folders of them"))
    classify.add_argument("--model", default="best", metavar="JOB", help=tr("a job's name or `best` (default)"))
    classify.add_argument("--top", type=int, default=3, metavar="K", help=tr("how many classes to show (default 3)"))
    evaluate = command("evaluate", tr("tell how good a model is on a split of its dataset, or on a labelled folder"))
    evaluate.add_argument("model", metavar="MODEL", help=tr("a job's name, `best`, an endpoint or a model's file"))
    evaluate.add_argument("folder", metavar="FOLDER", nargs="?", help=tr("other pictures, one folder per class"))
    split = tr("default: test of its own dataset, all of a folder")
    evaluate.add_argument("--split", choices=["train", "valid", "test"], help=split)
    compare = command("compare", tr("tell which of two jobs' models is better, and whether that is more than luck"))
    compare.add_argument("model", metavar="JOB", help=tr("a job's name or `best`"))
    compare.add_argument("other", metavar="OTHER", help=tr("another job's name"))
    compare.add_argument("--split", choices=["train", "valid", "test"], default="test", help=tr("default: test"))
    lock = command("lock", tr("lock a held-out test folder: nothing learns from it, and each look at it is counted"))
    lock.add_argument("folder", metavar="FOLDER", help=tr("labelled pictures that no model has learned from"))
    lock.add_argument("--off", action="store_true", help=tr("no longer; how often it was looked at stays known"))
    threshold = command("threshold", tr("say or change when a model calls a picture unknown, and what that costs"))
    threshold.add_argument("model", metavar="JOB", help=tr("a job's name or `best`"))
    threshold.add_argument(
        "--split", choices=["valid", "test"], default="test", help=tr("whose pictures (default: test)")
    )
    moves = threshold.add_mutually_exclusive_group()
    moves.add_argument(
        "--set", dest="value", type=float, metavar="STRANGENESS", help=tr("unknown is what is stranger than this")
    )
    moves.add_argument(
        "--keep", type=float, metavar="SHARE", help=tr("answer this share of the split's pictures, 0 to 1")
    )
    moves.add_argument("--undo", action="store_true", help=tr("take the last change back"))


def _add_debug_commands(_commands: Any, command: Command) -> None:
    rules = command(
        "rules", tr("tell what the Debugger rules say of a job, of saved tensors, or of curves that others recorded")
    )
    rules.add_argument("job", metavar="JOB|TENSOR-PATH", help=tr("a job's name, a folder or an s3:// address"))
    rules.add_argument(
        "--rule",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help=tr(
            "evaluate this rule alone on what is saved, with other parameters, for instance --rule Overfit patience=5"
        ),
    )
    rules.add_argument(
        "-o", "--output", metavar="FILE", help=tr("write all of it to a file too: .html, .pdf, .json or .csv")
    )
    rules.add_argument(
        "--try-remedy",
        action="store_true",
        help=tr("train once more, shortly, with the remedy of the leading finding, and say what came of it"),
    )
    report = command("report", tr("write the report of a job: what came of it, why, and where the time went"))
    report.add_argument("job", metavar="JOB|PROFILER-PATH", help=tr("a job's name, a folder or an s3:// address"))
    report.add_argument(
        "other", nargs="?", metavar="OTHER", help=tr("a second job or profile, which is put beside it in one report")
    )
    report.add_argument("--compare", metavar="OTHER", help=tr("the same as OTHER"))
    report.add_argument(
        "--aws", action="store_true", help=tr("save what AWS's own ProfilerReport wrote instead, as it is")
    )
    report.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help=tr(
            "by its name: .html, .pdf, .json, .trace.json[.gz] for Perfetto, events.out.tfevents.… "
            "for TensorBoard, metrics.csv, findings.csv, mlruns for a folder that MLflow reads, or "
            "http://HOST:PORT of an MLflow server"
        ),
    )


def _ways(error: DatasetError) -> list[str]:
    """Return the options that solve a refusal, each with what it does."""
    from core.cli.spec_options import words

    return [f"[{shlex.join(words(offer.options))}] {offer.title}." for offer in error.offers]


def _fail(console: Console, message: str, status: int) -> int:
    console.end_progress()
    print(f"sagehound: {message}", file=sys.stderr)
    return status


_GROUPS: tuple[Callable[[Any, Command], None], ...] = (
    _add_first_commands,
    _add_data_commands,
    partial(_add_others_commands, "labels"),
    _add_launch_commands,
    _add_job_commands,
    _add_predict_commands,
    partial(_add_others_commands, "models"),
    _add_debug_commands,
    partial(_add_others_commands, "watch"),
    partial(_add_others_commands, "cloud"),
)
_LIGHT: dict[str, Callable[[Any, Command], None]] = {
    **dict.fromkeys(("gui", "doctor", "demo"), _add_first_commands),
    **dict.fromkeys(("scan", "convert", "imports"), _add_data_commands),
    **dict.fromkeys(("tune", "train", "ensemble"), _add_launch_commands),
    **dict.fromkeys(("jobs", "show", "stop", "resume", "delete", "note", "rename", "pin", "logs"), _add_job_commands),
    **dict.fromkeys(("classify", "evaluate", "compare", "threshold", "lock"), _add_predict_commands),
    **dict.fromkeys(("rules", "report"), _add_debug_commands),
    "watch": partial(_add_others_commands, "watch"),
}
"""Commands by the group that adds them, where that one alone is enough to read their options."""
