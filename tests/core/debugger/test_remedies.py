"""The remedy of a finding about a job of our own: which setting, which value, and where only a person can tell."""

import numpy as np
import pytest

from core.debugger.remedies import epoch_of, leading, remedy_of, spec_with
from core.errors import SpecError
from core.jobs.contract import default_metrics
from core.jobs.hyperparameters import check_value
from core.jobs.records import RuleOutcome
from core.jobs.specs import TrainingSpec
from core.jobs.status import RuleStatus
from training_scripts.debugger.health import TRAIN_LOSS
from training_scripts.debugger.rules import RULES
from training_scripts.debugger.writer import Saved, TrialWriter


def finding(rule="NotANumber", setting="learning_rate", change="*0.1", **others):
    return RuleOutcome("job", rule, RuleStatus.ISSUES_FOUND, 1.0, setting=setting, change=change, **others)


@pytest.mark.parametrize(
    ("setting", "change", "given", "value"),
    [
        ("learning_rate", "*0.1", {"learning_rate": "50"}, "5"),
        ("learning_rate", "*10", {}, "0.05"),
        ("learning_rate", "*10", {"mode": "fine_tune"}, "0.003"),
        ("learning_rate", "0.004", {"learning_rate": "3"}, "0.004"),
        ("learning_rate", "*0.1", {"learning_rate": "1"}, "0.1"),
        ("num_epochs", "*0.5", {"num_epochs": "9"}, "4"),
        ("num_epochs", "*0.5", {}, "5"),
        ("patience", "3", {}, "3"),
        ("class_weights", "1", {}, "1"),
        ("weights", "default", {"weights": "none"}, "default"),
    ],
)
def test_a_change_is_made_of_what_the_job_had(setting, change, given, value):
    assert remedy_of(finding(setting=setting, change=change), given).value == value


@pytest.mark.parametrize(
    ("setting", "change", "given"),
    [
        ("", "", {}),
        ("learning_rate", "", {}),
        ("learning_rate", "*10", {"learning_rate": "0"}),
        ("num_epochs", "*0.5", {"num_epochs": "1"}),
        ("weights", "default", {"weights": "default"}),
    ],
)
def test_where_no_setting_changes_it_takes_a_person(setting, change, given):
    with pytest.raises(SpecError, match="needs you"):
        remedy_of(finding(setting=setting, change=change, advice="Look at the pictures."), given)


def test_what_a_rule_changes_is_a_setting_and_a_value_of_it():
    for rule in RULES.values():
        if rule.change:
            value = "0.001" if rule.change.startswith("*") and rule.setting == "learning_rate" else rule.change
            assert check_value(rule.setting, "4" if value.startswith("*") else value) is None
    assert sum(bool(rule.change) for rule in RULES.values()) >= 10


def test_the_cause_leads():
    follows = finding("AllZero", follows_from="NotANumber")
    assert leading([follows, finding()]).rule == "NotANumber"
    with pytest.raises(SpecError, match="no finding"):
        leading([follows])


def test_the_training_is_the_same_but_for_the_setting_and_short():
    spec = TrainingSpec("search", {}, {"seed": "4"}, default_metrics())
    had = {"learning_rate": "50", "num_epochs": "200"}
    trial = spec_with(remedy_of(finding(), had), spec, had)
    assert trial.hyperparameters == {"seed": "4", "learning_rate": "5", "num_epochs": "10"}
    assert trial.name.startswith("job-remedy-")
    late = spec_with(remedy_of(finding("Overtraining", "patience", "3"), had), spec, {"num_epochs": "200.0"}, 41)
    assert (late.hyperparameters["patience"], late.hyperparameters["num_epochs"]) == ("3", "50")
    epochs = remedy_of(finding("Overfit", "num_epochs", "*0.5"), had)
    assert spec_with(epochs, spec, had).hyperparameters["num_epochs"] == "100"


def test_the_epoch_of_a_finding_is_known_by_the_ends_of_epochs(tmp_path):
    writer = TrialWriter(tmp_path)
    writer.write_collections({"metrics": []}, {"metrics": ["^epoch/"]}, 1)
    step = trained = evaluated = -1
    for epoch in range(4):
        for _ in range(10):
            step, trained = step + 1, trained + 1
            writer.write_step(step, "TRAIN", trained, [Saved("loss", np.float64(1))], trained)
        for _ in range(5):
            step, evaluated = step + 1, evaluated + 1
            writer.write_step(step, "EVAL", evaluated, [Saved("loss", np.float64(1))], trained)
        step += 1
        writer.write_step(step, "GLOBAL", step, [Saved(TRAIN_LOSS, np.float64(epoch))], trained)
    writer.close()
    found = [epoch_of(finding(first_step=step), tmp_path) for step in (0, 9, 10, 19, 20, 29, 30, 39)]
    assert found == [1, 1, 2, 2, 3, 3, 4, 4]
    assert epoch_of(finding(), tmp_path) == epoch_of(finding(first_step=30), None) == 1
