"""smdebug's reader and rule base against ours: `python -W ignore smdebug_check.py OURS THEIRS`, a process of its own.

OURS is a trial that our hook wrote; THEIRS a folder in which smdebug's own hook is to write one. Ends with status 0
and the word "same" when every value that smdebug reads is the value that we read.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import smdebug.pytorch as smd
import torch
from smdebug import modes
from smdebug.rules import Rule, invoke_rule
from smdebug.trials import create_trial
from torch import nn

from training_scripts.debugger import base
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.rules import RULES, make_rule

MODES = (modes.TRAIN, modes.EVAL, modes.GLOBAL)


def write_theirs(folder: Path) -> None:
    model, loss_fn = (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)),
        nn.CrossEntropyLoss(),
    )
    model[0].weight.requires_grad = False
    reductions = smd.ReductionConfig(reductions=["min", "max"], abs_reductions=["max"], save_raw_tensor=True)
    hook = smd.Hook(
        str(folder), save_all=True, save_config=smd.SaveConfig(save_interval=1), reduction_config=reductions
    )
    hook.register_module(model)
    hook.register_loss(loss_fn)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for mode in (modes.TRAIN, modes.EVAL):
        hook.set_mode(mode)
        for _ in range(3):
            optimizer.zero_grad()
            loss_fn(model(torch.randn(4, 3, 8, 8)), torch.randint(0, 2, (4,))).backward()
            optimizer.step()
    hook.close()


def compare(folder: Path) -> int:
    theirs, ours = create_trial(str(folder)), Trial.open(folder)
    assert theirs.tensor_names() == ours.tensor_names()
    assert set(theirs.collections()) == set(ours.collections())
    for collection in theirs.collections():
        assert theirs.tensor_names(collection=collection) == ours.tensor_names(collection=collection), collection
    compared = 0
    for mode in MODES:
        assert theirs.steps(mode=mode) == ours.steps(mode=mode)
        assert theirs.tensor_names(mode=mode) == ours.tensor_names(mode=mode)
        for name in theirs.tensor_names():
            steps = theirs.tensor(name).steps(mode=mode)
            assert steps == ours.tensor(name).steps(mode=mode)
            for step in steps:
                value = ours.tensor(name).value(step, mode=mode)
                np.testing.assert_array_equal(theirs.tensor(name).value(step, mode=mode), value)
                for kind in ("min", "max", "mean", "std"):
                    expected = theirs.tensor(name).reduction_value(step, kind, mode=mode, abs=kind == "mean")
                    got = ours.tensor(name).reduction_value(step, kind, mode=mode, abs=kind == "mean")
                    np.testing.assert_array_equal(expected, got)
                compared += 1
    return compared


class NeverBelow(Rule):
    """A rule of a user's own, as AWS's documentation teaches to write one."""

    def __init__(self, base_trial, floor: float) -> None:
        super().__init__(base_trial, action_str="")
        self.floor = floor

    def invoke_at_step(self, step: int) -> bool:
        for name in self.base_trial.tensor_names(collection="losses"):
            if self.base_trial.tensor(name).value(step) >= self.floor:
                return True
        return False


def check_own_rule(folder: Path) -> None:
    """A user's own class runs by smdebug's invoker on our trial as on smdebug's."""
    steps = []
    for trial in (create_trial(str(folder)), Trial.open(folder)):
        with pytest.raises(base.RuleEvaluationConditionMet) as met:
            invoke_rule(NeverBelow(trial, 0.0), end_step=trial.steps()[-1] + 1, raise_eval_cond=True)
        steps.append(met.value.step)
        invoke_rule(NeverBelow(trial, 1e9), end_step=trial.steps()[-1] + 1, raise_eval_cond=True)
    assert steps[0] == steps[1]


def check_rules(folder: Path) -> None:
    """Our rules are smdebug rules: they run by its own invoker, on its own trial, and on ours, with one result."""
    assert base.USES_SMDEBUG
    for name, rule in RULES.items():
        assert issubclass(rule, Rule), name
    for trial in (create_trial(str(folder)), Trial.open(folder)):
        rule = make_rule("TensorVariance", trial, {"collection_names": "weights", "max_threshold": "0"})
        with pytest.raises(base.RuleEvaluationConditionMet) as met:
            invoke_rule(rule, end_step=trial.steps()[-1] + 1, raise_eval_cond=True)
        assert (met.value.rule_name, met.value.step) == ("TensorVariance", trial.steps()[0])
        quiet = make_rule("TensorVariance", trial, {"collection_names": "weights", "max_threshold": "1e9"})
        invoke_rule(quiet, end_step=trial.steps()[-1] + 1, raise_eval_cond=True)
        assert quiet.evaluated


if __name__ == "__main__":
    ours, theirs = map(Path, sys.argv[1:])
    write_theirs(theirs)
    assert compare(theirs) > 100
    assert compare(ours) > 100
    check_rules(ours)
    check_rules(theirs)
    check_own_rule(ours)
    check_own_rule(theirs)
    print("same")
