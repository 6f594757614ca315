"""Pages of a PDF: pieces that are measured first, broken into pages, and only then drawn by matplotlib.

Positions are in inches, from the left margin and from the top of the page's body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = (8.27, 11.69)
MARGIN = 0.6
WIDTH, BODY = PAGE[0] - 2 * MARGIN, PAGE[1] - 2 * MARGIN
"""The room between the margins, inches."""
TEXT, MUTED, LINE, ACCENT = "#1C211D", "#5C665E", "#E1E5DF", "#2F7D55"
LEADING = 1.4 / 72
"""Inches from line to line for each point of a font's size."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Something that is never broken over two pages.

    `draw` gets the pen and where its top is. `stays` with what comes next; `is_gap` is left out at the top of a page;
    `again` is drawn above it where it begins a page (a table's head). `marks` names the section that begins here.
    """

    height: float
    draw: Callable[[Pen, float], None]
    stays: bool = False
    is_gap: bool = False
    again: Piece | None = None
    marks: str = ""


Page = list[tuple[Piece, float]]
"""Pieces with the place of their top."""


def gap(height: float) -> Piece:
    """Return empty room."""
    return Piece(height, lambda pen, top: None, is_gap=True)


def break_pages(pieces: Sequence[Piece], body: float = BODY) -> list[Page]:
    """Return the pieces on pages, each as full as what must stay together allows."""
    pages: list[Page] = [[]]
    top = 0.0
    index = 0
    while index < len(pieces):
        end = index + 1
        while end < len(pieces) and (pieces[end - 1].stays or pieces[end - 1].is_gap):
            end += 1
        together = pieces[index:end]
        wanted = sum(piece.height for piece in together)
        if pages[-1] and top + wanted > body:
            pages.append([])
            top = 0.0
            if (first := next((piece for piece in together if not piece.is_gap), None)) is not None and first.again:
                pages[-1].append((first.again, 0.0))
                top = first.again.height
        for piece in together:
            if piece.is_gap and not pages[-1]:
                continue
            if pages[-1] and not piece.is_gap and top + piece.height > body:  # even alone they are too much for a page
                pages.append([])
                top = 0.0
            pages[-1].append((piece, top))
            top += piece.height
        index = end
    return pages


def fill(page: Page) -> float:
    """Return how much of a page's body is used, 0…1."""
    return max((top + piece.height for piece, top in page if not piece.is_gap), default=0.0) / BODY


def best_pages(build: Callable[[float], Sequence[Piece]], scales: Iterable[float]) -> list[Page]:
    """Return the pages for the first of `scales` that leaves none half empty, else for the one that leaves the least.

    `build` makes the pieces with charts of so many times their usual height.
    """
    best: tuple[float, list[Page]] | None = None
    for scale in scales:
        pages = break_pages(build(scale))
        if len(pages) == 1:
            return pages
        score = min(*(fill(page) / _FULL for page in pages[:-1]), fill(pages[-1]) / _LAST)
        if score >= 1:
            return pages
        if best is None or score > best[0]:
            best = score, pages
    assert best is not None
    return best[1]


_FULL = 0.8
"""A page before the last must be so full, 0…1."""
_LAST = 0.4
"""The last page must be at least so full."""


class Ruler:
    """Measures and wraps text in DejaVu Sans."""

    def __init__(self) -> None:
        from matplotlib.font_manager import FontProperties, findfont, get_font

        self._font: Callable[[str], Any] = lambda weight: get_font(
            findfont(FontProperties(family="DejaVu Sans", weight=weight))
        )
        self._widths: dict[tuple[str, str], float] = {}
        self._wrapped: dict[tuple[str, float, str, float], list[str]] = {}

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the width of one line of text."""
        words = text.split(" ")
        inner = sum(self._word(word, weight) for word in words) + (len(words) - 1) * self._word(" ", weight)
        return inner * size / 72

    def wrap(self, text: str, size: float, weight: str, width: float) -> list[str]:
        """Return `text` in lines no wider than `width`; a word that is too long for a line is broken."""
        key = (text, size, weight, width)
        if key not in self._wrapped:  # the same text is measured for every height of charts that is tried
            self._wrapped[key] = self._wrap(*key)
        return self._wrapped[key]

    def _wrap(self, text: str, size: float, weight: str, width: float) -> list[str]:
        lines: list[str] = []
        line = ""
        for word in text.split():
            longer = f"{line} {word}" if line else word
            if self.width(longer, size, weight) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while self.width(word, size, weight) > width and len(word) > 1:
                fitting = next(
                    n for n in range(len(word) - 1, 0, -1) if n == 1 or self.width(word[:n], size, weight) <= width
                )
                lines.append(word[:fitting])
                word = word[fitting:]
            line = word
        return [*lines, line] if line or not lines else lines

    def height(self, text: str, size: float, weight: str, width: float) -> float:
        """Return how high the wrapped text is."""
        return len(self.wrap(text, size, weight, width)) * size * LEADING

    def _word(self, word: str, weight: str) -> float:
        """Return the width of a word at size 1, without hinting, so that it holds for every size."""
        key = (word, weight)
        if key not in self._widths:
            from matplotlib.ft2font import LoadFlags

            font = self._font(weight)
            font.set_size(100, 72)
            font.set_text(word or " ", 0.0, flags=LoadFlags.NO_HINTING)
            self._widths[key] = float(font.get_width_height()[0]) / 64 / 100 if word else 0.0
        return self._widths[key]


class Pen:
    """Draws on one page; `pages` says on which page each section begins."""

    def __init__(self, figure: Figure, ruler: Ruler, pages: Mapping[str, int]) -> None:
        self._figure = figure
        self.ruler = ruler
        self.pages = pages

    def put(
        self,
        text: str,
        x: float,
        y: float,
        size: float,
        *,
        colour: str = TEXT,
        weight: str = "normal",
        right: bool = False,
    ) -> float:
        """Draw one line of text with its top at `y`; returns its width."""
        if text:
            self._figure.text(
                (MARGIN + x) / PAGE[0],
                1 - (MARGIN + y) / PAGE[1],
                text,
                fontsize=size,
                color=colour,
                fontweight=weight,
                ha="right" if right else "left",
                va="top",
            )
        return self.ruler.width(text, size, weight)

    def paragraph(
        self, text: str, x: float, y: float, size: float, width: float, *, colour: str = TEXT, weight: str = "normal"
    ) -> float:
        """Draw wrapped text; returns where the next line would be."""
        for line in self.ruler.wrap(text, size, weight, width):
            self.put(line, x, y, size, colour=colour, weight=weight)
            y += size * LEADING
        return y

    def rule(self, y: float) -> None:
        """Draw a thin line across the page."""
        from matplotlib.lines import Line2D

        height = 1 - (MARGIN + y) / PAGE[1]
        ends = (MARGIN / PAGE[0], (MARGIN + WIDTH) / PAGE[0])
        line = Line2D(ends, (height, height), color=LINE, lw=0.6, transform=self._figure.transFigure)
        self._figure.add_artist(line)

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Draw a filled rectangle."""
        from matplotlib.patches import Rectangle

        corner = ((MARGIN + x) / PAGE[0], 1 - (MARGIN + y + height) / PAGE[1])
        patch = Rectangle(
            corner, width / PAGE[0], height / PAGE[1], transform=self._figure.transFigure, color=colour, lw=0
        )
        self._figure.add_artist(patch)

    def axes(self, x: float, y: float, width: float, height: float) -> Any:
        """Return matplotlib axes with their top at `y`."""
        bottom = 1 - (MARGIN + y + height) / PAGE[1]
        return self._figure.add_axes(((MARGIN + x) / PAGE[0], bottom, width / PAGE[0], height / PAGE[1]))


def write_pages(pages: Sequence[Page], ruler: Ruler, destination: Path, title: str, footer: str) -> None:
    """Draw the pages into a PDF file."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    begins = {piece.marks: number for number, page in enumerate(pages, 1) for piece, _ in page if piece.marks}
    information = {"Title": title, "Creator": "Sagehound", "CreationDate": None}
    with PdfPages(destination, metadata=information) as pdf:
        for number, page in enumerate(pages, 1):
            figure = Figure(figsize=PAGE)
            pen = Pen(figure, ruler, begins)
            for piece, top in page:
                piece.draw(pen, top)
            foot = BODY + 0.22
            pen.put(footer, 0.0, foot, 7, colour=MUTED)
            pen.put(f"{number} of {len(pages)}", WIDTH, foot, 7, colour=MUTED, right=True)
            pdf.savefig(figure)
