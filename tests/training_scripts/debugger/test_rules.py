"""Rules on small written trials: AWS's worked examples and the edges of each criterion."""

import itertools
import time

import numpy as np
import pytest

from training_scripts.debugger.defaults import chosen_rules, default_rules
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.rules import RULES, check_parameters, make_rule, parameters_of, parse_parameters
from training_scripts.debugger.runner import Evaluation, RuleRun
from training_scripts.debugger.writer import Saved, TrialWriter

REGEXES = {
    "weights": ["^(?!gradient).*weight"],
    "gradients": ["^gradient"],
    "losses": ["[Ll]oss_(?!input).*output"],
    "labels": ["_input_1$"],
    "predictions": ["Loss_input_0$"],
    "inputs": ["^Net_input_0$"],
}
LOSS = "CrossEntropyLoss_output_0"


def trial_of(folder, steps, clock=None):
    """A trial with these steps: (global step, mode, {name: value})."""
    writer = TrialWriter(folder, clock=clock)
    writer.write_collections({}, REGEXES, 1)
    counts = {}
    for step, mode, tensors in steps:
        mode_step = counts.get(mode, -1) + 1
        counts[mode] = mode_step
        writer.write_step(step, mode, mode_step, [Saved(name, np.asarray(value)) for name, value in tensors.items()])
    writer.close()
    return Trial.open(folder)


def firing_steps(trial, name, **parameters):
    run = RuleRun(name, {key: str(value) for key, value in parameters.items()}, trial)
    assert run.status == "InProgress", run.details
    found = []
    for step in trial.steps():
        before = run.triggered
        run.evaluate(step)
        if run.triggered > before:
            found.append(step)
    assert run.status != "Error", run.details
    return found


def losses(values, mode="TRAIN"):
    return [(step, mode, {LOSS: np.float32(value)}) for step, value in values.items()]


def test_loss_not_decreasing_as_in_awss_example(tmp_path):
    """Saved every 4 steps, checked 10 apart: 12 is held against 0 and fails, 16 comes too soon after it."""
    trial = trial_of(tmp_path, losses({0: 0.30, 4: 0.33, 8: 0.31, 12: 0.30, 16: 0.28}))
    assert firing_steps(trial, "LossNotDecreasing", mode="EVAL") == []
    assert firing_steps(trial, "LossNotDecreasing") == [12]


def test_loss_not_decreasing_compares_with_the_newest_loss_far_enough_back(tmp_path):
    """Saved every 3 steps: 12 is compared with 0, the next check is 24 with 12."""
    falling = {step: 1.0 - step / 100 for step in range(0, 40, 3)}
    assert firing_steps(trial_of(tmp_path / "a", losses(falling)), "LossNotDecreasing") == []
    falling[24] = falling[12]
    assert firing_steps(trial_of(tmp_path / "b", losses(falling)), "LossNotDecreasing") == [24]


def test_loss_not_decreasing_patience_and_arrival(tmp_path):
    flat = {step: 1.0 for step in range(0, 60, 10)}
    trial = trial_of(tmp_path / "a", losses(flat))
    assert firing_steps(trial, "LossNotDecreasing", patience=3) == [30, 40, 50]
    arrived = {0: 1.0, 10: 0.3, 20: 0.3, 30: 0.3}
    assert firing_steps(trial_of(tmp_path / "b", losses(arrived)), "LossNotDecreasing", converged_percent=50) == []


def test_overfit_over_batches(tmp_path):
    def steps(validation):
        rounds = []
        for start in (0, 20, 40):
            rounds += [(start + step, "TRAIN", {LOSS: np.float32(1.0)}) for step in (0, 4)]
            rounds += [(start + step, "EVAL", {LOSS: np.float32(validation)}) for step in (8, 9)]
        return rounds

    assert firing_steps(trial_of(tmp_path / "a", steps(1.05)), "Overfit") == []
    assert firing_steps(trial_of(tmp_path / "b", steps(1.2)), "Overfit") == [8, 9, 28, 29, 48, 49]
    assert firing_steps(trial_of(tmp_path / "c", steps(1.2)), "Overfit", patience=5) == [48, 49]
    assert firing_steps(trial_of(tmp_path / "d", steps(1.2)), "Overfit", start_step=30) == [48, 49]
    assert firing_steps(trial_of(tmp_path / "e", steps(1.2)), "Overfit", min_gap=0.5) == []
    assert firing_steps(trial_of(tmp_path / "f", steps(1.2)), "Overfit", ratio_threshold=0.3) == []


