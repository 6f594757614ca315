"""The rules that a project runs: chosen in the Debugger tab, kept with the settings, part of every new job's spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Protocol

from core.debugger.job_rules import check
from core.errors import SpecError
from core.jobs.specs import DebuggerConfig

KEY = "debugger.projects"
MAX_PROJECTS = 50


class Memory(Protocol):
    """What keeps choices: core.settings.SettingsFile."""

    def recall(self, key: str, default: Any = None) -> Any:
        """Return some remembered state."""

    def remember(self, key: str, value: Any) -> None:
        """Keep some state: what JSON can hold."""


def project_config(memory: Memory, project: str) -> DebuggerConfig:
    """Return the choice for a project (the path of its dataset), else the one made last, else the defaults."""
    kept = _kept(memory)
    names = [name for name in (project, *reversed(kept)) if name in kept]
    for name in names:
        config = _read(kept[name])
        if config is not None:
            return config
    return DebuggerConfig()


def keep_config(memory: Memory, project: str, config: DebuggerConfig) -> None:
    """Keep a choice for a project.

    Raises:
        SpecError: it cannot run.
    """
    check(config)
    kept = {name: value for name, value in _kept(memory).items() if name != project}
    kept[project] = asdict(config)
    memory.remember(KEY, dict(list(kept.items())[-MAX_PROJECTS:]))


def _kept(memory: Memory) -> dict[str, Any]:
    kept = memory.recall(KEY, {})
    return dict(kept) if isinstance(kept, Mapping) else {}


def _read(value: Any) -> DebuggerConfig | None:
    if not isinstance(value, Mapping):
        return None
    known = {item.name for item in fields(DebuggerConfig)}
    try:
        config = DebuggerConfig(**{key: item for key, item in value.items() if key in known})
        check(config)
    except (TypeError, AttributeError, SpecError):
        return None
    return config
