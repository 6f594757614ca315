"""The formats a report can be written in, one entry each; by the name of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from core.errors import UsageError
from core.report.document import Document
from core.report.html import render_html
from core.report.runs import ReadRun


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a format may write: the document, and the runs that it was made from."""

    document: Document
    runs: Sequence[ReadRun] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `patterns` are the names of its files, `example` one of them, `write` makes the file."""

    name: str
    title: str
    patterns: tuple[str, ...]
    example: str
    write: Callable[[Contents, Path], None]

    def takes(self, name: str) -> bool:
        """Whether a file of this name is of this format."""
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.patterns)


def format_of(destination: Path) -> Format:
    """Return the format that a file's name asks for.

    Raises:
        UsageError: no format has files of such a name.
    """
    for found in FORMATS:
        if found.takes(destination.name):
            return found
    names = [found.example for found in FORMATS]
    raise UsageError(
        f"A report cannot be written as {destination.name}.",
        fix=f"Choose a name like {', '.join(names[:-1])} or {names[-1]}.",
    )


def _write_html(contents: Contents, path: Path) -> None:
    path.write_text(render_html(contents.document), encoding="utf-8", newline="\n")


def _write_pdf(contents: Contents, path: Path) -> None:
    from core.report.pdf import write_pdf

    write_pdf(contents.document, path)


FORMATS: tuple[Format, ...] = (
    Format("html", "Web page", ("*.html", "*.htm"), "report.html", _write_html),
    Format("pdf", "PDF", ("*.pdf",), "report.pdf", _write_pdf),
)
