"""Writes the tables of docs/RULES.md from the rules themselves, and the matrix from real trainings.

`python -m tests.training_scripts.debugger.rules_page` writes all of them; a test compares those that need no training.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from core.debugger.job_rules import rule_summary
from tests.training_scripts.debugger.faults import FAULTS, FINE_TUNE, HEAD, HEALTHY, UNTRAINED, fired
from tests.training_scripts.watch.elsewhere import ELSEWHERE
from tests.training_scripts.watch.faults import FAULTS as WATCH_FAULTS
from tests.training_scripts.watch.held_out import HELD_OUT
from training_scripts.debugger.defaults import default_rules
from training_scripts.debugger.rules import OURS, RULES, parameters_of
from training_scripts.watch.catalogue import INVARIANTS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "RULES.md"
_KINDS = {"head": HEAD, "fine_tune": FINE_TUNE, "fine_tune of untrained weights": UNTRAINED, "another script's": {}}


def rules_table() -> str:
    """Every rule, what it looks for, and its parameters with their defaults."""
    rows = ["| rule | what it looks for | parameters and their defaults |", "|---|---|---|"]
    for name in RULES:
        values = {item.name: "none" if item.default is None else item.default for item in parameters_of(name)}
        about = rule_summary(name).replace("|", "\\|")
        rows.append(f"| {name}{' (ours)' if name in OURS else ''} | {about} | {_values(values) or '-'} |")
    return "\n".join(rows)


def invariants_table() -> str:
    """Return each invariant of a watched script, when it fires, and the seeded faults that it has to find."""
    seeded: dict[str, list[str]] = {}
    for name, fault in {**WATCH_FAULTS, **HELD_OUT, **ELSEWHERE}.items():
        seeded.setdefault(fault.rule, []).append(name)
    rows = ["| invariant | fires when | seeded faults that it finds in the tests |", "|---|---|---|"]
    for item in INVARIANTS.values():
        about = item.about.removeprefix("Fires when ").replace("|", "\\|")
        rows.append(f"| {item.name} | {about} | {'; '.join(seeded.get(item.name, ())) or 'in a test of its own'} |")
    return "\n".join(rows)


def default_table() -> str:
    """The rules that run when none were chosen, and in which kinds of training, with parameters."""
    chosen: dict[tuple[str, str], list[str]] = {}
    for kind, hyperparameters in _KINDS.items():
        for name, parameters in default_rules(hyperparameters).items():
            chosen.setdefault((name, _values(parameters) or "its own defaults"), []).append(kind)
    rows = ["| rule | in | parameters |", "|---|---|---|"]
    for (name, parameters), kinds in sorted(chosen.items(), key=lambda item: list(RULES).index(item[0][0])):
        where = "all" if len(kinds) == len(_KINDS) else ", ".join(kinds)
        rows.append(f"| {name} | {where} | {parameters} |")
    return "\n".join(rows)


def matrix() -> str:
    """What fired on each healthy training and each fault; trains them all."""
    rows = ["| training | rules that fired |", "|---|---|"]
    for title, case in {**HEALTHY, **FAULTS}.items():
        with tempfile.TemporaryDirectory() as folder:
            found = fired(case, Path(folder))
        rows.append(f"| {title} | {', '.join(name for name in RULES if name in found) or 'none'} |")
    return "\n".join(rows)


def section(page: str, name: str) -> str:
    """What stands between the marks of a section."""
    return page.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- end of {name} -->")[0]


def with_section(page: str, name: str, content: str) -> str:
    """The page with another content between those marks."""
    marks = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    return re.sub(f"({marks[0]}).*?({marks[1]})", lambda found: found[1] + content + found[2], page, flags=re.DOTALL)


def _values(values: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"`{key}`={value}".replace("|", "\\|") for key, value in dict(values).items())


def main() -> int:
    """Write the page again."""
    page = PAGE.read_text(encoding="utf-8")
    makers = (("rules", rules_table), ("invariants", invariants_table), ("defaults", default_table), ("matrix", matrix))
    for name, make in makers:
        page = with_section(page, name, make())
    PAGE.write_text(page, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
