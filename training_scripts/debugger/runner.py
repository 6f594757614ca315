"""Evaluates a set of rules on one trial as its steps come in. A rule that breaks says so, and the others continue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from training_scripts.debugger.base import DebuggerError, RuleEvaluationConditionMet
from training_scripts.debugger.health import HealthRule
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.rules import ALIASES, make_rule, rule_class

IN_PROGRESS, NO_ISSUES, ISSUES, ERROR, STOPPED = "InProgress", "NoIssuesFound", "IssuesFound", "Error", "Stopped"
ACTIONS = ("none", "notify", "stop")


class RuleRun:
    """One rule on one trial, and what came of it so far. `first_details` is what was found at `first_step`."""

    def __init__(self, name: str, parameters: Mapping[str, str], trial: Any, action: str = "none") -> None:
        self.name = ALIASES.get(name, name)
        self.parameters = {key: str(value) for key, value in parameters.items()}
        self.action = action
        self.status = IN_PROGRESS
        self.details = ""
        self.first_details = ""
        self.first_step: int | None = None
        self.last_step: int | None = None
        self.triggered = 0
        self.changed = True
        self._trial = trial
        self._read = self._unread = False
        self._rule: HealthRule | None = None
        try:
            self._rule = make_rule(name, trial, parameters)
        except Exception as error:
            self._fail(error)
        if getattr(self._rule, "stop_training_on_fire", False):
            self.action = "stop"

    @property
    def open(self) -> bool:
        """Whether the rule is still to be evaluated."""
        return self._rule is not None and self.status in (IN_PROGRESS, ISSUES)

    def evaluate(self, step: int) -> bool:
        """Evaluate at a global step; whether the rule found an issue for the first time."""
        if not self.open:
            return False
        assert self._rule is not None
        before, reads = self._rule.evaluated, self._reads()
        try:
            self._rule.invoke(step)
        except RuleEvaluationConditionMet:
            return self._fire(step)
        except DebuggerError:
            return False  # something the rule wants was not saved at this step, or cannot be read
        except Exception as error:
            self._fail(error)
        finally:
            now = self._reads()
            self._read |= now[0] > reads[0]
            self._unread |= now[1] > reads[1]
        self.changed |= self._rule.evaluated != before
        if self._rule.taken_back:
            self._take_back(self._rule)
        return False

    def evaluate_idle(self, step: int, now: float) -> bool:
        """Ask a rule about time whether the trial, whose last step is `step`, has stalled by now."""
        idle = getattr(self._rule, "invoke_idle", None)
        return bool(self.status == IN_PROGRESS and idle is not None and idle(step, now) and self._fire(step))

    def finish(self, stopped: bool = False) -> None:
        """Note that the trial has ended, or the evaluation was `stopped` before it did."""
        if self.status != IN_PROGRESS:
            return
        self.status, self.changed = STOPPED if stopped else NO_ISSUES, True
        if self._could_not_read():
            files = self._damaged()
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self.status, self.details = ERROR, f"Nothing of what it looks at could be read: {files[0]}{more}."

    def outcome(self, job: str) -> dict[str, Any]:
        """Return the fields of core.jobs.records.RuleOutcome."""
        rule = self._rule
        details = self.details or (self._found(rule) if rule and self.status == ISSUES else "")
        if rule is not None and not rule.evaluated and not details and self.status == NO_ISSUES:
            details = "Nothing that this rule looks at was saved."
        return {
            "job": job,
            "rule": self.name,
            "status": self.status,
            "time": time.time(),
            "first_step": self.first_step,
            "last_step": self.last_step,
            "tensors": list(rule.tensors)[:20] if rule else [],
            "values": [list(item) for item in rule.evidence] if rule else [],
            "meaning": rule.meaning if rule else rule_meaning(self.name),
            "advice": self._advice(rule),
            "details": details,
            "parameters": self.parameters,
            "triggered": self.triggered,
            "evaluated": rule.evaluated if rule else 0,
            "action": self.action,
            "unreadable": self._damaged(),
            "setting": rule.setting if rule and self.status == ISSUES else "",
            "change": rule.change if rule and self.status == ISSUES else "",
        }

    def _advice(self, rule: HealthRule | None) -> str:
        if rule is None:
            return "Correct the rule's parameters."
        return "Fetch the damaged files again." if self.status == ERROR and self._could_not_read() else rule.advice

    def _could_not_read(self) -> bool:
        """Whether the rule saw nothing because of damaged files; otherwise nothing that it looks at was saved."""
        if self._rule is None or self._rule.evaluated or self._read or not self._damaged():
            return False
        collections = any(name.startswith("collections/") for name in self._trial.damaged)
        return bool(self._unread or collections or not self._trial.steps())

    def _reads(self) -> tuple[int, int]:
        """Return how many tensors were read so far, and how many could not be; a trial of smdebug's does not say."""
        return getattr(self._trial, "reads", 0), getattr(self._trial, "failed_reads", 0)

    def _damaged(self) -> list[str]:
        """Return the files that could not be read, each with the reason."""
        return [f"{name} ({reason})" for name, reason in getattr(self._trial, "damaged", {}).items()]

    def _fire(self, step: int) -> bool:
        assert self._rule is not None
        first = self.status != ISSUES
        self.status, self.changed = ISSUES, True
        self.triggered += 1
        self.last_step = self._rule.training_step(step)
        if first:
            self.first_step, self.first_details, self.details = self.last_step, self._rule.details, ""
        return first

    def _found(self, rule: HealthRule) -> str:
        """Return what was found, at the first step and at the last where that is not the same."""
        if rule.details == self.first_details or self.first_step == self.last_step:
            return rule.details
        return f"Step {self.first_step:,}: {self.first_details} Step {self.last_step:,}: {rule.details}"

    def _take_back(self, rule: HealthRule) -> None:
        """Let a finding go that holds no longer; where there was none, nothing changes."""
        details, rule.taken_back = rule.taken_back, ""
        if self.status == ISSUES:
            self.status, self.details, self.changed = IN_PROGRESS, f"Taken back: {details}", True
            self.first_step = self.last_step = None
            rule.tensors.clear()

    def give_up(self, error: Exception) -> None:
        """End with this error, unless the rule has come to its end or found an issue."""
        if self.status == IN_PROGRESS:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.status, self.changed = ERROR, True
        self.details = f"The rule could not be evaluated: {error}."


