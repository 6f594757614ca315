"""Runs scripts of public style as they are, or with a fault put in, and says what the watching found.

All in one process, one after the other: torch is imported once, and each run is hooked as `sagehound watch` hooks it.
"""

from __future__ import annotations

import contextlib
import io
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from training_scripts.debugger.defaults import chosen_rules
from training_scripts.debugger.job_settings import read_info
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.runner import Evaluation
from training_scripts.watch.checks import all_checks
from training_scripts.watch.findings import Finding, Findings
from training_scripts.watch.patches import install
from training_scripts.watch.recorder import Recorder
from training_scripts.watch.session import Session

SCRIPTS = Path(__file__).with_name("scripts")


def train_with_new_loaders(model: nn.Module, train: Dataset[Any], valid: Dataset[Any], batch_size: int) -> None:
    """Train four epochs, each evaluated, with loaders that are made for each pass."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    for _ in range(4):
        for rows, labels in DataLoader(train, batch_size=batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(rows), labels).backward()
            optimizer.step()
        with torch.no_grad():
            for rows, _ in DataLoader(valid, batch_size=batch_size):
                model(rows)


@dataclass
class Watched:
    """What came of one run: the invariants that broke, the rules on tensors that fired, and what the script printed."""

    invariants: list[Finding]
    rules: set[str] = field(default_factory=set)
    output: str = ""
    steps: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Everything that fired."""
        return {finding.rule for finding in self.invariants} | self.rules


class _Enough(BaseException):
    """Ends a script that has shown what was asked for."""


class Strict(Findings):
    """Findings that keep what broke inside the watching, which a script never sees; `until` ends the script."""

    def __init__(self, job: str, output: Path | None, until: str = "") -> None:
        super().__init__(job, output, say=False)
        self.failures: list[str] = []
        self._until = until

    def found(self, rule: str, *values: Any, **named: Any) -> None:
        super().found(rule, *values, **named)
        if rule == self._until:
            raise _Enough

    def broken(self, check: object, event: str, error: Exception) -> None:
        self.failures.append(f"{type(check).__name__}.{event}: {type(error).__name__}: {error}")


def run(
    script: str,
    arguments: Sequence[str] = (),
    changes: Mapping[str, str] | None = None,
    record: bool = False,
    until: str = "",
) -> Watched:
    """Run a script of the folder with some of its text replaced.

    `record`: save tensors and evaluate the rules too. `until`: end it as soon as this invariant is found broken.
    """
    path = SCRIPTS / script
    text = path.read_text(encoding="utf-8")
    for old, new in (changes or {}).items():
        if old not in text:
            raise ValueError(f"{script} does not contain {old!r}")
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "job" / "output"
        output.mkdir(parents=True)
        findings = Strict("job", output if record else None, until)
        slept = [0.0]  # waiting is what the script asks for, not what the machine is busy with
        session = Session(findings, Recorder(output, {"time_share": None}) if record else None, lambda: slept[0])
        session.add(all_checks)
        said = io.StringIO()
        random.seed(0)
        torch.manual_seed(0)
        argv, sys.argv = sys.argv, [str(path), *arguments]
        patches = install(session)
        patches.set(time, "sleep", lambda seconds: slept.__setitem__(0, slept[0] + seconds))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with contextlib.redirect_stdout(said), warnings.catch_warnings(), contextlib.suppress(_Enough):
                warnings.simplefilter("ignore")
                exec(compile(text, str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
        finally:
            patches.close()
            sys.argv = argv
            torch.set_num_threads(threads)
            with contextlib.suppress(_Enough):  # what is found at the end
                session.close()
        rules = _rules(output / "tensors") if record else set()
    return Watched(findings.all, rules, said.getvalue(), session.step, findings.failures)


def _rules(tensors: Path) -> set[str]:
    """The rules on tensors that fired, by the set that watched scripts get."""
    info = read_info(tensors)
    if not info:
        return set()
    evaluation = Evaluation(Trial.open(tensors), chosen_rules(True, {}, info["hyperparameters"]), {}, "job")
    evaluation.advance()
    evaluation.finish()
    return {run.name for run in evaluation.runs if run.status == "IssuesFound"}
