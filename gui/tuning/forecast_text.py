"""The lines of "What this will do", in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.dataset.records import SPLITS
from core.jobs.ranges import combinations
from core.jobs.specs import DebuggerConfig
from gui.shared import formatting
from gui.shared.cost_text import cost_text, time_text
from gui.tuning.tuning_draft import TuningDraft
from training_scripts.backbones import BACKBONES

if TYPE_CHECKING:
    from core.cloud.money import CloudForecast
    from core.dataset.manifest import Manifest
    from core.tuning.forecast import Forecast

Line = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the form itself does not hold: weights to fetch, whether the engine costs money, which rules run.

    `cloud` is the forecast of a job on SageMaker, None while it is not known.
    """

    missing_megabytes: float = 0.0
    costs_money: bool = False
    cloud: CloudForecast | None = None
    debugger: DebuggerConfig = field(default_factory=DebuggerConfig)


def forecast_lines(
    draft: TuningDraft, manifest: Manifest | None, forecast: Forecast | None, facts: Facts
) -> list[Line]:
    """Return (icon, title, text) of each line; what is not known yet is said so, so that no line comes or goes."""
    lines = [
        ("data", "Dataset", _dataset(manifest)),
        ("tuning", "Trials", _trials(draft)),
        ("filter", "Grid", _combinations(draft)),
        ("clock", "Time", _time(forecast, manifest, facts)),
        ("chip", "Cost", cost_text(facts.cloud) if facts.costs_money else "None: it runs on this computer"),
        ("debugger", "Rules", _rules(facts.debugger)),
    ]
    if facts.missing_megabytes:
        title = BACKBONES[draft.backbone].title
        lines.append(("download", "Fetches", f"{facts.missing_megabytes:.0f} MB of weights of {title}, once"))
    return lines


def warning_texts(forecast: Forecast) -> list[str]:
    """Return a forecast's warnings, each as what is the matter and what to do."""
    return [warning.text for warning in forecast.warnings]


def _dataset(manifest: Manifest | None) -> str:
    if manifest is None:
        return "None chosen yet"
    counts = ", ".join(f"{len(manifest.of(split)):,} {split}" for split in SPLITS if manifest.of(split))
    return f"{formatting.counted(len(manifest.classes), 'class', 'classes')}, {counts}"


def _trials(draft: TuningDraft) -> str:
    if not draft.is_tuning:
        return "One training job: nothing is searched"
    at_once = min(draft.max_parallel_jobs, draft.max_jobs)
    early = ", poor ones end early" if draft.early_stopping else ""
    target = f", ends at {draft.target}" if draft.target else ""
    patience = f", ends after {draft.patience} without a better one" if draft.patience else ""
    longest = f", ends after {formatting.duration(draft.max_search_s)}" if draft.max_search_s else ""
    converged = ", ends when converged" if draft.until_converged else ""
    trials = formatting.counted(draft.max_jobs, "trial")
    return f"{trials}, {at_once} at once, {draft.strategy}{early}{target}{patience}{longest}{converged}"


def _combinations(draft: TuningDraft) -> str:
    if not draft.is_tuning:
        return formatting.NONE
    if any(row.problem is not None for row in draft.searched):
        return "…"
    ranges = [row.build() for row in draft.searched]
    total = combinations([item for item in ranges if not isinstance(item, str)])
    return "Endless: a range is continuous" if total is None else formatting.counted(total, "combination")


def _rules(config: DebuggerConfig) -> str:
    if not config.enabled:
        return "Off"
    if config.rules:
        return f"{formatting.counted(len(config.rules), 'rule')} chosen in Debugger"
    return "The usual ones for this training" if config.default_rules else "None"


def _time(forecast: Forecast | None, manifest: Manifest | None, facts: Facts) -> str:
    if manifest is None:
        return "Known once there is a dataset"
    if facts.costs_money:
        return time_text(facts.cloud)
    if forecast is None or forecast.seconds is None:
        return "…"
    basis = "measured here" if forecast.basis == "measured" else "first estimate"
    text = f"About {formatting.duration(max(10.0, forecast.seconds))} ({basis})"
    if forecast.features_seconds >= 1:
        text += f", {formatting.duration(forecast.features_seconds)} of it for features"
    return text
