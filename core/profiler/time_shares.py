"""Where a training's time went: job times, shares of the phases, step statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.jobs.records import TrainingJob
from core.profiler.results import Distribution, JobTimes, PhaseTrack, StepStatistics
from core.profiler.rule_evaluation import outlier_limit
from core.profiler.traces import PHASES, Events, Floats, Ints, NodeSamples

_MAX_SPANS = 20_000
_BUCKETS = 600
_LISTED_OUTLIERS = 12
_NEGLIGIBLE = 0.01


def job_times(nodes: Sequence[NodeSamples], events: Events, job: TrainingJob | None) -> JobTimes:
    """Start and end by the job's record, else by the first and last thing in the traces; the loop by the steps."""
    firsts = [float(node.times[0]) for node in nodes] + ([float(events.start[0])] if len(events.start) else [])
    lasts = [float(node.times[-1]) for node in nodes] + ([float(events.end.max())] if len(events.end) else [])
    start = job.started if job is not None and job.started is not None else min(firsts, default=None)
    end = job.ended if job is not None and job.ended is not None else max(lasts, default=None)
    looping = events.of("step")
    for phase in PHASES:
        looping |= events.of(phase)
    if not looping.any():
        return JobTimes(start, end)
    return JobTimes(start, end, float(events.start[looping].min()), float(events.end[looping].max()))


def phase_shares(events: Events) -> Mapping[str, float]:
    """Return the seconds of each phase and of the rest of the loop, per worker on average; empty without phases.

    The rest is "other" (saving, printing) where forward and backward were traced, else "untraced", for then the
    computing is part of it. What is inside an evaluation counts as evaluation. In a long training only some steps
    are traced (their numbers have gaps): from the first gap on the training phases are scaled up to all of them.
    """
    owners = phase_owners(events)
    if not (owners >= 0).any():
        return {}
    workers = np.unique(events.worker)
    lasted = events.end - events.start
    shares = {phase: float(lasted[owners == index].sum()) / len(workers) for index, phase in enumerate(PHASES)}
    evaluating = events.steps("EVAL") & ~_inside_evaluation(events)
    since, scale = _untraced(events)
    for phase in ("data_loading", "forward", "backward", "optimizer"):
        later = (owners == PHASES.index(phase)) & (events.start >= since)
        shares[phase] += (scale - 1) * float(lasted[later].sum()) / len(workers)
    shares["evaluation"] += float(lasted[evaluating].sum()) / len(workers)
    loop = float(np.mean([_loop(events, events.worker == worker) for worker in workers]))
    rest = loop - sum(shares.values())
    computing = all((owners == PHASES.index(phase)).any() for phase in ("forward", "backward"))
    known = computing or not events.steps("TRAIN").any()
    shares["other" if known else "untraced"] = rest if rest > _NEGLIGIBLE * loop else 0.0
    return {phase: seconds for phase, seconds in shares.items() if seconds > 0}


def _loop(events: Events, chosen: npt.NDArray[np.bool_]) -> float:
    return float(events.end[chosen].max() - events.start[chosen].min())


def _untraced(events: Events) -> tuple[float, float]:
    """Return when steps began to be left out of the trace, and how many there were from then on for each traced one.

    (0, 1) where all were traced, or where it is not known.
    """
    trained = np.flatnonzero(events.steps("TRAIN") & (events.worker == 0))
    numbers, firsts = np.unique(events.step[trained], return_index=True)
    gaps = np.flatnonzero(np.diff(numbers) > 1)
    if not len(gaps) or numbers[0] < 0:
        return 0.0, 1.0
    last = int(gaps[0])
    scale = float(numbers[-1] - numbers[last]) / (len(numbers) - last - 1)
    return float(events.end[trained[firsts[last]]]), scale


def phase_owners(events: Events) -> Ints:
    """Return (N,) the index in `PHASES` that an event's time belongs to, -1 for none (steps, parts of phases)."""
    owners = np.full(len(events.start), -1, dtype=np.int64)
    for index, phase in enumerate(PHASES):
        owners[events.of(phase)] = index
    inside = _inside_evaluation(events) | _covered(events, events.steps("EVAL"))
    owners[inside & (owners != PHASES.index("evaluation"))] = -1
    return owners


def framework_table(events: Events) -> tuple[tuple[str, int, float], ...]:
    """Return (row of the timeline, number of events, seconds) of every row, longest first."""
    lasted = events.end - events.start
    counts = np.bincount(events.row, minlength=len(events.rows))
    seconds = np.bincount(events.row, weights=lasted, minlength=len(events.rows))
    table = [(name, int(counts[i]), float(seconds[i])) for i, name in enumerate(events.rows) if counts[i]]
    return tuple(sorted(table, key=lambda entry: -entry[2]))


def step_statistics(events: Events, stddev: float) -> tuple[StepStatistics, ...]:
    """Return one record per mode; outliers are longer than the mean plus `stddev` standard deviations."""
    return tuple(_of_mode(events, mode, stddev) for mode in events.modes())


def phase_track(events: Events, times: JobTimes, buckets: int = _BUCKETS) -> PhaseTrack | None:
    """Return how the phases of the first worker follow each other; None without a step trace."""
    if times.loop_start is None or times.loop_end is None or not len(events.start):
        return None
    first = events.worker == events.worker[0]
    owners = phase_owners(events)
    evaluating = events.steps("EVAL") & ~_inside_evaluation(events)
    owners = np.where(evaluating, PHASES.index("evaluation"), owners)
    chosen = first & (owners >= 0)
    start, end, owner = events.start[chosen], events.end[chosen], owners[chosen]
    edges: Floats = np.linspace(
        times.loop_start, max(times.loop_end, times.loop_start + 1e-6), buckets + 1, dtype=np.float64
    )
    shares = {
        phase: _occupancy(start[owner == index], end[owner == index], edges)
        for index, phase in enumerate(PHASES)
        if (owner == index).any()
    }
    spans: tuple[tuple[str, float, float], ...] = ()
    if len(start) <= _MAX_SPANS:
        spans = tuple((PHASES[o], s, e) for o, s, e in zip(owner.tolist(), start.tolist(), end.tolist(), strict=True))
    return PhaseTrack(edges[:-1], shares, spans)


