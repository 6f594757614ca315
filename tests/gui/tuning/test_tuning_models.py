"""From what is typed to a spec, without a window."""

from __future__ import annotations

import dataclasses
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cli.command_line import command_line
from core.cli.launch_options import tuning_spec as parsed
from core.cli.main import build_parser
from core.errors import SpecError
from core.jobs.hyperparameters import check_value
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.records import TrainingJob, TuningJob
from core.jobs.specs import CloudResources, DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.tuning.presets import NOTEBOOK, PRESETS, QUICK_LOOK, THOROUGH
from gui.shared import formatting
from gui.tuning.forecast_text import Facts, forecast_lines
from gui.tuning.range_draft import Kind, RangeDraft, sample
from gui.tuning.tuning_draft import (
    TuningDraft,
    build_spec,
    by_steps,
    check_row,
    draft_from_json,
    draft_from_preset,
    draft_from_spec,
    script_hyperparameters,
    suggestion,
    warm_starts,
)

LEARNING_RATE = RangeDraft("learning_rate", Kind.CONTINUOUS, "1e-4", "0.05", Scaling.LOGARITHMIC)
EPOCHS = RangeDraft.fixed("num_epochs", "10")


@pytest.mark.parametrize(
    ("draft", "field", "words_of_it"),
    [
        (RangeDraft("", Kind.CONTINUOUS, "1", "2"), "name", "no name"),
        (RangeDraft("2x", Kind.CONTINUOUS, "1", "2"), "name", "cannot be the name"),
        (RangeDraft("x", Kind.CONTINUOUS, "", "2"), "low", "no start"),
        (RangeDraft("x", Kind.CONTINUOUS, "1", ""), "high", "no end"),
        (RangeDraft("x", Kind.CONTINUOUS, "one", "2"), "low", "'one' is not a number"),
        (RangeDraft("x", Kind.CONTINUOUS, "1", "inf"), "high", "not a number"),
        (RangeDraft("x", Kind.INTEGER, "1.5", "2"), "low", "not a whole number"),
        (RangeDraft("x", Kind.CONTINUOUS, "2", "1"), "high", "ends before it starts"),
        (RangeDraft("x", Kind.CONTINUOUS, "0", "1", Scaling.LOGARITHMIC), "scaling", "Logarithmic"),
        (RangeDraft("x", Kind.CONTINUOUS, "0", "1", Scaling.REVERSE_LOGARITHMIC), "scaling", "ReverseLogarithmic"),
        (RangeDraft("x", Kind.CATEGORICAL, values=" , "), "values", "no values"),
        (RangeDraft("x", Kind.CATEGORICAL, values="a, a"), "values", "twice"),
        (RangeDraft("x", Kind.FIXED), "values", "no value"),
    ],
)
def test_a_row_says_which_field_is_wrong_and_why(draft, field, words_of_it):
    problem = draft.problem
    assert problem is not None
    assert problem.field == field
    assert words_of_it in problem.what


def test_rows_become_ranges_and_values():
    assert LEARNING_RATE.build() == ContinuousRange("learning_rate", 1e-4, 0.05, Scaling.LOGARITHMIC)
    assert RangeDraft(" n ", Kind.INTEGER, " −1 ", "16").build() == IntegerRange("n", -1, 16)
    assert RangeDraft("o", Kind.CATEGORICAL, values="adam , sgd").build() == CategoricalRange("o", ("adam", "sgd"))
    assert EPOCHS.build() == "10"


@given(
    st.one_of(
        st.builds(
            lambda ends, scaling: ContinuousRange("x", min(ends), max(ends), scaling),
            st.tuples(*[st.floats(1e-9, 1e9)] * 2),
            st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]),
        ),
        st.builds(
            lambda ends, scaling: IntegerRange("x", min(ends), max(ends), scaling),
            st.tuples(*[st.integers(1, 10**6)] * 2),
            st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]),
        ),
    )
)
def test_samples_lie_inside_the_range_in_order(item):
    marks = sample(item)
    places = [place for place, _ in marks]
    assert places == sorted(places)
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)


