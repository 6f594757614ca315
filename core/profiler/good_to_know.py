"""What is said of a job that has nothing to mend: where its time goes, and what has room."""

from __future__ import annotations

from collections.abc import Iterator

from core.profiler.results import Finding, ProfilerAnalysis
from core.profiler.wording import PHASE_WORDS, seconds
from core.translation import tr

_EVEN_FROM = 100
"""Fewer steps than this say nothing of how even they are."""
_OTHERS = 15.0
"""Percent of the cores from which on the use by other programs is said."""
_WITH_THEIR_OWN = ("data_loading", "evaluation", "other", "untraced")
"""Parts of the loop that have a finding of their own when they are its largest, or of which nothing is known."""


def good_to_know(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    """Yield findings that are no trouble."""
    shares, total = analysis.shares, sum(analysis.shares.values())
    computing = sum(shares.get(phase, 0.0) for phase in ("forward", "backward", "optimizer"))
    if total and computing > 0.5 * total:
        yield Finding(
            tr("The training loop computes most of the time"),
            tr("Forward, backward and optimizer take {computing:.0%} of the training loop.").format(
                computing=computing / total
            ),
            tr("To be faster still, take a faster machine or a smaller network."),
            "",
            severity="info",
            evidence="time",
        )
    elif total and (largest := max(shares, key=lambda phase: shares[phase])) not in _WITH_THEIR_OWN:
        yield Finding(
            tr("The largest share of the loop is {phase_words}").format(phase_words=PHASE_WORDS[largest].lower()),
            tr("It takes {shares:.0%} of the training loop, {time}.").format(
                shares=shares[largest] / total, time=seconds(shares[largest])
            ),
            tr("A change would pay most here."),
            "",
            severity="info",
            evidence="time",
        )
    even = [mode for mode in analysis.steps if mode.count >= _EVEN_FROM and mode.p99 < 2 * mode.p50]
    if analysis.steps and len(even) == len(analysis.steps):
        mode = even[0]
        yield Finding(
            tr("Steps are even"),
            tr("Of {count:,} steps the median took {p50}, the longest {max}.").format(
                count=mode.count, p50=seconds(mode.p50), max=seconds(mode.max)
            ),
            "",
            "",
            severity="info",
            evidence="steps",
        )
    yield from _of_the_machine(analysis)


def _of_the_machine(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    memory = [row for row in analysis.usage if row.resource == "Memory"]
    if memory and max(row.max for row in memory) < 60:
        most = max(row.max for row in memory)
        yield Finding(
            tr("There is room in memory"),
            tr("Memory never went above {most:.0f}%.").format(most=most),
            tr("A larger batch, more loader workers or a second trial beside this one would fit."),
            "",
            severity="info",
            evidence="memory",
        )
    if (busy := analysis.cpu_pressure.get("CPU")) is not None:
        own = analysis.cpu_pressure.get("CPU of the job", busy)
        others = busy - own > _OTHERS
        sentence = (
            tr("Its cores were busy {busy:.0f}% of the time on average, {own:.0f}% with this job.")
            if others
            else tr("Its cores were busy {busy:.0f}% of the time on average.")
        )
        yield Finding(
            tr("How busy the processor was"),
            sentence.format(busy=busy, own=own),
            tr("On a machine of its own the job would be faster: other programs take the rest.")
            if others
            else tr("A machine with more cores helps only where this is high."),
            "",
            severity="info",
            evidence="system",
        )