def test_overtraining_counts_each_loss_by_itself(tmp_path):
    steps = [(step, "TRAIN", {LOSS: np.float32(1 / (step + 1))}) for step in range(0, 6)]
    steps += [(step, "TRAIN", {LOSS: np.float32(0.166)}) for step in range(6, 14)]
    assert firing_steps(trial_of(tmp_path / "a", steps), "Overtraining") == [10, 11, 12, 13]
    assert firing_steps(trial_of(tmp_path / "b", steps), "Overtraining", patience_train=9) == []
    evaluated = [(step, "EVAL", tensors) for step, _, tensors in steps]
    assert firing_steps(trial_of(tmp_path / "c", evaluated), "Overtraining") == []
    assert firing_steps(trial_of(tmp_path / "d", evaluated), "Overtraining", patience_validation=7) == [12, 13]


def test_a_loss_may_rise_by_the_threshold_for_increases(tmp_path):
    trial = trial_of(tmp_path, losses({0: 1.0, 10: 1.04, 20: 0.9, 30: 0.99}))
    assert firing_steps(trial, "LossNotDecreasing") == [30]
    assert firing_steps(trial, "LossNotDecreasing", increase_threshold_percent=20) == []
    assert firing_steps(trial, "LossNotDecreasing", increase_threshold_percent=0) == [10, 30]


@pytest.mark.parametrize(
    ("course", "weights", "says", "advises"),
    [
        ((1.0, 1.5, 2.0), (1.0, 3.0, 9.0), "The loss rose by 100 %, from 1 to 2.", "Lower the learning rate tenfold"),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.001), "The loss stands still: 1, then 1.", "Raise the learning rate tenfold"),
        ((1.0, 1.0, 1.0), (1.0, 1.5, 2.0), "The loss stands still: 1, then 1.", "Check that the labels fit"),
    ],
)
def test_loss_not_decreasing_says_the_direction(tmp_path, course, weights, says, advises):
    steps = [
        (10 * number, "TRAIN", {LOSS: np.float32(loss), "Net_fc.weight": np.full(5, weight)})
        for number, (loss, weight) in enumerate(zip(course, weights, strict=True))
    ]
    steps[0][2]["hyperparameters/learning_rate"] = np.float64(0.01)
    trial = trial_of(tmp_path, steps)
    run = RuleRun("LossNotDecreasing", {"patience": "2"}, trial)
    for step in trial.steps():
        run.evaluate(step)
    assert run.outcome("job")["details"] == says
    assert run.outcome("job")["advice"].startswith(advises)


def test_both_steps_are_told_where_their_numbers_differ(tmp_path):
    trial = trial_of(tmp_path, losses({0: 1.0, 1: 1.0, 2: 5.0, 3: 5.0, 4: 5.0, 5: 9.0, 6: 9.0, 7: 9.0}))
    run = RuleRun("LearningRateTooHigh", {"window": "5"}, trial)
    for step in trial.steps():
        run.evaluate(step)
    outcome = run.outcome("job")
    assert (outcome["first_step"], outcome["last_step"]) == (4, 7)
    assert outcome["details"] == "Step 4: The loss climbed from 1 to 5. Step 7: The loss climbed from 1 to 9."


def test_vanishing_gradient_looks_at_every_gradient(tmp_path):
    def step(weight, bias):
        return [(0, "TRAIN", {"gradient/Net_fc.weight": np.full(9, weight), "gradient/Net_fc.bias": np.full(3, bias)})]

    assert firing_steps(trial_of(tmp_path / "a", step(1e-8, 1.0)), "VanishingGradient") == [0]
    assert firing_steps(trial_of(tmp_path / "b", step(-1e-3, 1e-12)), "VanishingGradient") == [0]
    assert firing_steps(trial_of(tmp_path / "c", step(1e-3, 0)), "VanishingGradient", threshold=0.01) == [0]


