"""Which silent faults the watching of a script finds, and what it says of healthy trainings.

Each fault of tests/training_scripts/watch/faults.py is put into its script, which runs until the fault is found or the
script ends: was it found, by how many steps, with its cause and its line; and what was said beside it that is neither
the fault nor a symptom of it. The same for faults in scripts that were not looked at when the rules were written
(held_out.py, elsewhere.py). Then over 100 healthy trainings run as `sagehound watch` would run them, with the rules
on tensors: seeds, batches of one, residual blocks that start at zero, uneven classes, a frozen backbone, other styles.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.benchmarks.harness import print_table
from tests.training_scripts.watch.elsewhere import ELSEWHERE
from tests.training_scripts.watch.faults import FAULTS, Fault
from tests.training_scripts.watch.harness import SCRIPTS, Watched, run
from tests.training_scripts.watch.held_out import HELD_OUT
from training_scripts.watch.catalogue import INVARIANTS

FOUND, NAMED = 0.9, 0.8
"""The goals: of all faults so many are found within their steps, and so many with their cause."""
SCRIPTS_ALONE = {"distributed.py"}


@dataclass(frozen=True)
class Healthy:
    """A kind of healthy training: a script, its arguments and changes, and with how many seeds it runs."""

    name: str
    script: str
    seeds: int
    arguments: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)


def _uneven(classes: int) -> dict[str, str]:
    shares = [0.4, *[0.6 / (classes - 1)] * (classes - 1)]
    drawn = f"torch.multinomial(torch.tensor({shares}), count, True, generator=generator)"
    return {f"torch.randint(0, {classes}, (count,), generator=generator)": drawn}


HEALTHY = (
    *(Healthy("seeds", path.name, 7) for path in sorted(SCRIPTS.glob("*.py")) if path.name not in SCRIPTS_ALONE),
    Healthy("batches of one", "digits_cnn.py", 3, ("--batch-size", "1", "--epochs", "1", "--lr", "0.0003")),
    Healthy(
        "batches of one", "tabular_mlp.py", 3, ("--epochs", "1"), {"batch_size=24": "batch_size=1", "5e-3": "5e-4"}
    ),
    Healthy("batches of one", "text_gru.py", 3, ("--epochs", "1"), {"batch_size=24": "batch_size=1"}),
    Healthy(
        "batches of one",
        "regression.py",
        3,
        ("--epochs", "1"),
        {"batch_size=32": "batch_size=1", "max_lr=1e-2": "max_lr=1e-3"},
    ),
    Healthy("residual blocks that start at zero", "pictures_resnet.py", 6, ("--zero-init",)),
    Healthy("uneven classes", "digits_cnn.py", 5, ("--epochs", "6"), _uneven(10)),
    Healthy("uneven classes", "transformer.py", 4, (), _uneven(6)),
    Healthy("labels of which some are wrong", "spirals.py", 3, ("--label-noise", "0.2")),
    Healthy("few pictures", "serve_photos.py", 3, ("--pictures", "60")),
    Healthy("frozen backbone", "fine_tune.py", 3, ("--freeze",)),
    *(Healthy("other styles", f"elsewhere/{path.name}", 2) for path in sorted((SCRIPTS / "elsewhere").glob("*.py"))),
)


def main() -> None:
    """Print both tables and their sums."""
    _faults(FAULTS)
    _faults(HELD_OUT)
    _faults(ELSEWHERE)
    _healthy()


def _faults(faults: Mapping[str, Fault]) -> None:
    print_table(
        ("fault", "script", "must find", "found", "step", "cause", "line", "also said"),
        rows := [_fault_row(name, fault) for name, fault in faults.items()],
    )
    found, named = (sum(row[at] == "yes" for row in rows) for at in (3, 5))
    others = Counter(name for row in rows for name in row[7].split(", ") if row[7] != "-")
    print_table(
        ("of", "found", f"goal: {FOUND:.0%}", "cause named", f"goal: {NAMED:.0%}", "said beside the fault"),
        [
            (
                str(len(rows)),
                str(found),
                _met(found >= FOUND * len(rows)),
                str(named),
                _met(named >= NAMED * len(rows)),
                ", ".join(f"{name} {count}" for name, count in others.items()) or "nothing",
            )
        ],
    )


def _healthy() -> None:
    counts: dict[str, list[int]] = {}
    alarms: list[tuple[str, ...]] = []
    for name, title, watched in _healthy_runs():
        count = counts.setdefault(name, [0, 0, 0])
        bad = sorted({*watched.names, *watched.broken})
        for at, value in enumerate((1, watched.steps, bool(bad))):
            count[at] += value
        alarms += [(title, ", ".join(bad))] if bad else []
        print(title, bad or "", file=sys.stderr, flush=True)
    total = [sum(count[at] for count in counts.values()) for at in range(3)]
    print_table(
        ("healthy trainings", "runs", "steps", "with an alarm", "goal: 0"),
        [
            *((name, *map(str, count), "") for name, count in counts.items()),
            ("together", *map(str, total), _met(not total[2])),
        ],
    )
    if alarms:
        print_table(("training", "false alarms"), alarms)


def _fault_row(name: str, fault: Fault) -> tuple[str, ...]:
    watched = run(fault.script, fault.arguments, fault.changes, until=fault.rule)
    by_rule = {finding.rule: finding for finding in watched.invariants}
    finding = by_rule.get(fault.rule)
    others = [other for other in by_rule if other != fault.rule and not INVARIANTS[other].symptom]
    print(name, "found" if finding else "missed", others or "", file=sys.stderr, flush=True)
    row = (name, fault.script.removesuffix(".py"), fault.rule)
    if finding is None:
        return (*row, "NO", "-", "NO", "NO", ", ".join(others) or "-")
    cause = all(word in finding.cause for word in fault.words)
    named_line = finding.at.file.endswith(fault.script) and finding.at.line is not None
    return (
        *row,
        "yes" if finding.step <= fault.within else "late",
        str(finding.step),
        "yes" if cause else "NO",
        "yes" if named_line else "NO",
        ", ".join(others) or "-",
    )


def _healthy_runs() -> Iterator[tuple[str, str, Watched]]:
    for kind in HEALTHY:
        for seed in range(100, 100 + kind.seeds):
            title = f"{kind.name}: {kind.script.removesuffix('.py')}, seed {seed}"
            arguments = ("--seed", str(seed), *kind.arguments)
            yield kind.name, title, run(kind.script, arguments, kind.changes, record=True)


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    main()
