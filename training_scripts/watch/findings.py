"""Findings about a training, as rule outcomes: files and log lines as our own jobs write them, or a line on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .catalogue import INVARIANTS
from .code_site import NOWHERE, Site

LINE = "sagehound-rule "
MAX_NAMES = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: what is the matter, what was seen, what to do, and where in the user's script."""

    rule: str
    step: int
    cause: str
    details: str
    remedy: str
    at: Site = NOWHERE
    values: tuple[tuple[int, float, float | None], ...] = ()
    tensors: tuple[str, ...] = ()

    def line(self) -> str:
        """Return one line for people."""
        where = f" {self.at.file}:{self.at.line}:" if self.at.file else ""
        return f"sagehound: step {self.step}:{where} {self.rule}: {self.cause} {self.remedy}"

    def outcome(self, job: str) -> dict[str, Any]:
        """Return the fields of a rule's outcome."""
        return {
            "job": job,
            "rule": self.rule,
            "status": "IssuesFound",
            "time": time.time(),
            "first_step": self.step,
            "last_step": self.step,
            "tensors": list(self.tensors)[:MAX_NAMES],
            "values": [list(item) for item in self.values],
            "meaning": self.cause,
            "advice": self.remedy,
            "details": self.details,
            "parameters": {},
            "triggered": 1,
            "evaluated": 1,
            "action": "notify",
            "file": self.at.file,
            "line": self.at.line,
        }


class Findings:
    """The findings of one process.

    With an `output` folder (a job's) each becomes `<output>/rules/<Rule>.json` and a line of the job's log, from which
    `sagehound watch` takes it; without one, or with `say`, it is a line on stderr. A finding of a rule in `stop_on`
    ends this process, as a request to end from outside would.
    """

    def __init__(
        self, job: str = "", output: Path | None = None, say: bool = True, stop_on: Collection[str] = ()
    ) -> None:
        self.job, self.output, self._stop_on = job, output, frozenset(stop_on)
        self.all: list[Finding] = []
        self._say = say
        self._counts: dict[str, int] = {}
        self._known: set[str] = set()
        self._broken = 0
        self._muted = False

    def mute(self) -> None:
        """Say and write nothing more: another process of the same training does."""
        self._muted = True

    def found(
        self,
        rule: str,
        step: int,
        cause: str,
        details: str,
        remedy: str,
        at: Site = NOWHERE,
        values: Sequence[tuple[int, float, float | None]] = (),
        tensors: Sequence[str] = (),
    ) -> None:
        """Report a broken invariant, unless it was reported before."""
        if rule in self._known or self._muted:
            return
        self._known.add(rule)
        finding = Finding(rule, step, cause, details, remedy, at, tuple(values), tuple(tensors))
        self.all.append(finding)
        if self._say:
            print(finding.line(), file=sys.stderr, flush=True)
        self._write(finding.outcome(self.job))
        if rule in self._stop_on:
            os.kill(os.getpid(), signal.SIGTERM)

    def looked(self, rule: str) -> None:
        """Say that an invariant was looked at and held."""
        self._counts[rule] = self._counts.get(rule, 0) + 1

    def broken(self, check: object, event: str, error: Exception) -> None:
        """Say, in the job's log alone, that a check could not continue; the script is none the worse."""
        self._broken += 1
        if self._broken <= 20:
            name = type(check).__name__
            self._log(f"{name} is left out ({event}: {type(error).__name__}: {error})")
            if os.environ.get("SAGEHOUND_WATCH_STRICT"):
                raise error

    def close(self, step: int) -> None:
        """Write of the invariants that were looked at and held that no issue was found."""
        for rule, count in self._counts.items():
            if rule not in self._known and not self._muted:
                nothing = Finding(rule, step, INVARIANTS[rule].about, "", "")
                outcome = nothing.outcome(self.job) | {"status": "NoIssuesFound", "triggered": 0, "evaluated": count}
                self._write(outcome | {"first_step": None, "last_step": None, "meaning": ""})
        self._counts.clear()

    def _write(self, outcome: dict[str, Any]) -> None:
        if self.output is None:
            return
        text = json.dumps(outcome)
        with contextlib.suppress(OSError):
            folder = self.output / "rules"
            folder.mkdir(parents=True, exist_ok=True)
            aside = folder / f"{outcome['rule']}.{os.getpid()}.tmp"
            aside.write_text(text, encoding="utf-8")
            os.replace(aside, folder / f"{outcome['rule']}.json")
        self._log(LINE + text)

    def _log(self, line: str) -> None:
        if self.output is not None:
            append_line(self.output.parent / "log.txt", line)


def append_line(file: Path, line: str) -> None:
    """Append one whole line to a file that several processes write to."""
    with contextlib.suppress(OSError):
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
