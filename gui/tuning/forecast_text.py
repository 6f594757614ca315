"""The lines of "What this will do", in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.dataset.records import SPLITS
from core.jobs.ranges import combinations
from core.jobs.specs import DebuggerConfig
from core.translation import plural, tr
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
        ("data", tr("Dataset"), _dataset(manifest)),
        ("tuning", tr("Trials"), _trials(draft)),
        ("filter", tr("Grid"), _combinations(draft)),
        ("clock", tr("Time"), _time(forecast, manifest, facts)),
        ("chip", tr("Cost"), cost_text(facts.cloud) if facts.costs_money else tr("Free: it runs on this computer")),
        ("debugger", tr("Rules"), _rules(facts.debugger)),
    ]
    if facts.missing_megabytes:
        title = BACKBONES[draft.backbone].title
        text = tr("{megabytes:.0f} MB of weights of {title}, once")
        lines.append(("download", tr("Fetches"), text.format(megabytes=facts.missing_megabytes, title=title)))
    return lines


def warning_texts(forecast: Forecast) -> list[str]:
    """Return a forecast's warnings, each as what is the matter and what to do."""
    return [warning.text for warning in forecast.warnings]


def _dataset(manifest: Manifest | None) -> str:
    if manifest is None:
        return tr("None chosen yet")
    counts = ", ".join(f"{len(manifest.of(split)):,} {split}" for split in SPLITS if manifest.of(split))
    classes = plural("{count:,} class", "{count:,} classes", len(manifest.classes))
    return f"{classes}, {counts}"


def _trials(draft: TuningDraft) -> str:
    if not draft.is_tuning:
        return tr("One training job: nothing is searched")
    at_once = min(draft.max_parallel_jobs, draft.max_jobs)
    parts = [
        plural("{count:,} trial", "{count:,} trials", draft.max_jobs),
        plural("{count:,} at once", "{count:,} at once", at_once),
        str(draft.strategy),
    ]
    if draft.early_stopping:
        parts.append(tr("poor ones end early"))
    if draft.target:
        parts.append(tr("ends at {target}").format(target=draft.target))
    if draft.patience:
        parts.append(
            plural(
                "ends after {count:,} without a better one", "ends after {count:,} without a better one", draft.patience
            )
        )
    if draft.max_search_s:
        parts.append(tr("ends after {duration}").format(duration=formatting.duration(draft.max_search_s)))
    if draft.until_converged:
        parts.append(tr("ends when converged"))
    return ", ".join(parts)


def _combinations(draft: TuningDraft) -> str:
    if not draft.is_tuning:
        return formatting.NONE
    if any(row.problem is not None for row in draft.searched):
        return "…"
    ranges = [row.build() for row in draft.searched]
    total = combinations([item for item in ranges if not isinstance(item, str)])
    if total is None:
        return tr("Endless: a range is continuous")
    return plural("{count:,} combination", "{count:,} combinations", total)


def _rules(config: DebuggerConfig) -> str:
    if not config.enabled:
        return tr("Off")
    if config.rules:
        return plural("{count:,} rule chosen in Debugger", "{count:,} rules chosen in Debugger", len(config.rules))
    return tr("The usual ones for this training") if config.default_rules else tr("None")


def _time(forecast: Forecast | None, manifest: Manifest | None, facts: Facts) -> str:
    if manifest is None:
        return tr("Known once there is a dataset")
    if facts.costs_money:
        return time_text(facts.cloud)
    if forecast is None or forecast.seconds is None:
        return "…"
    basis = tr("measured here") if forecast.basis == "measured" else tr("first estimate")
    sentence = tr("About {duration} ({basis})")
    if forecast.features_seconds >= 1:
        sentence = tr("About {duration} ({basis}), {features} of it for features")
    return sentence.format(
        duration=formatting.duration(max(10.0, forecast.seconds)),
        basis=basis,
        features=formatting.duration(forecast.features_seconds),
    )
