"""Where headers and squares are in a grid: plain arithmetic, fast for any number of pictures."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect

from core.dataset.query import Section

GAP = 8
HEADER = 34


@dataclass(frozen=True, slots=True)
class Placed:
    """A section: the y of its header, and how many lines of squares it has."""

    section: Section
    top: int
    lines: int


class GridLayout:
    """Sections one below the other in `width` pixels; squares as large as fill the lines, at least `smallest`."""

    def __init__(self, sections: Sequence[Section], width: int, smallest: int) -> None:
        self.width = width
        self.columns = max(1, (width + GAP) // (smallest + GAP))
        self.edge = max(min(smallest, width), (width - (self.columns - 1) * GAP) // self.columns)
        self.line = self.edge + GAP
        self.placed: list[Placed] = []
        top = 0
        for section in sections:
            lines = -(-section.count // self.columns)
            self.placed.append(Placed(section, top, lines))
            top += HEADER + lines * self.line + GAP
        self.height = top
        self._tops = [placed.top for placed in self.placed]
        self._firsts = [placed.section.first for placed in self.placed]

    def square(self, row: int) -> QRect:
        """Return where a picture is."""
        placed = self.placed[self._of_row(row)]
        line, column = divmod(row - placed.section.first, self.columns)
        return QRect(column * self.line, placed.top + HEADER + line * self.line, self.edge, self.edge)

    def row_at(self, x: int, y: int) -> int:
        """Return the row of the picture at a point; -1 for a header or a gap."""
        at = bisect_right(self._tops, y) - 1
        if at < 0 or x < 0:
            return -1
        placed = self.placed[at]
        line, below = divmod(y - placed.top - HEADER, self.line)
        column, beside = divmod(x, self.line)
        number = line * self.columns + column
        if line < 0 or below >= self.edge or beside >= self.edge or column >= self.columns:
            return -1
        return placed.section.first + number if number < placed.section.count else -1

    def header_at(self, y: int) -> Placed | None:
        """Return the section whose header is at a height."""
        at = bisect_right(self._tops, y) - 1
        return self.placed[at] if at >= 0 and y < self.placed[at].top + HEADER else None

    def section_at(self, y: int) -> Placed | None:
        """Return the section that a height belongs to."""
        at = bisect_right(self._tops, y) - 1
        return self.placed[at] if at >= 0 else None

    def between(self, top: int, bottom: int) -> Iterator[Placed]:
        """Return the sections of which something is between two heights."""
        for placed in self.placed[max(0, bisect_right(self._tops, top) - 1) :]:
            if placed.top > bottom:
                return
            yield placed

    def lines_between(self, placed: Placed, top: int, bottom: int) -> range:
        """Return the lines of a section that are between two heights."""
        first = max(0, (top - placed.top - HEADER) // self.line)
        return range(first, min(placed.lines, (bottom - placed.top - HEADER) // self.line + 1))

    def rows_in(self, rect: QRect) -> list[int]:
        """Return the rows of all pictures that a rectangle touches."""
        found: list[int] = []
        left, right = max(0, rect.left()), rect.right()
        columns = [c for c in range(self.columns) if c * self.line <= right and c * self.line + self.edge > left]
        for placed in self.between(rect.top(), rect.bottom()):
            section, below = placed.section, placed.top + HEADER
            for line in self.lines_between(placed, rect.top(), rect.bottom()):
                if below + line * self.line + self.edge <= rect.top():
                    continue
                start = section.first + line * self.columns
                found += [start + column for column in columns if start + column < section.first + section.count]
        return found

    def beyond(self, row: int, lines: int) -> int:
        """Return the row that is `lines` lines below (above, if negative), across sections."""
        at = self._of_row(row)
        line, column = divmod(row - self.placed[at].section.first, self.columns)
        line += lines
        while line < 0 and at > 0:
            at -= 1
            line += self.placed[at].lines
        while line >= self.placed[at].lines and at < len(self.placed) - 1:
            line -= self.placed[at].lines
            at += 1
        if line < 0 or line >= self.placed[at].lines:
            return row
        section = self.placed[at].section
        return section.first + min(line * self.columns + column, section.count - 1)

    def _of_row(self, row: int) -> int:
        return bisect_right(self._firsts, row) - 1
