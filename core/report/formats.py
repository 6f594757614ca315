"""The formats a report can be written in, one entry each; by the name of the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from core.errors import UsageError
from core.report.document import Document
from core.report.html import render_html
from core.report.reported_run import ReadRun
from core.translation import tr


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a format may write: the document, and the runs that it was made from."""

    document: Document
    runs: tuple[ReadRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `patterns` are the names of its files, `example` one of them, `write` makes the file, or
    with `folder` a folder; with `server` it is sent to the address that stands for the file.
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    example: str
    write: Callable[[Contents, Path], None]
    folder: bool = False
    server: bool = False

    def takes(self, name: str) -> bool:
        """Whether a file of this name is of this format."""
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.patterns)

    def named(self, path: Path) -> Path:
        """Return a path of this format: `path` itself, or with another ending, or with the example's name behind it."""
        if self.takes(path.name):
            return path
        base = path.name
        for ending in sorted((ending for form in FORMATS for ending in form.endings), key=len, reverse=True):
            base = base.removesuffix(ending)
        return path.with_name(base + self.endings[0] if self.endings else f"{base}-{self.example}")

    @property
    def endings(self) -> tuple[str, ...]:
        """Return the endings by which alone a file is of this format; none where its name must say more."""
        return tuple(pattern[1:] for pattern in self.patterns if pattern.startswith("*.") and "*" not in pattern[1:])


def format_of(destination: Path) -> Format:
    """Return the format that a file's name asks for.

    Raises:
        UsageError: no format has files of such a name.
    """
    is_address = destination.parts[:1] in (("http:",), ("https:",))
    for found in FORMATS:
        if found.server == is_address and found.takes(str(destination) if is_address else destination.name):
            return found
    names = [found.example for found in FORMATS]
    raise UsageError(
        tr("A report cannot be written as {name}.").format(name=destination.name),
        fix=tr("Choose a name like {names} or {names_2}.").format(names=", ".join(names[:-1]), names_2=names[-1]),
    )


def _write_html(contents: Contents, path: Path) -> None:
    path.write_text(render_html(contents.document), encoding="utf-8", newline="\n")


def _write_pdf(contents: Contents, path: Path) -> None:
    from core.report.pdf import write_pdf

    write_pdf(contents.document, path)


def _write_trace(contents: Contents, path: Path, *, packed: bool) -> None:
    from core.report.trace_export import write_trace

    write_trace(contents.runs, path, packed=packed)


def _write_tensorboard(contents: Contents, path: Path) -> None:
    from core.report.tensorboard_export import write_tensorboard

    write_tensorboard(contents.runs, path)


def _write_numbers(contents: Contents, path: Path) -> None:
    from core.report.numbers_export import write_numbers

    write_numbers(contents.runs, path)


def _write_csv(contents: Contents, path: Path) -> None:
    from core.report.runs_export import write_csv

    write_csv(contents.runs, path)


def _write_findings(contents: Contents, path: Path) -> None:
    from core.report.findings_export import write_findings

    write_findings(contents.runs, path)


def _write_mlflow(contents: Contents, path: Path) -> None:
    from core.report.runs_export import write_mlflow

    write_mlflow(contents.runs, path)


def _send_to_mlflow(contents: Contents, address: Path) -> None:
    from core.report.mlflow_server import log_to_server

    log_to_server(contents.runs, address)


FINDINGS = Format("findings", tr("Findings as CSV"), ("*findings*.csv",), "findings.csv", _write_findings)

FORMATS: tuple[Format, ...] = (
    Format("html", tr("Web page"), ("*.html", "*.htm"), "report.html", _write_html),
    Format("pdf", "PDF", ("*.pdf",), "report.pdf", _write_pdf),
    Format("trace", tr("Trace for Perfetto"), ("*.trace.json",), "run.trace.json", partial(_write_trace, packed=False)),
    Format(
        "trace-gz",
        tr("Packed trace for Perfetto"),
        ("*.trace.json.gz",),
        "run.trace.json.gz",
        partial(_write_trace, packed=True),
    ),
    Format("tensorboard", "TensorBoard", ("*tfevents*",), "events.out.tfevents.run", _write_tensorboard),
    Format("json", tr("Numbers as JSON"), ("*.json",), "report.json", _write_numbers),
    FINDINGS,
    Format("csv", tr("Metrics as CSV"), ("*.csv",), "metrics.csv", _write_csv),
    Format("mlflow", tr("Folder for MLflow"), ("*mlruns",), "mlruns", _write_mlflow, folder=True),
    Format("mlflow-server", tr("MLflow server"), ("http*",), "http://HOST:PORT", _send_to_mlflow, server=True),
)
"""The first that takes a name writes it."""
