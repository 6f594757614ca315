"""The Tuning tab's form as a value: what was typed, and the way from there to a spec. No Qt here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.engine_names import LOCAL
from core.errors import SpecError
from core.jobs.contract import default_metrics
from core.jobs.declared import declarations, default_of
from core.jobs.hyperparameters import check_hyperparameters, check_name, check_value, defaults
from core.jobs.job_names import unique_name
from core.jobs.ranges import CategoricalRange, ContinuousRange, Range, Scaling
from core.jobs.records import Job, TuningJob
from core.jobs.specs import DebuggerConfig, MetricDefinition, Objective, Spec, Strategy, TrainingSpec, TuningSpec
from core.translation import tr
from core.tuning import presets
from core.tuning.presets import Preset
from core.tuning.wanted_features import fits_at_once
from gui.tuning.range_draft import Kind, RangeDraft
from training_scripts.arguments import DIRECT, OPTIMIZERS, SCHEDULES
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, FRAMINGS, VIEWS
from training_scripts.heads import DEFAULT_HEAD, HEADS

MODES = ("head", "fine_tune")
FORM_FIELDS = ("backbone", "preprocessing", "head", "mode", "weights", "seed")
"""Hyperparameters that have a control of their own, unless the table searches them."""

_SUGGESTIONS: Mapping[str, RangeDraft] = {
    draft.name: draft
    for draft in (
        RangeDraft("learning_rate", Kind.CONTINUOUS, "1e-3", "0.05", Scaling.LOGARITHMIC),
        RangeDraft("batch_size", Kind.INTEGER, "16", "128", Scaling.LOGARITHMIC),
        RangeDraft("num_epochs", Kind.INTEGER, "5", "15", Scaling.LINEAR),
        RangeDraft("weight_decay", Kind.CONTINUOUS, "1e-6", "1e-2", Scaling.LOGARITHMIC),
        RangeDraft("optimizer", Kind.CATEGORICAL, values=", ".join(OPTIMIZERS)),
        RangeDraft("momentum", Kind.CONTINUOUS, "0.5", "0.99", Scaling.REVERSE_LOGARITHMIC),
        RangeDraft("label_smoothing", Kind.CONTINUOUS, "0", "0.2", Scaling.LINEAR),
        RangeDraft("head", Kind.CATEGORICAL, values=", ".join(HEADS)),
        RangeDraft("backbone", Kind.CATEGORICAL, values=", ".join(BACKBONES)),
        RangeDraft("unfreeze", Kind.CATEGORICAL, values="last_block, all"),
        RangeDraft("preprocessing", Kind.CATEGORICAL, values=", ".join(FRAMINGS)),
        RangeDraft("schedule", Kind.CATEGORICAL, values=", ".join(SCHEDULES)),
        RangeDraft("patience", Kind.INTEGER, "2", "5", Scaling.LINEAR),
        RangeDraft("views", Kind.CATEGORICAL, values=", ".join(map(str, VIEWS))),
        RangeDraft("class_weights", Kind.CONTINUOUS, "0", "1", Scaling.LINEAR),
        RangeDraft("augmentation", Kind.CATEGORICAL, values="none, light, strong"),
    )
}


@dataclass(frozen=True, slots=True)
class TuningDraft:
    """Everything the form holds, `target` as it was typed.

    `name` "" means: a name made from the dataset's folder; `target` "", `patience` 0 and `max_search_s` 0: the search
    does not end by it.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = "default"
    head: str = DEFAULT_HEAD
    mode: str = "head"
    preprocessing: str = FRAMINGS[0]
    strategy: Strategy = Strategy.BAYESIAN
    max_jobs: int = 10
    max_parallel_jobs: int = 2
    early_stopping: bool = False
    seed: int = 0
    metric: str = "Average loss"
    regex: str = ""
    maximize: bool = False
    rows: tuple[RangeDraft, ...] = ()
    name: str = ""
    warm_start: str = ""
    target: str = ""
    patience: int = 0
    max_search_s: int = 0
    until_converged: bool = False
    packed: bool = False

    @property
    def searched(self) -> tuple[RangeDraft, ...]:
        """Return the rows that are ranges."""
        return tuple(row for row in self.rows if row.kind is not Kind.FIXED)

    @property
    def is_tuning(self) -> bool:
        """Whether this asks for a tuning job; without a range it is a single training job."""
        return bool(self.searched)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, read back by `draft_from_json`."""
        return dataclasses.asdict(self)


_OF_SEARCH = tuple(
    item.name
    for item in dataclasses.fields(TuningDraft)
    if item.name in declarations(TuningSpec) and item.name not in ("warm_start", "target")
)
"""The fields of a search that the form holds as the spec does, but for None, which is 0 here."""


def draft_from_json(data: Mapping[str, Any]) -> TuningDraft:
    """Return the inverse of `to_json`; what an older version wrote and this one does not know is dropped."""
    known = {field.name for field in dataclasses.fields(TuningDraft)}
    values = {key: value for key, value in data.items() if key in known}
    if "strategy" in values:
        values["strategy"] = Strategy(values["strategy"])
    values["rows"] = tuple(
        RangeDraft(**{**row, "kind": Kind(row["kind"]), "scaling": Scaling(row["scaling"])})
        for row in values.get("rows", ())
    )
    return TuningDraft(**values)


def draft_from_preset(preset: Preset) -> TuningDraft:
    """Return the form as a preset fills it."""
    searched = {item.name for item in preset.ranges}
    fixed = {name: value for name, value in preset.hyperparameters.items() if name not in searched}
    rows = [RangeDraft.of(item) for item in preset.ranges]
    rows += [RangeDraft.fixed(name, value) for name, value in fixed.items() if name not in FORM_FIELDS]
    regexes = {metric.name: metric.regex for metric in preset.metrics}
    return TuningDraft(
        backbone=fixed.get("backbone", DEFAULT_BACKBONE),
        weights=fixed.get("weights", "default"),
        head=fixed.get("head", DEFAULT_HEAD),
        mode=fixed.get("mode", "head"),
        preprocessing=fixed.get("preprocessing", FRAMINGS[0]),
        strategy=preset.strategy,
        max_jobs=preset.max_jobs,
        max_parallel_jobs=preset.max_parallel_jobs,
        early_stopping=preset.early_stopping,
        metric=preset.objective.metric,
        regex=regexes.get(preset.objective.metric, ""),
        maximize=preset.objective.maximize,
        rows=tuple(rows),
    )


def by_steps(draft: TuningDraft) -> TuningDraft | None:
    """Return the draft as a search by steps, where its mode, head or rows forbid to fit heads at once; else None.

    A metric of cross-validation, which only heads that are fitted at once have, is replaced as well.
    """
    fixed = {row.name: row.values for row in draft.rows if row.kind is Kind.FIXED}
    asked = {name: str(getattr(draft, name)) for name in FORM_FIELDS} | fixed
    if fits_at_once(asked) or any(row.name == "optimizer" for row in draft.searched):
        return None
    other = draft_from_preset(presets.by_steps(asked))
    rows = other.rows if asked.get("optimizer") == DIRECT else draft.rows
    found = dataclasses.replace(draft, rows=rows)
    if draft.metric.startswith("cv:"):
        found = dataclasses.replace(found, metric=other.metric, regex=other.regex, maximize=other.maximize)
    return None if found == draft else found


def draft_from_spec(spec: Spec) -> TuningDraft:
    """Return the form as a job was asked for, to be changed and asked for again."""
    training = spec.training
    fixed = dict(training.hyperparameters)
    rows = [RangeDraft.of(item) for item in spec.ranges]
    rows += [RangeDraft.fixed(name, value) for name, value in fixed.items() if name not in FORM_FIELDS]
    regexes = {metric.name: metric.regex for metric in training.metrics}
    draft = TuningDraft(
        backbone=fixed.get("backbone", DEFAULT_BACKBONE),
        weights=fixed.get("weights", "default"),
        head=fixed.get("head", DEFAULT_HEAD),
        mode=fixed.get("mode", "head"),
        preprocessing=fixed.get("preprocessing", FRAMINGS[0]),
        seed=int(float(fixed.get("seed", "0"))),
        metric=training.objective.metric,
        regex=regexes.get(training.objective.metric, ""),
        maximize=training.objective.maximize,
        rows=tuple(rows),
    )
    if isinstance(spec, TuningSpec):
        draft = dataclasses.replace(
            draft,
            warm_start=next(iter(spec.warm_start), ""),
            target="" if spec.target is None else repr(spec.target),
            **_zero_for_none({name: getattr(spec, name) for name in _OF_SEARCH}),
        )
    return draft


def build_spec(
    draft: TuningDraft, dataset_version: str = "", dataset_path: str = "", debugger: DebuggerConfig | None = None
) -> Spec:
    """Return the spec that the form asks for; `channels` are filled in by `Workbench.jobs.launch`.

    Raises:
        SpecError: something is missing or does not fit; `field` is the form's field or the hyperparameter's name.
    """
    ranges, fixed = _read_rows(draft)
    searched = {item.name for item in ranges}
    form = {name: str(getattr(draft, name)) for name in FORM_FIELDS}
    hyperparameters = {name: value for name, value in form.items() if name not in searched} | fixed
    training = TrainingSpec(
        name=draft.name.strip() or unique_name(Path(dataset_path).name or "job"),
        channels={},
        hyperparameters=hyperparameters,
        metrics=metrics_of(draft),
        objective=Objective(draft.metric, draft.maximize),
        dataset_version=dataset_version,
        dataset_path=dataset_path,
        debugger=debugger or DebuggerConfig(),
    )
    if not ranges:
        check_hyperparameters(training)
        return training
    _check_grid(draft.strategy, ranges)
    spec = TuningSpec(
        training=training,
        ranges=tuple(ranges),
        warm_start=(draft.warm_start,) if draft.warm_start else (),
        target=_read_target(draft.target),
        **_search_fields(draft),
    )
    check_hyperparameters(spec)
    return spec


def _zero_for_none(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: 0 if value is None else value for name, value in held.items()}


def _search_fields(draft: TuningDraft) -> dict[str, Any]:
    held = {name: getattr(draft, name) for name in _OF_SEARCH}
    return {name: None if not value and default_of(TuningSpec, name) is None else value for name, value in held.items()}


def _read_target(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        target = float(text)
    except ValueError:
        target = math.nan
    if not math.isfinite(target):
        raise SpecError(
            tr("{text!r} is not a number.").format(text=text.strip()),
            fix=tr("Give a target such as 0.05, or none."),
            field="target",
        )
    return target


def warm_starts(jobs: Iterable[Job], on_cloud: bool) -> list[str]:
    """Return the tuning jobs that a search can learn from: on SageMaker those of SageMaker, here all."""
    tuned = (job for job in jobs if isinstance(job, TuningJob) and job.best_trial)
    return [job.name for job in tuned if job.engine != LOCAL or not on_cloud]


def metrics_of(draft: TuningDraft) -> tuple[MetricDefinition, ...]:
    """Return all metrics that are scraped; the objective's with the form's own regex.

    Raises:
        SpecError: the regex is wrong; `field` is "regex".
    """
    metrics = {metric.name: metric for metric in default_metrics()}
    if draft.regex or draft.metric not in metrics:
        metrics[draft.metric] = MetricDefinition(draft.metric, draft.regex)
    return tuple(metrics.values())


def _check_grid(strategy: Strategy, ranges: list[Range]) -> None:
    endless = next((item.name for item in ranges if isinstance(item, ContinuousRange)), "")
    if strategy.tries_all and endless:
        raise SpecError(
            tr("Grid cannot try every value of {name}.").format(name=endless),
            tr("A continuous range has no end of them."),
            tr("Make it Categorical or Integer, or choose another strategy."),
            field="strategy",
        )


def _read_rows(draft: TuningDraft) -> tuple[list[Range], dict[str, str]]:
    ranges: list[Range] = []
    fixed: dict[str, str] = {}
    for row in draft.rows:
        try:
            built = row.build()
        except SpecError as error:
            raise SpecError(error.what, error.why, error.fix, field=row.name or "name") from None
        name = row.name.strip()
        if name in fixed or name in {item.name for item in ranges}:
            raise SpecError(
                tr("{name} is there twice.").format(name=name), fix=tr("Remove one of the two rows."), field=name
            )
        if isinstance(built, str):
            fixed[name] = built
        else:
            ranges.append(built)
    return ranges, fixed


@lru_cache(maxsize=1)
def script_hyperparameters() -> tuple[str, ...]:
    """Return the hyperparameters that training_scripts/train.py knows, those with a suggested range first."""
    return tuple(sorted(defaults(), key=lambda name: (name not in _SUGGESTIONS, name)))


def suggestion(name: str) -> RangeDraft | None:
    """Return a sensible row for a hyperparameter: a range, or the script's default as a fixed value."""
    if name in _SUGGESTIONS:
        return _SUGGESTIONS[name]
    default = defaults().get(name)
    return None if default is None else RangeDraft.fixed(name, str(default))


def check_row(row: RangeDraft) -> SpecError | None:
    """Return what is wrong with one row, by itself and for the training script; `field` is the row's field."""
    try:
        built = row.build()
    except SpecError as error:
        return error
    name = row.name.strip()
    if (problem := check_name(name)) is not None:
        return SpecError(problem.what, problem.why, problem.fix, field="name")
    if isinstance(built, str):
        values = [("values", built)]
    elif isinstance(built, CategoricalRange):
        values = [("values", value) for value in built.values]
    else:
        values = [("low", str(built.low)), ("high", str(built.high))]
    for field, value in values:
        problem = check_value(name, value)
        if problem is not None:
            return SpecError(problem.what, problem.why, problem.fix, field=field)
    return None