@pytest.mark.parametrize(("loss", "fires"), [(1e-4, []), (0.7, [2, 3])])
def test_gradients_of_a_network_that_has_nothing_left_to_learn_may_vanish(tmp_path, loss, fires):
    """AWS's criterion alone fired on every training that fits its pictures to the last."""
    values = {LOSS: np.float32(loss), "gradient/Net_fc.weight": np.full(9, 1e-9)}
    trial = trial_of(tmp_path, [(step, "TRAIN", values) for step in range(4)])
    assert firing_steps(trial, "VanishingGradient", patience=3) == fires
    assert firing_steps(trial, "VanishingGradient") == [0, 1, 2, 3]


@pytest.mark.parametrize(("bad", "only_nan", "fires"), [(np.nan, True, 1), (np.inf, True, 0), (np.inf, False, 1)])
def test_exploding_tensor(tmp_path, bad, only_nan, fires):
    value = np.zeros(100, np.float32)
    value[71] = bad
    trial = trial_of(tmp_path, [(0, "TRAIN", {"Net_fc.weight": value, "labels": np.arange(4)})])
    assert len(firing_steps(trial, "ExplodingTensor", only_nan=only_nan)) == fires
    assert firing_steps(trial, "ExplodingTensor", collection_names="gradients") == []


def test_exploding_tensor_sees_what_a_sample_misses(tmp_path):
    writer = TrialWriter(tmp_path)
    writer.write_collections({}, REGEXES, 1)
    peak = Saved("smdebug/reductions/max/Net_fc.weight", np.float32(np.inf))
    writer.write_step(0, "TRAIN", 0, [Saved("Net_fc.weight", np.zeros(10, np.float32), (99, 99)), peak])
    assert firing_steps(Trial.open(tmp_path), "ExplodingTensor") == [0]


def test_weight_update_ratio(tmp_path):
    values = {0: 1.0, 1: 1.1, 2: 1.1 + 1e-9, 3: 30.0}
    steps = [(step, "TRAIN", {"Net_fc.weight": np.full(5, value, np.float64)}) for step, value in values.items()]
    trial = trial_of(tmp_path, steps)
    assert firing_steps(trial, "WeightUpdateRatio") == [2, 3]
    assert firing_steps(trial, "WeightUpdateRatio", num_steps=2) == [3]
    assert firing_steps(trial, "WeightUpdateRatio", large_threshold=100, small_threshold=0) == []


def test_weights_may_stay_the_same_through_an_evaluation(tmp_path):
    steps = [(step, "EVAL", {"Net_fc.weight": np.ones(5)}) for step in range(5)]
    trial = trial_of(tmp_path, steps)
    assert firing_steps(trial, "WeightUpdateRatio") == []
    assert firing_steps(trial, "UnchangedTensor", collection_names="weights") == []


def test_unchanged_tensor_needs_three_steps(tmp_path):
    values = [1.0, 1.0, 2.0, 2.0, 2.0 + 1e-7, 3.0]
    trial = trial_of(tmp_path, [(i, "TRAIN", {"Net_fc.weight": np.full(5, v)}) for i, v in enumerate(values)])
    assert firing_steps(trial, "UnchangedTensor", collection_names="weights") == [4]
    assert firing_steps(trial, "UnchangedTensor", tensor_regex=".*weight", num_steps=2) == [1, 3, 4]
    assert firing_steps(trial, "UnchangedTensor", tensor_regex=".*weight", rtol=0, atol=0) == []


def test_all_zero(tmp_path):
    value = np.zeros(10)
    value[0] = 1
    trial = trial_of(tmp_path, [(0, "TRAIN", {"Net_fc.weight": value})])
    assert firing_steps(trial, "AllZero", tensor_regex="weight") == []
    assert firing_steps(trial, "AllZero", tensor_regex="weight", threshold=90) == [0]


