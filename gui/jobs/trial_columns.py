"""The columns of the table of trials: each is one object that carries all that is known of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.translation import tr
from gui.shared import formatting


class Mark(Enum):
    """What is painted before a cell's text."""

    NONE = "none"
    CURVE = "curve"
    """The colour of the trial's curve, or the star of the best one."""
    STATUS = "status"
    """The icon of the trial's status."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Its functions get a trial and its position among all trials, from 0.

    Attributes:
        key: names the column in CSV.
        text: what a cell shows.
        value: what rows are sorted by: numbers come before texts, None comes last.
        exported: the full, unrounded value in CSV.
        width: pixels; None shares what room there is.
    """

    key: str
    title: str
    text: Callable[[TrainingJob, int], str]
    value: Callable[[TrainingJob, int], float | str | None]
    exported: Callable[[TrainingJob], str]
    numeric: bool = True
    width: int | None = None
    mark: Mark = Mark.NONE


NUMBER = Column(
    "trial",
    tr("Trial"),
    lambda _, at: str(at + 1),
    lambda _, at: float(at),
    lambda trial: trial.name,
    True,
    84,
    Mark.CURVE,
)
STATUS = Column(
    "status",
    tr("Status"),
    lambda trial, _: trial.secondary_status if _says_more(trial) else str(trial.status),
    lambda trial, _: float(list(JobStatus).index(trial.status)),
    lambda trial: str(trial.status),
    False,
    132,
    Mark.STATUS,
)
TIME = Column(
    "seconds",
    tr("Time"),
    lambda trial, _: formatting.duration(seconds_of(trial)),
    lambda trial, _: seconds_of(trial),
    lambda trial: _plain(seconds_of(trial)),
    True,
    108,
)


def columns(objective_metric: str, parameters: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the columns of a tuning job that searches `parameters` for the best `objective_metric`."""
    return (NUMBER, STATUS, objective_column(objective_metric), TIME, *map(parameter_column, parameters))


def objective_column(metric: str) -> Column:
    """Return the column of the objective."""
    return Column(
        "objective",
        metric,
        lambda trial, _: formatting.number(trial.objective),
        lambda trial, _: None if trial.objective is None or math.isnan(trial.objective) else trial.objective,
        lambda trial: _plain(trial.objective),
        True,
        112,
    )


def parameter_column(name: str) -> Column:
    """Return the column of a hyperparameter."""
    return Column(
        name,
        name,
        lambda trial, _: formatting.parameter(trial.hyperparameters.get(name, formatting.NONE)),
        lambda trial, _: _number_or_text(trial.hyperparameters.get(name)),
        lambda trial: trial.hyperparameters.get(name, ""),
    )


def seconds_of(trial: TrainingJob) -> float | None:
    """Return how long a trial took; None while it runs or if it never started."""
    return None if trial.started is None or trial.ended is None else trial.ended - trial.started


def _says_more(trial: TrainingJob) -> bool:
    return trial.status == JobStatus.IN_PROGRESS and bool(trial.secondary_status)


def _number_or_text(text: str | None) -> float | str | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        return text
    return None if value is None or math.isnan(value) else value


def _plain(value: float | None) -> str:
    return "" if value is None else repr(value)
