"""Sagehound from Python: `import sagehound; job = sagehound.tune("pictures", max_jobs=20)`.

Each name is imported when it is first used. What they do is in core/api.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.api import (
        Dataset,
        Evaluation,
        Exported,
        Finding,
        Job,
        Prediction,
        RuleOutcome,
        SagehoundError,
        Sorted,
        check,
        classify,
        convert,
        evaluate,
        export,
        jobs,
        label,
        open_workbench,
        report,
        rules,
        scan,
        show,
        sort,
        suggest,
        train,
        tune,
    )
    from .training_scripts.watch import lightning_callback, transformers_callback, watch

    __version__: str

__all__ = [
    "Dataset",
    "Evaluation",
    "Exported",
    "Finding",
    "Job",
    "Prediction",
    "RuleOutcome",
    "SagehoundError",
    "Sorted",
    "__version__",
    "check",
    "classify",
    "convert",
    "evaluate",
    "export",
    "jobs",
    "label",
    "lightning_callback",
    "open_workbench",
    "report",
    "rules",
    "scan",
    "show",
    "sort",
    "suggest",
    "train",
    "transformers_callback",
    "tune",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .training_scripts.version import VERSION

        return VERSION
    if name in ("lightning_callback", "transformers_callback", "watch"):
        from .training_scripts import watch

        return getattr(watch, name)
    if name in __all__:
        from .core import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