def test_tensor_variance(tmp_path):
    trial = trial_of(tmp_path, [(0, "TRAIN", {"Net_fc.weight": np.array([-1.0, 1.0])})])
    assert firing_steps(trial, "TensorVariance", tensor_regex="weight", max_threshold=0.9) == [0]
    assert firing_steps(trial, "TensorVariance", tensor_regex="weight", min_threshold=1.1) == [0]
    assert firing_steps(trial, "TensorVariance", tensor_regex="weight", max_threshold=2, min_threshold=0.5) == []


def test_dead_relu_from_outputs(tmp_path):
    outputs = np.zeros((50, 10, 2, 2), np.float32)
    outputs[:, :4] = 1
    outputs[3, 4:6] = 1
    trial = trial_of(tmp_path, [(0, "TRAIN", {"layer1.relu_output_0": outputs})])
    assert firing_steps(trial, "DeadRelu") == []
    assert firing_steps(trial, "DeadRelu", threshold_inactivity=5) == [0]
    assert firing_steps(trial, "DeadRelu", threshold_inactivity=5, threshold_layer=60) == []


def test_saturated_activation(tmp_path):
    inputs = np.full((20, 10), 30.0, np.float32)
    trial = trial_of(tmp_path / "a", [(0, "TRAIN", {"net.sigmoid_input_0": inputs})])
    assert firing_steps(trial, "SaturatedActivation") == [0]
    inputs[:, :6] = 3.0
    trial = trial_of(tmp_path / "b", [(0, "TRAIN", {"net.tanh_input_0": inputs})])
    assert firing_steps(trial, "SaturatedActivation") == []
    assert firing_steps(trial, "SaturatedActivation", threshold_tanh_max=2) == [0]


def test_check_input_images_waits_for_its_samples(tmp_path):
    pictures = np.zeros((50, 3, 4, 4), np.float32)
    pictures[:, 1] = 0.5
    trial = trial_of(tmp_path, [(step, "TRAIN", {"Net_input_0": pictures}) for step in range(12)])
    assert firing_steps(trial, "CheckInputImages", regex="Net_input_0") == [9, 10, 11]
    assert firing_steps(trial, "CheckInputImages", regex="Net_input_0", threshold_mean=0.6) == []
    assert firing_steps(trial, "CheckInputImages", regex="Net_input_0", channel=2, threshold_samples=50) == []


def batches(labels, predictions, mode="TRAIN", size=100):
    steps = []
    for number, start in enumerate(range(0, len(labels), size)):
        logits = np.eye(4, dtype=np.float32)[predictions[start : start + size]]
        names = {"CrossEntropyLoss_input_1": labels[start : start + size], "CrossEntropyLoss_input_0": logits}
        steps.append((number, mode, names))
    return steps


IMBALANCE = {"labels_regex": "_input_1$", "predictions_regex": "Loss_input_0$", "argmax": "true"}


def test_class_imbalance_as_in_awss_example(tmp_path):
    labels = np.array([1] * 10 + [0] * 990)
    trial = trial_of(tmp_path / "a", batches(labels, labels))
    assert firing_steps(trial, "ClassImbalance", **IMBALANCE, samples=1000) == [9]
    even = np.arange(1000) % 4
    assert firing_steps(trial_of(tmp_path / "b", batches(even, even)), "ClassImbalance", **IMBALANCE) == []


def test_class_imbalance_mispredictions(tmp_path):
    labels = np.arange(1000) % 4
    predicted = np.where(labels == 2, 0, labels)
    trial = trial_of(tmp_path / "a", batches(labels, predicted))
    assert firing_steps(trial, "ClassImbalance", **IMBALANCE) == [4, 9]
    assert firing_steps(trial, "ClassImbalance", **IMBALANCE, threshold_misprediction=1) == []
    trains_badly = [*batches(labels, predicted), (20, "EVAL", {LOSS: np.float32(1)})]
    assert firing_steps(trial_of(tmp_path / "b", trains_badly), "ClassImbalance", **IMBALANCE) == []


