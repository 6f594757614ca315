"""The remedy of a finding about one of our own jobs: another value of the setting that its advice is about."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.debugger.saved_jobs import trial_storages
from core.errors import SpecError
from core.jobs.hyperparameters import check_value, defaults
from core.jobs.records import RuleOutcome
from core.jobs.specs import LONGEST_NAME, Spec
from core.jobs.status import RuleStatus
from core.translation import tr
from training_scripts.arguments import BY_MODE, whole
from training_scripts.debugger.health import TRAIN_LOSS
from training_scripts.debugger.reader import Trial

MOST_EPOCHS = 10
"""What a remedy is tried with at most, from the epoch of the finding on, unless it is that number itself."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """The finding that leads, the setting that its advice is about, and its value before and with the remedy."""

    outcome: RuleOutcome
    setting: str
    before: str
    value: str

    def __str__(self) -> str:
        """Return the change in words that a command takes."""
        return f"{self.setting}={self.value}"


def leading(outcomes: Sequence[RuleOutcome]) -> RuleOutcome:
    """Return the first finding that follows from no other.

    Raises:
        SpecError: there is none.
    """
    for outcome in outcomes:
        if outcome.status is RuleStatus.ISSUES_FOUND and not outcome.follows_from:
            return outcome
    raise SpecError(tr("There is no finding whose remedy could be tried."))


def remedy_of(lead: RuleOutcome, hyperparameters: Mapping[str, str]) -> Remedy:
    """Return the remedy of a finding, as a change of one setting.

    Raises:
        SpecError: it needs a person.
    """
    before = hyperparameters.get(lead.setting) or _default(lead.setting, hyperparameters.get("mode", "head"))
    whole = isinstance(defaults().get(lead.setting), int)
    value = _changed(before, lead.change, whole) if lead.setting and lead.change else ""
    if not value or value == before or check_value(lead.setting, value) is not None:
        raise SpecError(
            tr("The remedy of {rule} needs you: no setting alone is its cause.").format(rule=lead.rule), lead.advice
        )
    return Remedy(lead, lead.setting, before, value)


def epoch_of(outcome: RuleOutcome, folder: Path | None) -> int:
    """Return in which epoch a finding came, from 1 on, by what the job saved in its folder; 1 where that is gone."""
    step = outcome.first_step
    if step is None or folder is None:
        return 1
    trials = [Trial(storage) for storage in trial_storages(folder)]
    ends = {
        trial.training_step(end)  # the finding's unit: an end's own number counts evaluated batches and ends too
        for trial in trials
        if TRAIN_LOSS in trial.tensor_names()
        for end in trial.tensor(TRAIN_LOSS).steps()
    }
    return 1 + sum(end < step for end in ends)


def spec_with(remedy: Remedy, spec: Spec, hyperparameters: Mapping[str, str], epoch: int = 1) -> Spec:
    """Return the training job of a job or trial once more, with the remedy; `epoch`: in which the finding came."""
    changed = {**spec.training.hyperparameters, **hyperparameters, remedy.setting: remedy.value}
    if remedy.setting != "num_epochs":
        epochs = whole(1)(changed.get("num_epochs", str(defaults()["num_epochs"])))
        changed["num_epochs"] = str(min(epochs, epoch - 1 + MOST_EPOCHS))
    ending = f"-remedy-{secrets.token_hex(2)}"
    name = remedy.outcome.job[: LONGEST_NAME - len(ending)].rstrip("-") + ending
    return dataclasses.replace(spec.training, name=name, hyperparameters=changed)


def _default(setting: str, mode: str) -> str:
    value = BY_MODE.get(mode, {}).get(setting, defaults().get(setting))
    return "" if value is None else str(value)


def _changed(before: str, change: str, whole: bool) -> str:
    """Return the value that a change makes of another: `*0.1` multiplies, anything else takes its place."""
    if not change.startswith("*"):
        return change
    try:
        value = float(before) * float(change[1:])
    except ValueError:
        return ""
    return str(max(1, round(value))) if whole else f"{value:g}"
