"""What benchmarks share: paired runs, medians with their spread, and a table."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of several runs of one thing."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        low, high = min(self.seconds), max(self.seconds)
        return f"{_time(self.median)} ({_time(low)} to {_time(high)})"


@dataclass(frozen=True, slots=True)
class Pair:
    """Ours and a rival's runs, taken in turn in one process run."""

    ours: Sample
    rival: Sample

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times faster ours was, run by run."""
        return tuple(rival / ours for ours, rival in zip(self.ours.seconds, self.rival.seconds, strict=True))

    @property
    def ratio(self) -> str:
        """The median of the ratios with its spread."""
        return f"{statistics.median(self.ratios):.2f}x ({min(self.ratios):.2f} to {max(self.ratios):.2f})"


def measure(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, garbage collected before."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def paired(ours: Callable[[], object], rival: Callable[[], object], runs: int = 5, warm_up: bool = True) -> Pair:
    """Run the two in turn, so that a machine whose speed drifts is unfair to neither."""
    if warm_up:
        ours()
        rival()
    times = [(measure(ours), measure(rival)) for _ in range(runs)]
    return Pair(Sample(tuple(a for a, _ in times)), Sample(tuple(b for _, b in times)))


def in_turn(works: Mapping[str, Callable[[], object]], runs: int = 5) -> dict[str, Sample]:
    """Run several in turn, `runs` times; the first is compared with the others by `against`."""
    times = [{name: measure(work) for name, work in works.items()} for _ in range(runs)]
    return {name: Sample(tuple(run[name] for run in times)) for name in works}


def print_figure(name: str, value: float) -> None:
    """Print a figure that docs/SCALING.md is computed from; a reader of the report does not see it."""
    print(f"<!-- {name} = {value:.6g} -->")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(headers)} |")
    print(f"|{'|'.join(' --- ' for _ in headers)}|")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0…1) of the values lie, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
