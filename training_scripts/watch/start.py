"""Begins to watch a script from inside: waits for torch, puts the hooks in, and ends with the process."""

from __future__ import annotations

import atexit
import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .patches import Patches
    from .session import Session

VARIABLE = "SAGEHOUND_WATCH"
"""The output folder of the job that watches this script, with its name and settings, as JSON."""


def begin() -> None:
    """Put the hooks in as soon as the script imports torch."""
    settings = json.loads(os.environ[VARIABLE])
    if "torch" in sys.modules:
        _hook(settings)
        return
    sys.meta_path.insert(0, _TorchFinder(settings))
    _clean_tracebacks()


class _TorchFinder(importlib.abc.MetaPathFinder):
    """Lets torch be found as always, and does one thing when it has been imported."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute, settings = spec.loader.exec_module, self._settings

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _hook(settings)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _hook(settings: dict[str, Any]) -> None:
    """Put the hooks into torch; what goes wrong there is said, and the script runs on."""
    try:
        watch(settings)
    except Exception as error:
        print(f"sagehound: the script is not watched: {error}", file=sys.stderr)
        if os.environ.get("SAGEHOUND_WATCH_STRICT"):
            raise


def watch(settings: dict[str, Any]) -> tuple[Session, Patches]:
    """Put the hooks into torch. A process that never trains (a worker of a DataLoader) writes nothing."""
    from .checks import all_checks
    from .findings import Findings
    from .patches import install
    from .recorder import Recorder
    from .saved_classes import ModelClasses
    from .session import Session
    from .state import SHARE

    output = Path(settings["output"])
    findings = Findings(settings.get("job", ""), output, say=False, stop_on=settings.get("stop_on", ()))
    if _rank() != 0:
        findings.mute()
    session = Session(findings, Recorder(output, settings) if _rank() == 0 else None, share=SHARE)
    session.model_classes = ModelClasses(Path(settings["classes"]) if settings.get("classes") else None)
    session.limit = int(settings.get("steps") or 0)
    session.add(all_checks)
    patches = install(session)
    atexit.register(session.close)
    return session, patches


def _rank() -> int:
    try:
        return int(os.environ.get("RANK", "0") or 0)
    except ValueError:
        return 0


def _clean_tracebacks() -> None:
    """Leave our frames out of the traceback that ends a script."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        try:
            from .code_site import strip_own_frames

            traceback = strip_own_frames(traceback)
        finally:
            before(kind, error.with_traceback(traceback), traceback)

    sys.excepthook = hook