def test_samples_stand_on_an_axis_of_the_ranges_own_scale():
    for low, high, scaling in ((1e-4, 1.0, Scaling.LOGARITHMIC), (0.0, 0.999, Scaling.REVERSE_LOGARITHMIC)):
        places = [place for place, _ in sample(ContinuousRange("x", low, high, scaling))]
        assert places == pytest.approx([at / 23 for at in range(24)])
    linear = dict(sample(IntegerRange("n", 0, 4)))
    assert linear == {0.0: "0", 0.25: "1", 0.5: "2", 0.75: "3", 1.0: "4"}
    middle = dict(sample(IntegerRange("n", 1, 4, Scaling.LOGARITHMIC)))
    assert middle[0.5] == "2"
    assert [text for _, text in sample(CategoricalRange("o", ("a", "b", "c")))] == ["a", "b", "c"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)
def test_a_preset_fills_the_form_so_that_it_asks_for_the_preset(preset):
    draft = draft_from_preset(preset)
    spec = build_spec(draft, "v1", "/data/pets")
    assert isinstance(spec, TuningSpec)
    assert spec.ranges == preset.ranges
    assert spec.strategy is preset.strategy
    assert (spec.max_jobs, spec.max_parallel_jobs) == (preset.max_jobs, preset.max_parallel_jobs)
    assert spec.training.objective == preset.objective
    searched = {item.name for item in preset.ranges}
    expected = {name: value for name, value in preset.hyperparameters.items() if name not in searched}
    assert expected.items() <= spec.training.hyperparameters.items()
    assert spec.name.startswith("pets-")
    # The form survives JSON, and the spec finds its way back into it.
    assert draft_from_json(json.loads(json.dumps(draft.to_json()))) == draft
    again = build_spec(dataclasses.replace(draft_from_spec(spec), name=spec.name), "v1", "/data/pets")
    assert again == spec


def test_the_notebook_preset_is_the_one_of_the_issue():
    spec = build_spec(draft_from_preset(NOTEBOOK))
    assert spec.ranges == (
        IntegerRange("batch_size", 32, 128),
        ContinuousRange("learning_rate", 1e-4, 5e-2),
        IntegerRange("num_epochs", 5, 15),
    )
    training = spec.training
    assert training.hyperparameters["backbone"] == "resnet18"
    assert training.hyperparameters["head"] == "linear_dropout_batchnorm"
    regex = next(metric.regex for metric in training.metrics if metric.name == "Average loss")
    assert (training.objective.metric, training.objective.maximize, regex) == (
        "Average loss",
        False,
        r"Average loss: ([0-9\.]+)",
    )


def test_a_searched_hyperparameter_is_not_fixed_as_well():
    spec = build_spec(draft_from_preset(THOROUGH))
    assert "weight_decay" not in spec.training.hyperparameters
    assert "weight_decay" in {item.name for item in spec.ranges}


def test_without_a_range_it_is_a_training_job():
    spec = build_spec(TuningDraft(rows=(EPOCHS,), seed=7))
    assert isinstance(spec, TrainingSpec)
    assert spec.hyperparameters["num_epochs"] == "10"
    assert spec.hyperparameters["seed"] == "7"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rows": (LEARNING_RATE, LEARNING_RATE)}, "learning_rate"),
        ({"rows": (LEARNING_RATE, RangeDraft.fixed("learning_rate", "1"))}, "learning_rate"),
        ({"rows": (RangeDraft("x", Kind.CONTINUOUS, "2", "1"),)}, "x"),
        ({"rows": (LEARNING_RATE,), "strategy": Strategy.GRID}, "strategy"),
        ({"rows": (LEARNING_RATE,), "regex": "("}, "regex"),
        ({"rows": (LEARNING_RATE,), "metric": "F1"}, "regex"),
        ({"rows": (LEARNING_RATE,), "name": "a b"}, "name"),
        ({"rows": (RangeDraft("batch_size", Kind.INTEGER, "0", "8"),)}, "batch_size"),
        ({"rows": (RangeDraft.fixed("optimizer", "adamm"),)}, "optimizer"),
        ({"rows": (RangeDraft.fixed("learning_rat", "0.1"),)}, "learning_rat"),
        ({"rows": (RangeDraft("learning_rat", Kind.CONTINUOUS, "0.1", "0.2"),)}, "learning_rat"),
    ],
)
def test_a_form_that_cannot_be_names_the_field(changes, field):
    with pytest.raises(SpecError) as caught:
        build_spec(TuningDraft(**changes))
    assert caught.value.field == field