def _of_mode(events: Events, mode: str, stddev: float) -> StepStatistics:
    chosen = events.steps(mode)
    start, worker, step = events.start[chosen], events.worker[chosen], events.step[chosen]
    lasted = events.end[chosen] - start
    limits = np.empty(len(events.workers))
    for index in np.unique(worker):
        limits[index] = outlier_limit(lasted[worker == index], stddev)
    beyond = np.flatnonzero(lasted > limits[worker])
    beyond = beyond[np.argsort(-lasted[beyond])]
    listed = tuple(
        (events.workers[worker[i]], int(step[i]), float(start[i]), float(lasted[i])) for i in beyond[:_LISTED_OUTLIERS]
    )
    p50, p95, p99, longest = (float(value) for value in np.percentile(lasted, (50, 95, 99, 100)))
    counts, edges = np.histogram(np.minimum(lasted, p99 * 1.5), bins=60, range=(0.0, max(p99 * 1.5, 1e-9)))
    means = {events.workers[i]: float(lasted[worker == i].mean()) for i in np.unique(worker)}
    spread = {events.workers[i]: box(lasted[worker == i]) for i in np.unique(worker)}
    first = worker == worker[0]
    numbers = step[first].astype(np.float64)
    if (np.diff(numbers) <= 0).any():  # unknown, or counted again in every evaluation
        numbers = np.arange(len(numbers), dtype=np.float64)
    shown = _thinned(lasted[first])
    return StepStatistics(
        mode,
        len(lasted),
        float(lasted.mean()),
        p50,
        p95,
        p99,
        longest,
        len(beyond),
        float(limits[worker[0]]),
        listed,
        (edges, counts.astype(np.float64)),
        (numbers[shown], lasted[first][shown]),
        start[first][shown],
        means,
        spread,
    )


def load_times(events: Events) -> Distribution | None:
    """Return how long the training waited for each of its batches; None where the trace does not say."""
    waiting = phase_owners(events) == PHASES.index("data_loading")
    return distribution(events.end[waiting] - events.start[waiting])


def distribution(values: Floats, bins: int = 60) -> Distribution | None:
    """Return how `values` (N,) are spread, None without any; the histogram ends at one and a half times the p99."""
    if not len(values):
        return None
    p99, longest = (float(value) for value in np.percentile(values, (99, 100)))
    end = max(p99 * 1.5, 1e-9)
    counts, edges = np.histogram(np.minimum(values, end), bins=bins, range=(0.0, end))
    return Distribution(len(values), float(values.sum()), *box(values), p99, longest, edges, counts.astype(np.float64))


def box(values: npt.NDArray[np.floating]) -> tuple[float, float, float, float, float]:
    """Return the quantiles of a box plot: 5, 25, 50, 75 and 95 %."""
    p5, p25, p50, p75, p95 = (float(value) for value in np.percentile(values, (5, 25, 50, 75, 95)))
    return p5, p25, p50, p75, p95


def _thinned(y: Floats, most: int = 1000) -> npt.NDArray[np.intp]:
    """Return which points to show, at most `most`: of each run the longest, so that no outlier is lost."""
    if len(y) <= most:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), most + 1).astype(np.intp)
    return np.array([a + int(np.argmax(y[a:b])) for a, b in pairwise(edges.tolist()) if b > a])


def _occupancy(start: Floats, end: Floats, edges: Floats) -> Floats:
    """Return (B,) the share of each bucket between `edges` (B + 1,) that is in the intervals."""
    # The time covered before t is the integral of a step function: its value at the edges, and differences of it.
    order = np.argsort(start)
    start, end = start[order], np.maximum.accumulate(end[order])
    covered = np.concatenate(([0.0], np.cumsum(np.maximum(0.0, end - np.maximum(start, np.append(-np.inf, end[:-1]))))))
    index = np.searchsorted(start, edges, side="right")
    before = covered[index]
    running = index > 0
    over = np.zeros(len(edges))
    over[running] = np.maximum(0.0, end[index[running] - 1] - edges[running])
    width = np.diff(edges)
    share: Floats = np.clip(np.diff(before - over) / width, 0.0, 1.0)
    return share


def _inside_evaluation(events: Events) -> npt.NDArray[np.bool_]:
    """Return (N,) events that are inside an evaluation phase of the same worker, the phase itself not."""
    evaluation = events.of("evaluation")
    return _covered(events, evaluation) & ~evaluation


def _covered(events: Events, cover: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return (N,) events that begin inside one of the events `cover` of the same worker, those themselves included."""
    result = np.zeros(len(events.start), dtype=bool)
    if not cover.any():
        return result
    for worker in np.unique(events.worker[cover]):
        chosen = cover & (events.worker == worker)
        start, end = events.start[chosen], np.maximum.accumulate(events.end[chosen])
        mine = np.flatnonzero(events.worker == worker)
        index = np.searchsorted(start, events.start[mine], side="right") - 1
        result[mine] = (index >= 0) & (events.start[mine] < end[np.maximum(index, 0)])
    return result