def test_a_class_that_stays_unrecognised_is_said_late_and_taken_back(tmp_path):
    """The others must be learned, and no longer get better; once it is recognised the finding is gone."""
    labels = np.arange(200) % 4
    rounds = [0.2, 0.5, 0.9, 0.92, 0.93, 0.93]

    def evaluation(number, others, third):
        order = np.arange(200) // 4 / 50
        right = np.where(labels == 2, order < third, order < others)
        return batches(labels, np.where(right, labels, (labels + 1) % 4), "EVAL", size=200)[0][1:]

    steps = [(number, *evaluation(number, others, 0)) for number, others in enumerate(rounds)]
    values = IMBALANCE | {"samples": "200", "patience": "3"}
    trial = trial_of(tmp_path / "a", steps)
    assert firing_steps(trial, "ClassImbalance", **values) == [4, 5]
    trial = trial_of(tmp_path / "b", [*steps, (6, *evaluation(6, 0.93, 0.8))])
    run = RuleRun("ClassImbalance", values, trial)
    for step in trial.steps():
        run.evaluate(step)
        if step == 5:
            assert run.status == "IssuesFound"
            assert run.outcome("job")["details"] == (
                "Class 2 is never recognised: 50 of 50 of its pictures are taken for others, most for class 3."
            )
            assert "class 2" in run.outcome("job")["advice"]
    run.finish()
    assert run.status == "NoIssuesFound"
    assert run.outcome("job")["details"] == "Taken back: Class 2 is recognised by step 6."
    assert run.first_step is None
    hardly = [(number, *evaluation(number, 0.55, 0)) for number in range(6)]
    assert firing_steps(trial_of(tmp_path / "c", hardly), "ClassImbalance", **values) == []


def test_confusion_of_a_perfect_network_is_none(tmp_path):
    labels = np.arange(400) % 4
    names = {"labels": "_input_1$", "predictions": "Loss_input_0$"}
    assert firing_steps(trial_of(tmp_path / "a", batches(labels, labels)), "Confusion", **names) == []
    mixed = labels.copy()
    mixed[(labels == 3) & (np.arange(400) % 8 < 4)] = 1
    trial = trial_of(tmp_path / "b", batches(labels, mixed))
    assert firing_steps(trial, "Confusion", **names) == [0, 1, 2, 3]
    assert firing_steps(trial, "Confusion", **names, min_diag=0.3, max_off_diag=0.7) == []


def test_class_collapse_needs_two_evaluations_and_varied_labels(tmp_path):
    def rounds(labels):
        steps = []
        for number in range(3):
            names = {
                "CrossEntropyLoss_input_1": labels,
                "CrossEntropyLoss_input_0": np.tile([0.0, 1.0, 0.0, 0.0], (len(labels), 1)),
            }
            steps += [(2 * number, "EVAL", names), (2 * number + 1, "GLOBAL", {"epoch/train_loss": np.float64(1)})]
        return steps

    assert firing_steps(trial_of(tmp_path / "a", rounds(np.arange(40) % 4)), "ClassCollapse") == [3, 5]
    assert firing_steps(trial_of(tmp_path / "b", rounds(np.ones(40, np.int64))), "ClassCollapse") == []


def epochs(pairs):
    return [
        (number, "GLOBAL", {"epoch/train_loss": np.float64(train), "epoch/valid_loss": np.float64(valid)})
        for number, (train, valid) in enumerate(pairs)
    ]


def test_leakage_compares_with_the_epoch_after(tmp_path):
    usual = epochs([(1.8, 0.9), (0.8, 0.6), (0.5, 0.45), (0.4, 0.4)])
    assert firing_steps(trial_of(tmp_path / "a", usual), "LeakageSuspicion") == []
    leaking = epochs([(1.8, 0.5), (1.2, 0.4), (1.0, 0.3), (0.9, 0.3)])
    trial = trial_of(tmp_path / "b", leaking)
    assert firing_steps(trial, "LeakageSuspicion") == [2]
    assert firing_steps(trial, "LeakageSuspicion", compare_losses=False) == []