class Evaluation:
    """All rules of one trial."""

    def __init__(
        self, trial: Trial, rules: Mapping[str, Mapping[str, str]], actions: Mapping[str, str], job: str
    ) -> None:
        self.trial, self.job = trial, job
        self.runs = [RuleRun(name, texts, trial, actions.get(name, "notify")) for name, texts in rules.items()]
        self.last_step = -1
        self._pending = list(trial.steps())

    def advance(self) -> list[RuleRun]:
        """Evaluate the steps saved since the last call; returns the rules that found an issue for the first time."""
        steps, self._pending = sorted({*self._pending, *self.trial.refresh()}), []
        return [run for step in steps for run in self.evaluate(step)]

    def evaluate(self, step: int) -> list[RuleRun]:
        """Evaluate one global step; returns the rules that found an issue for the first time."""
        self.last_step = max(self.last_step, step)
        return [run for run in self.runs if run.evaluate(step)]

    def idle(self, now: float) -> list[RuleRun]:
        """Ask the rules about time; returns those that found an issue for the first time."""
        return [run for run in self.runs if run.evaluate_idle(self.last_step, now)] if self.last_step >= 0 else []

    def finish(self, stopped: bool = False) -> None:
        """Note that no more steps will come."""
        for run in self.runs:
            run.finish(stopped)

    def give_up(self, error: Exception) -> None:
        """End every rule that has found nothing so far with this error."""
        for run in self.runs:
            run.give_up(error)

    def changed(self) -> list[RuleRun]:
        """Return the rules whose outcome changed since the last call."""
        changed = [run for run in self.runs if run.changed]
        for run in changed:
            run.changed = False
        return changed


def rule_meaning(name: str) -> str:
    """Return what a finding of this rule means, in one sentence; empty for an unknown rule."""
    try:
        return rule_class(name).meaning
    except ValueError:
        return ""
