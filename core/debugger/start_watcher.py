"""The process that evaluates the rules of jobs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.jobs.specs import DebuggerConfig
from core.python import child_environment, script_command
from training_scripts.debugger.watcher import SCRIPT, RuleWatcher
from training_scripts.watchdog import SILENCE_S


def rule_watcher(
    config: DebuggerConfig,
    log: Path,
    silence_s: float = SILENCE_S,
    on_trouble: Callable[[str], None] = lambda sentence: None,
) -> RuleWatcher:
    """Start the watcher of a spec's rules; arguments as `RuleWatcher` has them."""
    # All rules come with it, and numpy, which a job without them does not need.
    from core.debugger.job_rules import job_settings

    return RuleWatcher(job_settings(config), log, silence_s, on_trouble, script_command(SCRIPT), child_environment())
