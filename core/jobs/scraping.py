"""Metrics read out of log lines by regular expressions, as SageMaker does it.

A user's expression may be one that needs exponential time, so each search of a line has a time limit; the `regex`
package has one, the standard library's `re` has not. What does not finish in time is not asked again. The limit is of
the searching thread's own computing time: how busy the machine or another thread is says nothing of an expression.
The expressions of training_scripts/train.py need time that grows with the line alone, and have no limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from core.jobs.records import MetricEvent
from core.jobs.specs import MetricDefinition
from core.translation import tr
from training_scripts.metrics import EPOCH, METRIC_DEFINITIONS, Found, begins_with, counts_in, find_value, weakest_in
from training_scripts.packed.lines import NOTICE_LINE

if TYPE_CHECKING:
    import regex

_Event = TypeVar("_Event")

MAX_LINE = 8192
"""Characters of a log line that are looked at."""

SEARCH_LIMIT_S = 0.25
"""How long one expression may compute on one line."""

_OURS = frozenset(METRIC_DEFINITIONS.values())

_NOTICE = re.compile(
    r"Left out of \w+: \d+ of \d+ pictures cannot be read, \d+ remain\."
    r"|Changed in \w+: \d+ of \d+ pictures changed after the scan; they are used as they are now\."
)
"""What training_scripts/left_out.py says of a split at its end."""

_NOTICE_LINE = re.compile(rf"(?:^|\s){NOTICE_LINE}(.+)")

_STEP = re.compile(r"(?<![\w.])step=(\d{1,15})(?![\w.])")


@dataclass(frozen=True, slots=True)
class Scraped:
    """What one log line says: metric values by name, and the position `epoch=3/10 step=120` where it has one.

    The counts of pictures that it names are among the values.

    `begins` is the epoch with which the script says that it begins, or begins again: values of it and of those after
    it that came before are replaced. `weakest` is the class that it says is recognised least often.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    begins: int | None = None
    weakest: str | None = None


@dataclass(frozen=True, slots=True)
class RegexTest:
    """How a definition fares on a sample line. `span` is where the value is in the line; `problem` one sentence."""

    matched: bool
    value: float | None = None
    span: tuple[int, int] | None = None
    problem: str = ""


class Scraper:
    """Reads the metrics of one job's log lines.

    Args:
        definitions: what to look for.
        on_slow: gets a sentence about each metric that is given up because its expression takes too long.
    """

    def __init__(
        self, definitions: Sequence[MetricDefinition], on_slow: Callable[[str], None] = lambda sentence: None
    ) -> None:
        self._patterns = {item.name: _compiled(item.regex) for item in definitions}
        self._on_slow = on_slow
        self.given_up: set[str] = set()

    def scrape(self, line: str) -> Scraped:
        """Return the metrics and the position of one log line."""
        line = line[:MAX_LINE]
        values: dict[str, float] = {}
        for name, pattern in list(self._patterns.items()):
            try:
                found = _search(pattern, line)
            except TimeoutError:
                del self._patterns[name]
                self.given_up.add(name)
                self._on_slow(tr("{too_slow} Its values are missing from there on.").format(too_slow=too_slow(name)))
                continue
            if found is not None and found[0] is not None:
                values[name] = found[0]
        values = counts_in(line) | values
        epoch, step = EPOCH.search(line), _STEP.search(line)
        return Scraped(
            values,
            int(epoch[1]) if epoch else None,
            int(epoch[2]) if epoch and epoch[2] else None,
            int(step[1]) if step else None,
            begins_with(line),
            weakest_in(line),
        )


def without_epochs(events: Iterable[_Event], first: int) -> list[_Event]:
    """Return events without the values of an epoch and of those after it, and those of test: they come again."""

    def stays(event: _Event) -> bool:
        if not isinstance(event, MetricEvent):
            return True
        return not event.name.startswith("test:") if event.epoch is None else event.epoch < first

    return [event for event in events if stays(event)]


def too_slow(metric: str) -> str:
    """Say that a metric's expression takes too long."""
    return tr(
        "The regex of {metric} took longer than {search_limit_s} seconds for one line of the log: simplify it."
    ).format(metric=metric, search_limit_s=SEARCH_LIMIT_S)


def scrape(line: str, definitions: Sequence[MetricDefinition]) -> Scraped:
    """Return the metrics and the position of one log line; for many lines keep a `Scraper`."""
    return Scraper(definitions).scrape(line)


def test_regex(definition: MetricDefinition, line: str) -> RegexTest:
    """Whether a definition finds a number in a sample line, and if not, why."""
    pattern = _compiled(definition.regex)
    started = time.thread_time()
    try:
        found = _search(pattern, line[:MAX_LINE])
    except TimeoutError:
        return RegexTest(
            False,
            problem=tr("The expression takes longer than {search_limit_s} seconds for one line.").format(
                search_limit_s=SEARCH_LIMIT_S
            ),
        )
    if found is None:
        return RegexTest(False, problem=tr("The expression matches nothing in this line."))
    value, text, span = found
    if value is None:
        return RegexTest(
            False, span=span, problem=tr("The expression finds {text!r}, which is not a number.").format(text=text)
        )
    if pattern.pattern not in _OURS and time.thread_time() - started > SEARCH_LIMIT_S / 2:
        return RegexTest(False, value, span, tr("The expression is too slow to be used on every line."))
    return RegexTest(True, value, span)


test_regex.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def _compiled(expression: str) -> regex.Pattern[str]:
    """Return an expression, compiled; the package is imported with the first one, as few commands need any."""
    import regex

    return regex.compile(expression)


def _search(pattern: regex.Pattern[str], line: str) -> Found | None:
    """Return the value, its text and span."""
    return find_value(partial(_within_limit, pattern), line)


def _within_limit(pattern: regex.Pattern[str], searched: str) -> regex.Match[str] | None:
    """Search for at most `SEARCH_LIMIT_S` of this thread's computing time.

    The package's own limit counts what the whole process computes meanwhile, all its threads together: a search that
    it ended too early is made again with more room, until the thread itself has had its time.

    Raises:
        TimeoutError: that was not enough.
    """
    if pattern.pattern in _OURS:
        return pattern.search(searched)
    room = SEARCH_LIMIT_S
    while True:
        started = time.thread_time()
        try:
            return pattern.search(searched, timeout=room)
        except TimeoutError:
            if time.thread_time() - started >= SEARCH_LIMIT_S:
                raise
            room *= 4


def notice_in(line: str) -> str | None:
    """Return the sentence in a log line that belongs to what must be known of the job; None where it holds none."""
    if marked := _NOTICE_LINE.search(line):
        return marked[1].strip()[:1024]
    found = _NOTICE.search(line)
    return found.group() if found else None