def test_what_the_script_would_refuse_is_said_while_typing():
    assert check_value("batch_size", "0").what.casefold() == "batch_size is '0', but must be at least 1."
    assert check_value("unknown_thing", "anything") is None
    mistyped = check_row(RangeDraft.fixed("learning_rat", "0.1"))
    assert (mistyped.field, "did you mean learning_rate?" in mistyped.what) == ("name", True)
    problem = check_row(RangeDraft("num_epochs", Kind.INTEGER, "0", "5"))
    assert problem.field == "low"
    assert check_row(RangeDraft("optimizer", Kind.CATEGORICAL, values="adam, adamm")).field == "values"
    assert check_row(LEARNING_RATE) is None


def test_every_hyperparameter_of_the_script_has_a_suggestion_it_takes():
    names = script_hyperparameters()
    assert {"learning_rate", "batch_size", "num_epochs", "optimizer"} <= set(names)
    for name in names:
        row = suggestion(name)
        if name != "learning_rate":
            assert row is not None
        assert row is None or check_row(row) is None, name


def test_what_an_older_version_wrote_is_read_as_far_as_it_goes():
    data = draft_from_preset(QUICK_LOOK).to_json() | {"an_old_field": 1}
    del data["seed"]
    assert draft_from_json(data) == draft_from_preset(QUICK_LOOK)


def test_forecast_lines_keep_their_places():
    draft = draft_from_preset(QUICK_LOOK)
    titles = [title for _, title, _ in forecast_lines(draft, None, None, Facts())]
    assert titles == ["Dataset", "Trials", "Grid", "Time", "Cost", "Rules"]
    grid = dataclasses.replace(
        draft, strategy=Strategy.GRID, rows=(RangeDraft("batch_size", Kind.INTEGER, "1", "9"), EPOCHS)
    )
    texts = {title: text for _, title, text in forecast_lines(grid, None, None, Facts(44.7, True))}
    assert texts["Grid"] == "9 combinations"
    assert texts["Cost"] == "Asking for the price…"
    assert texts["Fetches"] == "45 MB of weights of EfficientNet-Lite0, once"
    broken = dataclasses.replace(grid, rows=(RangeDraft("batch_size", Kind.INTEGER, "9", "1"),))
    assert {title: text for _, title, text in forecast_lines(broken, None, None, Facts())}["Grid"] == "…"


def test_target_and_patience_reach_the_spec_and_come_back():
    draft = dataclasses.replace(TuningDraft(rows=(LEARNING_RATE,)), target=" 5e-2 ", patience=4)
    spec = build_spec(draft, "v", "/data/pets")
    assert isinstance(spec, TuningSpec)
    assert (spec.target, spec.patience) == (0.05, 4)
    again = draft_from_spec(spec)
    assert (again.target, again.patience) == ("0.05", 4)
    precise = dataclasses.replace(spec, target=0.0512345678, patience=None, max_search_s=None)
    rebuilt = build_spec(dataclasses.replace(draft_from_spec(precise), name=precise.name), "v", "/data/pets")
    assert rebuilt == precise
    assert draft_from_json(json.loads(json.dumps(draft.to_json()))) == draft
    lines = {title: text for _, title, text in forecast_lines(again, None, None, Facts())}
    assert lines["Trials"].endswith("ends at 0.05, ends after 4 without a better one")
    neither = build_spec(TuningDraft(rows=(LEARNING_RATE,)))
    assert isinstance(neither, TuningSpec)
    assert (neither.target, neither.patience) == (None, None)


@pytest.mark.parametrize("text", ["low", "nan", "inf", "0,05"])
def test_a_target_that_is_no_number_is_refused_at_its_field(text):
    with pytest.raises(SpecError, match="is not a number") as raised:
        build_spec(TuningDraft(rows=(LEARNING_RATE,), target=text))
    assert raised.value.field == "target"