def test_stalled_training_on_a_finished_trial_goes_by_its_clock(tmp_path):
    times = iter([100.0, 101.0, 2000.0, 2001.0])
    trial = trial_of(tmp_path, losses({0: 1, 1: 1, 2: 1, 3: 1}), lambda: next(times))
    assert firing_steps(trial, "StalledTrainingRule") == [2]
    assert firing_steps(trial, "StalledTraining", threshold=1900) == []


def test_a_clock_that_is_set_while_it_trains_is_no_stall(tmp_path, monkeypatch):
    real, hours = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * next(hours))
    trial = trial_of(tmp_path, losses({0: 1, 1: 1, 2: 1, 3: 1}))
    assert firing_steps(trial, "StalledTrainingRule") == []


def test_learning_rate_too_high_suggests_one(tmp_path):
    steps = losses({0: 1.4, 1: 30, 2: 40, 3: 50})
    for _, _, tensors in steps:
        tensors["CrossEntropyLoss_input_0"] = np.zeros((8, 4), np.float32)
    steps[0][2]["hyperparameters/learning_rate"] = np.float64(2.0)
    trial = trial_of(tmp_path, steps)
    run = RuleRun("LearningRateTooHigh", {}, trial)
    for step in trial.steps():
        run.evaluate(step)
    outcome = run.outcome("job")
    assert outcome["status"] == "IssuesFound"
    assert outcome["first_step"] == 2
    assert outcome["advice"] == "Try a learning rate of 0.01 instead of 2."
    assert outcome["values"][-1] == [3, 40.0, pytest.approx(2 * 1.4 * np.exp(1.5))]


def test_losses_that_scatter_do_not_climb(tmp_path):
    """Single rows of a healthy regression: squares of normal numbers, the first of them small by chance."""
    course = np.random.default_rng(3).standard_normal(300) ** 2
    course[0] = 0.01
    assert firing_steps(trial_of(tmp_path / "a", losses(dict(enumerate(course)))), "LearningRateTooHigh") == []
    assert firing_steps(trial_of(tmp_path / "b", losses(dict(enumerate(-course)))), "LearningRateTooHigh") == []
    climbs = dict(enumerate(0.01 * 1.5 ** np.arange(30.0)))
    assert firing_steps(trial_of(tmp_path / "c", losses(climbs)), "LearningRateTooHigh")[0] < 20


def test_a_rule_that_breaks_says_so_and_the_others_go_on(tmp_path, monkeypatch):
    trial = trial_of(tmp_path, losses({0: 1, 1: float("nan")}))
    monkeypatch.setattr(RULES["Overfit"], "invoke_at_step", lambda self, step: 1 / 0)
    wrong = {"AllZero": {}, "Overfit": {}, "NotANumber": {}, "NoSuchRule": {}}
    evaluation = Evaluation(trial, wrong, {}, "job")
    evaluation.advance()
    evaluation.finish()
    outcomes = {run.name: run.outcome("job") for run in evaluation.runs}
    assert {name: outcome["status"] for name, outcome in outcomes.items()} == {
        "AllZero": "Error",
        "Overfit": "Error",
        "NotANumber": "IssuesFound",
        "NoSuchRule": "Error",
    }
    assert "collection_names or tensor_regex" in outcomes["AllZero"]["details"]
    assert "division by zero" in outcomes["Overfit"]["details"]


def test_a_rule_that_found_nothing_to_look_at_says_so(tmp_path):
    evaluation = Evaluation(trial_of(tmp_path, losses({0: 1})), {"DeadRelu": {}}, {}, "job")
    evaluation.advance()
    evaluation.finish()
    assert evaluation.runs[0].outcome("job")["details"] == "Nothing that this rule looks at was saved."


