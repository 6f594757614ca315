"""A spec is written as a command and read back: the same spec, whatever is in it."""

from __future__ import annotations

import dataclasses
import shlex
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.cli.cloud import with_resources
from core.cli.command_line import command_line
from core.cli.launch_options import training_spec, tuning_spec
from core.cli.main import build_parser
from core.cli.spec_options import join_pair, split_pair
from core.dataset.manifest import Entry, Manifest
from core.debugger.job_rules import ACTIONS, COLLECTIONS, default_rules, rule_names
from core.errors import UserFacingError
from core.formats.records import ClassFolders, ReadOptions
from core.jobs.contract import default_metrics
from core.jobs.managed_rules import AWS_RULES
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.spec_parts import CLOUD_RUNTIME_S
from core.jobs.specs import (
    CloudResources,
    DebuggerConfig,
    ManagedDebugger,
    MetricDefinition,
    Objective,
    Spec,
    Strategy,
    TrainingSpec,
    TuningSpec,
    spec_from_json,
    spec_to_json,
)
from core.tuning.presets import DEFAULT_HYPERPARAMETERS

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
words = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=10)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
job_names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8})?", fullmatch=True)
known = {
    "backbone": st.sampled_from(["efficientnet_lite0", "resnet18"]),
    "weights": texts,
    "preprocessing": st.sampled_from(["crop", "pad", "odd"]),
    "mode": st.sampled_from(["head", "fine_tune", "odd"]),
    "head": st.sampled_from(["linear", "linear_dropout_batchnorm", "-odd"]),
    "seed": st.sampled_from(["0", "7", "07", "1e2"]),
    "num_epochs": st.integers(1, 99).map(str),
    "batch_size": st.integers(1, 99).map(str),
}
metric_names = st.text(string.ascii_letters + ":= \\-", min_size=1, max_size=10).filter(lambda name: name.strip())
metrics = st.lists(
    st.builds(
        MetricDefinition,
        metric_names | st.sampled_from(["valid:loss", "train:batch_loss"]),
        st.sampled_from([r"a=([0-9\.]+)", r"--x (\S+)", r"(?:b|c)'(.)"]),
        maximize=st.none() | st.booleans(),
        per_step=st.none() | st.booleans(),
    ),
    max_size=3,
    unique_by=lambda metric: metric.name,
)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    chosen = draw(st.lists(st.sampled_from(rule_names()), max_size=4, unique=True))
    usual = default_rules(DEFAULT_HYPERPARAMETERS)
    own = st.dictionaries(words.filter(lambda name: name != "action"), texts, max_size=3)
    return {name: draw(st.one_of(own, st.just(usual.get(name, {})))) for name in chosen}


debuggers = st.builds(
    DebuggerConfig,
    enabled=st.booleans(),
    default_rules=st.booleans(),
    rules=rules(),
    actions=st.dictionaries(st.sampled_from(rule_names()), st.sampled_from(ACTIONS), max_size=3),
    save_interval=st.none() | st.integers(1, 500),
    save_intervals=st.dictionaries(st.sampled_from(COLLECTIONS), st.integers(1, 500), max_size=3),
    tensor_budget_mb=st.integers(1, 512),
    profiler=st.booleans(),
)
aws_rules = st.dictionaries(
    st.just("Overfit"),
    st.fixed_dictionaries({}, optional={"tensor_regex": texts, "patience": st.just("5")}),
    max_size=1,
)
managed = st.builds(ManagedDebugger, rules=aws_rules, report=st.booleans(), interval_ms=st.integers(100, 60_000))
clouds = st.builds(
    CloudResources,
    instance_type=st.sampled_from(["ml.m5.xlarge", "ml.g4dn.xlarge"]),
    instance_count=st.integers(1, 64),
    feature_machines=st.integers(1, 100),
    feature_instance_type=st.sampled_from(("", "ml.c5.2xlarge")),
    volume_gb=st.none() | st.integers(1, 16384),
    spot=st.booleans(),
    max_wait_s=st.none() | st.integers(1, 10**6),
    subnets=st.lists(words, max_size=2).map(tuple),
    security_groups=st.lists(words, max_size=2).map(tuple),
    network_isolation=st.booleans(),
    encrypt_traffic=st.booleans(),
    output_kms_key=texts,
    volume_kms_key=texts,
    tags=st.dictionaries(st.text("ab=\\-:", min_size=1, max_size=5), texts, max_size=3),
    cap_usd=st.none() | st.floats(0, 1000),
)


