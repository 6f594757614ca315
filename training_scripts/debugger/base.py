"""What rules stand on: smdebug's `Rule`, exceptions and `ModeKeys`, or our own of the same shape.

smdebug is used where it can be imported. It cannot be in AWS's current images (they have numpy 2.4 and protobuf 6), and
its import takes seconds and brings torch, so the watcher and the window ask for ours: SAGEHOUND_RULE_BASE=own.
"""

from __future__ import annotations

import enum
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any


class _ModeKeys(enum.Enum):
    """What the model was doing at a step."""

    TRAIN = 1
    EVAL = 2
    PREDICT = 3
    GLOBAL = 4


class _DebuggerError(Exception):
    """The root of what a trial raises when it does not have what was asked for."""


class _StepUnavailable(_DebuggerError):
    def __init__(self, step: int, mode: Any) -> None:
        super().__init__(f"Step {step} of mode {mode.name} was not saved.")


class _StepNotYetAvailable(_DebuggerError):
    def __init__(self, step: int, mode: Any) -> None:
        super().__init__(f"Step {step} of mode {mode.name} was not saved so far.")


class _NoMoreData(_DebuggerError):
    def __init__(self, step: int, mode: Any, last_step: int) -> None:
        super().__init__(f"Step {step} of mode {mode.name} will not come: the last one is {last_step}.")
        self.step, self.mode, self.last_step = step, mode, last_step


class _InvalidWorker(_DebuggerError):
    def __init__(self, worker: str) -> None:
        super().__init__(f"There is no worker {worker}.")


class _StepState(enum.Enum):
    """Whether a step is there, will never be, or may still come."""

    UNAVAILABLE = 0
    AVAILABLE = 1
    NOT_YET_AVAILABLE = 2


class _TensorUnavailable(_DebuggerError):
    def __init__(self, tname: str) -> None:
        super().__init__(f"Tensor {tname} was not saved.")


class _TensorUnavailableForStep(_DebuggerError):
    def __init__(self, tname: str, step: int, mode: Any = _ModeKeys.GLOBAL, has_reductions: bool = False) -> None:
        super().__init__(f"Tensor {tname} was not saved at step {step} of mode {mode.name}.")


class _RuleEvaluationConditionMet(_DebuggerError):
    def __init__(self, rule_name: str, step: int, end_of_rule: bool = False) -> None:
        super().__init__(f"The condition of {rule_name} was met at step {step}.")
        self.rule_name, self.step, self.end_of_rule = rule_name, step, end_of_rule


class _Rule:
    """The part of smdebug's `Rule` that rules use: `invoke(step)` raises when the condition is met."""

    def __init__(self, base_trial: Any, action_str: str, other_trials: Any = None) -> None:
        self.base_trial = base_trial
        self.other_trials = other_trials
        self.rule_name = type(self).__name__
        self.logger = logging.getLogger("sagehound.rules")
        self.report: dict[str, Any] = {
            "RuleTriggered": 0,
            "Violations": 0,
            "Details": {},
            "Datapoints": 0,
            "RuleParameters": "",
        }

    def set_required_tensors(self, step: int) -> None:
        """Do nothing: no tensor has to be asked for beforehand."""

    def invoke_at_step(self, step: int) -> bool:
        """Whether the condition is met at global step `step`."""
        raise NotImplementedError

    def invoke(self, step: int) -> None:
        """Evaluate at a global step that was saved; raises RuleEvaluationConditionMet when the condition is met."""
        self.base_trial.wait_for_steps([step])
        if self.invoke_at_step(step):
            raise RuleEvaluationConditionMet(self.rule_name, step)


def _smdebug_wanted() -> bool:
    return "smdebug.rules" in sys.modules or os.environ.get("SAGEHOUND_RULE_BASE") != "own"


if TYPE_CHECKING:
    Rule = _Rule
    ModeKeys = _ModeKeys
    DebuggerError = _DebuggerError
    StepUnavailable = _StepUnavailable
    StepNotYetAvailable = _StepNotYetAvailable
    NoMoreData = _NoMoreData
    InvalidWorker = _InvalidWorker
    StepState = _StepState
    TensorUnavailable = _TensorUnavailable
    TensorUnavailableForStep = _TensorUnavailableForStep
    RuleEvaluationConditionMet = _RuleEvaluationConditionMet
    USES_SMDEBUG = False
else:
    USES_SMDEBUG = False
    if _smdebug_wanted():
        # smdebug logs to stdout as it is imported and on every refresh; a rule's output is the only thing wanted there.
        os.environ.setdefault("SMDEBUG_LOG_LEVEL", "error")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from smdebug.core.modes import ModeKeys
                from smdebug.core.tensor import StepState
                from smdebug.exceptions import (
                    InvalidWorker,
                    NoMoreData,
                    RuleEvaluationConditionMet,
                    SMDebugError,
                    StepNotYetAvailable,
                    StepUnavailable,
                    TensorUnavailable,
                    TensorUnavailableForStep,
                )
                from smdebug.rules import Rule
            DebuggerError = SMDebugError
            USES_SMDEBUG = True
        # Not ImportError alone: with another numpy or protobuf it fails in ways of its own.
        except Exception:
            pass
    if not USES_SMDEBUG:
        Rule, ModeKeys, DebuggerError = _Rule, _ModeKeys, _DebuggerError
        StepUnavailable, TensorUnavailable = _StepUnavailable, _TensorUnavailable
        StepNotYetAvailable, NoMoreData = _StepNotYetAvailable, _NoMoreData
        InvalidWorker, StepState = _InvalidWorker, _StepState
        TensorUnavailableForStep, RuleEvaluationConditionMet = _TensorUnavailableForStep, _RuleEvaluationConditionMet