def test_checking_values_makes_the_parser_once(monkeypatch):
    check_value("batch_size", "32")
    monkeypatch.setattr("core.jobs.hyperparameters.get_args_parser", None)  # whoever makes another one fails
    assert check_value("batch_size", "none") is not None
    assert check_value("batch_size", "32") is None
    assert suggestion("seed") == RangeDraft.fixed("seed", "0")


def test_the_command_line_says_what_is_not_usual():
    cloud = CloudResources("ml.g4dn.xlarge", volume_gb=50, spot=True, max_wait_s=7200, tags={"team": "vision"})
    spec = build_spec(
        TuningDraft(
            rows=(LEARNING_RATE,),
            target="0.05",
            patience=4,
            max_search_s=5400,
            until_converged=True,
            regex=r"Average loss: (\S+)",
        ),
        "v",
        "/p",
    )
    assert isinstance(spec, TuningSpec)
    training = dataclasses.replace(spec.training, cloud=cloud, debugger=DebuggerConfig(enabled=False, profiler=False))
    spec = dataclasses.replace(spec, training=training)
    options = build_parser().parse_args(shlex.split(command_line(spec))[1:])
    asked = parsed(options)
    assert (asked.target, asked.patience, asked.ranges) == (0.05, 4, spec.ranges)
    assert (asked.max_search_s, asked.until_converged) == (5400, True)
    assert draft_from_spec(asked).max_search_s == 5400
    assert asked.training.metrics == spec.training.metrics
    assert asked.training.debugger == spec.training.debugger
    assert (options.engine, options.instance_type, options.volume_gb) == ("sagemaker", "ml.g4dn.xlarge", 50)
    assert (options.spot, options.max_wait_s, options.tags) == (True, 7200, ["team=vision"])


def test_searches_on_sagemaker_learn_from_those_of_sagemaker():
    jobs = [
        TuningJob("here", JobStatus.COMPLETED, 1.0, best_trial="a"),
        TuningJob("there", JobStatus.COMPLETED, 2.0, best_trial="b", engine="sagemaker"),
        TuningJob("empty", JobStatus.FAILED, 3.0, engine="sagemaker"),
        TrainingJob("one", JobStatus.COMPLETED, 4.0, engine="sagemaker"),
    ]
    assert warm_starts(jobs, on_cloud=True) == ["there"]
    assert warm_starts(jobs, on_cloud=False) == ["here", "there"]


def test_a_training_jobs_command_line_has_no_range():
    text = command_line(build_spec(TuningDraft(rows=(EPOCHS,)), "v", "/my data/pets"))
    assert text.startswith("sagehound train '/my data/pets' --no-defaults --backbone efficientnet_lite0")
    assert "--metric" not in text
    assert "--range" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (12.3456, "12.35"),
        (1234.56, "1235"),
        (3e-5, "3e-05"),
        (float("nan"), "not a number"),
        (float("-inf"), "-∞"),
    ],
)
def test_numbers_are_short(value, text):
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.7, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (97200, "1 d 3 h"),
    ],
)
def test_durations_read_well(seconds, text):
    assert formatting.duration(seconds) == text


def test_a_mode_that_cannot_fit_at_once_gets_a_search_by_steps():
    at_once = draft_from_preset(QUICK_LOOK)
    assert by_steps(at_once) is None
    found = by_steps(dataclasses.replace(at_once, mode="fine_tune", seed=3))
    assert (found.mode, found.seed, found.metric) == ("fine_tune", 3, "Average loss")
    assert [row.name for row in found.searched] == ["learning_rate"]
    build_spec(found)
    assert by_steps(dataclasses.replace(at_once, head="mlp")) is not None
    assert by_steps(found) is None
    own = dataclasses.replace(at_once, rows=(LEARNING_RATE,))
    assert by_steps(own) == dataclasses.replace(own, metric="Average loss", regex=found.regex)
    with pytest.raises(SpecError, match="There is no cv:loss: nothing is cross-validated"):
        build_spec(own)