@st.composite
def trainings(draw: st.DrawFn, tuning: bool = False) -> TrainingSpec:
    hyperparameters = draw(
        st.fixed_dictionaries({}, optional=known) | st.fixed_dictionaries(known)  # type: ignore[arg-type]
    ) | draw(st.dictionaries(names, texts, max_size=3))
    defined = draw(metrics)
    usual = default_metrics() if draw(st.booleans()) else ()
    extra = [metric for metric in defined if metric.name not in {item.name for item in usual}]
    defined = [*usual, *extra] or [MetricDefinition("loss", "(.)")]
    cloud = draw(st.none() | clouds)
    if cloud is not None and not tuning:
        cloud = dataclasses.replace(cloud, managed=draw(st.none() | managed))
    return TrainingSpec(
        name=draw(job_names),
        channels={},
        hyperparameters=hyperparameters,
        metrics=tuple(defined),
        objective=Objective(draw(st.sampled_from(defined)).name, draw(st.booleans())),
        max_runtime_s=draw(st.integers(1, 10**6)),
        debugger=draw(debuggers),
        cloud=cloud,
    )


@st.composite
def ranges(draw: st.DrawFn, name: str) -> Any:
    low, high = sorted([draw(st.floats(1e-6, 1e3)), draw(st.floats(1e-6, 1e3))])
    scaling = draw(st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return ContinuousRange(name, low, high, scaling)
    if kind == 1:
        return IntegerRange(name, int(low) + 1, int(high) + 1, scaling)
    if kind == 2:
        return ContinuousRange(name, low / 2e3, high / 2e3, Scaling.REVERSE_LOGARITHMIC)
    return CategoricalRange(name, tuple(draw(st.lists(texts, min_size=1, max_size=4, unique=True))))


@st.composite
def tunings(draw: st.DrawFn) -> TuningSpec:
    training = draw(trainings(tuning=True))
    searched = draw(st.lists(names | st.sampled_from(sorted(known)), min_size=1, max_size=3, unique=True))
    fixed = {name: value for name, value in training.hyperparameters.items() if name not in searched}
    return TuningSpec(
        dataclasses.replace(training, name=training.name[:32].rstrip("-"), hyperparameters=fixed),
        tuple(draw(ranges(name)) for name in searched),
        strategy=draw(st.sampled_from(Strategy)),
        max_jobs=draw(st.integers(1, 10_000)),
        max_parallel_jobs=draw(st.integers(1, 64)),
        early_stopping=draw(st.booleans()),
        seed=draw(st.integers(0, 2**31 - 1)),
        warm_start=tuple(draw(st.lists(job_names, max_size=3))),
        target=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        patience=draw(st.none() | st.integers(1, 10_000)),
        max_search_s=draw(st.none() | st.integers(1, 10**6)),
        until_converged=draw(st.booleans()),
        packed=draw(st.booleans()),
    )


PARSER = build_parser()


def asked(command: str) -> Spec:
    options = PARSER.parse_args(shlex.split(command)[1:])
    spec: Spec = tuning_spec(options) if options.command == "tune" else training_spec(options)
    return with_resources(spec, options) if options.engine == "sagemaker" else spec


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.one_of(trainings(), tunings()))
def test_every_spec_is_asked_for_by_its_command(spec: Spec) -> None:
    assert asked(command_line(spec, named=True)) == spec
    assert spec_from_json(spec_to_json(spec)) == spec