AWS_DEFAULTS = {
    "VanishingGradient": {"threshold": "1e-07"},
    "LossNotDecreasing": {"num_steps": "10", "diff_percent": "0.1", "increase_threshold_percent": "5.0"},
    "Overfit": {"start_step": "0", "patience": "1", "ratio_threshold": "0.1"},
    "Overtraining": {"patience_train": "5", "patience_validation": "10", "delta": "0.01"},
    "PoorWeightInitialization": {"threshold": "10.0", "distribution_range": "0.001", "patience": "5", "steps": "10"},
    "WeightUpdateRatio": {"large_threshold": "10.0", "small_threshold": "1e-08", "epsilon": "1e-09"},
    "AllZero": {"threshold": "100.0"},
    "UnchangedTensor": {"num_steps": "3", "rtol": "1e-05", "atol": "1e-08", "equal_nan": "False"},
    "DeadRelu": {"tensor_regex": ".*relu_output", "threshold_inactivity": "1.0", "threshold_layer": "50.0"},
    "SaturatedActivation": {"threshold_tanh_max": "9.4999", "threshold_sigmoid_min": "-23.0"},
    "CheckInputImages": {"threshold_mean": "0.2", "threshold_samples": "500", "channel": "1"},
    "ClassImbalance": {"threshold_imbalance": "10.0", "threshold_misprediction": "0.7", "samples": "500"},
    "Confusion": {"min_diag": "0.9", "max_off_diag": "0.1", "labels": "labels"},
    "StalledTrainingRule": {"threshold": "1800.0", "stop_training_on_fire": "False"},
}


@pytest.mark.parametrize("name", AWS_DEFAULTS)
def test_defaults_are_awss(name):
    defaults = {parameter.name: parameter.default for parameter in parameters_of(name)}
    assert AWS_DEFAULTS[name].items() <= defaults.items()


@pytest.mark.parametrize("mode", ["head", "fine_tune"])
@pytest.mark.parametrize("weights", ["default", "none"])
def test_the_default_rules_can_all_be_made(tmp_path, mode, weights):
    rules = default_rules({"mode": mode, "weights": weights})
    for name, parameters in rules.items():
        check_parameters(name, parameters)
    assert ("DeadRelu" in rules) == (mode == "fine_tune")


@pytest.mark.parametrize(("classifies", "percent"), [(True, "15"), (False, "50")])
def test_a_watched_loss_may_rest_high_only_where_underfitting_is_looked_for(classifies, percent):
    rules = default_rules({"mode": "watch", "classifies_inputs": classifies})
    assert rules["LossNotDecreasing"]["converged_percent"] == percent


def test_a_chosen_rule_replaces_the_default_one():
    rules = chosen_rules(True, {"Overfit": {"patience": "9"}, "StalledTraining": {}}, {})
    assert rules["Overfit"] == {"patience": "9"}
    assert rules["StalledTrainingRule"] == {}
    assert "StalledTraining" not in rules
    assert chosen_rules(False, {"Overfit": {}}, {}) == {"Overfit": {}}


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("Overfit", {"patience": "0"}, "patience must be at least 1"),
        ("Overfit", {"patience": "two"}, "patience must be a number, not 'two'"),
        ("Overfit", {"patience": "1.5"}, "patience must be a whole number, not '1.5'"),
        ("Overfit", {"patients": "2"}, "Overfit has no parameter patients"),
        ("ExplodingTensor", {"only_nan": "maybe"}, "only_nan must be true or false"),
        ("TensorVariance", {"tensor_regex": "x"}, "max_threshold or min_threshold must be given"),
        ("SimilarAcrossRuns", {}, "other_trials must name the trials"),
        ("VanishingGradient", {"threshold": "nan"}, "threshold must be a finite number"),
    ],
)
def test_wrong_parameters_are_named(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        check_parameters(name, parameters)


def test_parameters_come_as_strings():
    values = parse_parameters(
        "LossNotDecreasing", {"num_steps": "20", "use_losses_collection": "False", "mode": "none"}
    )
    assert values == {"num_steps": 20, "use_losses_collection": False, "mode": None}
    assert make_rule("Overfit", None, {"ratio_threshold": "1e-1"}).ratio_threshold == 0.1
