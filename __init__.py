"""Sagehound from Python: `import sagehound; job = sagehound.tune("pictures", max_jobs=20)`.

Each name is imported when it is first used. What they do is in core/api.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.api import (
        Dataset,
        Evaluation,
        Job,
        Prediction,
        RuleOutcome,
        SagehoundError,
        classify,
        convert,
        evaluate,
        jobs,
        open_workbench,
        report,
        rules,
        scan,
        show,
        train,
        tune,
    )
    from .training_scripts.watch import watch

    __version__: str

__all__ = [
    "Dataset",
    "Evaluation",
    "Job",
    "Prediction",
    "RuleOutcome",
    "SagehoundError",
    "__version__",
    "classify",
    "convert",
    "evaluate",
    "jobs",
    "open_workbench",
    "report",
    "rules",
    "scan",
    "show",
    "train",
    "tune",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .training_scripts.version import VERSION

        return VERSION
    if name == "watch":
        from .training_scripts.watch import watch

        return watch
    if name in __all__:
        from .core import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