@given(st.text("a=\\\n-", min_size=1), st.text())
def test_pairs_are_read_as_they_were_written(name: str, value: str) -> None:
    assert split_pair(join_pair(name, value), "") == (name, value)


def test_a_command_without_a_name_can_be_given_again() -> None:
    spec = training_spec(PARSER.parse_args(["train", "pets", "--name", "first"]))
    assert "first" not in command_line(spec)
    assert dataclasses.replace(asked(command_line(spec)), name="first") == spec


def test_in_the_cloud_another_longest_run_is_usual_than_here() -> None:
    in_cloud = PARSER.parse_args(["train", "pets", "--engine", "sagemaker"])
    assert with_resources(training_spec(in_cloud), in_cloud).training.max_runtime_s == CLOUD_RUNTIME_S == 3600
    here = training_spec(PARSER.parse_args(["train", "pets", "--name", "first"]))
    sent = here.with_training(cloud=CloudResources())
    assert sent.training.max_runtime_s == 24 * 3600
    assert asked(command_line(sent, named=True)) == sent


def test_the_split_of_the_dataset_is_asked_for_too() -> None:
    spec = training_spec(PARSER.parse_args(["train", "pets"])).with_training(dataset_path="/data/$my pet's")
    entries = [Entry("cat/1.jpg", 0, "train", "00")]
    usual = Manifest.build(Path("/data/pets"), ("cat",), entries, fractions=(1 - 0.15 - 0.15, 0.15, 0.15))
    assert command_line(spec, usual) == command_line(spec)
    other = Manifest.build(
        Path("/data/pets"), ("cat",), entries, 3, (0.6, 0.3, 0.1), options=ReadOptions(class_folders=ClassFolders.INNER)
    )
    options = PARSER.parse_args(shlex.split(command_line(spec, other))[1:])
    assert options.dataset == "/data/$my pet's"
    assert (options.split, options.split_seed, options.class_folders) == ("0.6,0.3,0.1", 3, "inner")


@pytest.mark.parametrize("rule", sorted(AWS_RULES))
def test_every_rule_of_aws_can_be_asked_for(rule: str) -> None:
    spec = training_spec(PARSER.parse_args(["train", "pets", "--name", "pets"]))
    parameters = {"max_threshold": "10"} if "max_threshold" in AWS_RULES[rule] else {}
    spec = spec.with_training(cloud=CloudResources(managed=ManagedDebugger(rules={rule: parameters})))
    assert asked(command_line(spec, named=True)) == spec


def test_a_script_that_was_watched_is_watched_again() -> None:
    command = ("python", "train.py", "--name", "it's")
    ending = DebuggerConfig(actions={"Overfit": "stop"})
    where = {"command": "as a text", "folder": "/home/me/my project"}
    spec = TrainingSpec("watch-train", {}, where, default_metrics(), debugger=ending, command=command)
    change, watch = command_line(spec).split(" && ")
    assert shlex.split(change) == ["cd", "/home/me/my project"]
    options = PARSER.parse_args(shlex.split(watch)[1:])
    assert (options.command, options.stop_on, tuple(options.script[1:])) == ("watch", ["Overfit"], command)


def watched(*command: str, **told: str) -> TrainingSpec:
    return TrainingSpec("w", {}, {"folder": "/my work", **told}, default_metrics(), command=command)


def test_a_watched_script_is_watched_again_and_one_that_asks_by_itself_is_run() -> None:
    assert command_line(watched("python", "train.py")) == "cd '/my work' && sagehound watch -- python train.py"
    assert command_line(watched("python", "train.py", attached="true")) == "cd '/my work' && python train.py"


def test_a_training_of_a_notebook_has_no_command() -> None:
    spec = watched("python", "-m", "ipykernel_launcher", "-f", "kernel.json", attached="true")
    with pytest.raises(UserFacingError, match="No command starts this training again") as raised:
        command_line(spec)
    assert "sagehound.watch(model, loss_fn, optimizer)" in raised.value.fix
