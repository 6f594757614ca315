"""The report as a PDF: the same document, laid out on A4 pages and drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from core.report import pdf_charts
from core.report.document import (
    SERIES,
    BoxPlot,
    Chart,
    Document,
    Figures,
    Findings,
    Section,
    ShareBar,
    Table,
    Text,
    Tone,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = (8.27, 11.69)
_MARGIN = 0.6
_WIDTH = _PAGE[0] - 2 * _MARGIN
_GAP = 0.14
_TEXT, _MUTED, _LINE, _ACCENT = "#1C211D", "#5C665E", "#E1E5DF", "#2F7D55"
_TONES: dict[Tone, str] = {"plain": _TEXT, "good": "#2F7D55", "warning": "#9A5B00", "muted": _MUTED}


def write_pdf(document: Document, destination: Path) -> None:
    """Write `document` to `destination`, which is replaced."""
    import matplotlib as mpl

    with (
        mpl.rc_context(
            {"pdf.fonttype": 42, "font.family": "DejaVu Sans", "text.parse_math": False, "axes.unicode_minus": False}
        ),
        _Pages(destination, document) as pages,
    ):
        pages.title(document)
        for section in document.sections:
            _section(pages, section)


def _section(pages: _Pages, section: Section) -> None:
    with_charts = any(not isinstance(block, Text | Figures | Findings | Table) for block in section.blocks[:3])
    pages.room(3.0 if with_charts else 1.2)
    pages.skip(0.16)
    pages.rule()
    pages.paragraph(section.title, 13, weight="bold", after=0.12)
    charts: list[Chart] = []
    for block in section.blocks:
        if isinstance(block, Text | Figures | Findings | Table):
            _charts(pages, charts)
            charts = []
        match block:
            case Text():
                mark = "▲ " if block.tone == "warning" else ""
                pages.paragraph(mark + block.text, 8.5, colour=_TONES[block.tone], after=0.09)
            case Figures():
                _figures(pages, block)
            case Findings():
                _findings(pages, block)
            case Table():
                _table(pages, block)
            case _:
                charts.append(block)
    _charts(pages, charts)


def _figures(pages: _Pages, block: Figures) -> None:
    pages.room(0.62)
    each = _WIDTH / max(4, len(block.items))
    for index, (label, value, note) in enumerate(block.items):
        x = index * each
        pages.put(label, x, 0.0, 7.5, colour=_MUTED)
        pages.put(value, x, 0.15, 11, weight="bold")
        pages.put(note, x, 0.35, 7, colour=_MUTED)
    pages.skip(0.58)


def _findings(pages: _Pages, block: Findings) -> None:
    for finding in block.items:
        colour = _TONES["warning" if finding.severity == "warning" else "good"]
        lines = [
            (finding.title, 10.5, "bold", _TEXT),
            (finding.text, 8.5, "normal", _TEXT),
            *([(f"Change: {finding.change}", 8.5, "normal", _TEXT)] if finding.change else ()),
            *([(f"Gain: {finding.gain}", 8.5, "normal", _MUTED)] if finding.gain else ()),
        ]
        height = sum(pages.height(text, size, weight, _WIDTH - 0.2) + 0.04 for text, size, weight, _ in lines)
        pages.room(height + 0.15)
        pages.bar(0.0, height, colour)
        for text, size, weight, ink in lines:
            pages.paragraph(text, size, weight=weight, colour=ink, indent=0.16, after=0.04)
        pages.skip(0.12)


def _charts(pages: _Pages, charts: Sequence[Chart]) -> None:
    waiting: list[Chart] = []
    for chart in charts:
        if isinstance(chart, ShareBar | BoxPlot):
            _row(pages, waiting)
            waiting = []
            _wide(pages, chart)
            continue
        waiting.append(chart)
        if len(waiting) == 2:
            _row(pages, waiting)
            waiting = []
    _row(pages, waiting)


def _row(pages: _Pages, charts: Sequence[Chart]) -> None:
    if not charts:
        return
    height, gap = 1.95, 0.3
    pages.room(height + 0.1)
    width = (_WIDTH - gap) / 2
    for index, chart in enumerate(charts):
        x = index * (width + gap)
        pages.put(chart.title, x, 0.0, 8.5, weight="bold")
        pdf_charts.draw(chart, pages.axes(x + 0.5, 0.22, width - 0.5, height - 0.72))
    pages.skip(height + 0.08)


def _wide(pages: _Pages, chart: ShareBar | BoxPlot) -> None:
    body = 0.22 if isinstance(chart, ShareBar) else 0.25 * len(chart.boxes) + 0.25
    pages.room(body + 0.6)
    pages.put(chart.title, 0.0, 0.0, 8.5, weight="bold")
    left = 0.0 if isinstance(chart, ShareBar) else 1.0
    pdf_charts.draw(chart, pages.axes(left, 0.2, _WIDTH - left, body))
    pages.skip(body + 0.28)
    if isinstance(chart, ShareBar):
        x = 0.0
        for label, colour, _, text in chart.parts:
            pages.put("■", x, 0.0, 8, colour=SERIES[colour % 8])
            x += 0.14
            x += pages.put(f"{label} {text}", x, 0.0, 7.5, colour=_MUTED) + 0.2
        pages.skip(0.26)


def _table(pages: _Pages, table: Table) -> None:
    size, pad = 7.3, 0.08
    widths = _column_widths(pages, table, size, pad)
    edges = [sum(widths[:index]) for index in range(len(widths))]

    def draw(cells: Sequence[str], colours: Sequence[str], weights: Sequence[str]) -> None:
        wrapped = [
            pages.wrap(text, size, w, widths[i] - pad) for i, (text, w) in enumerate(zip(cells, weights, strict=True))
        ]
        height = max(len(lines) for lines in wrapped) * size * 1.32 / 72
        for index, lines in enumerate(wrapped):
            for number, line in enumerate(lines):
                right = index in table.right
                x = edges[index] + (widths[index] - pad if right else 0.0)
                pages.put(
                    line, x, number * size * 1.32 / 72, size, colour=colours[index], weight=weights[index], right=right
                )
        pages.skip(height + 0.05)
        pages.rule(after=0.045)

    def header() -> None:
        draw(table.columns, [_MUTED] * len(widths), ["normal"] * len(widths))

    pages.room(0.6)
    header()
    for number, row in enumerate(table.rows):
        lines = max(len(pages.wrap(text, size, "normal", widths[i] - pad)) for i, text in enumerate(row))
        if pages.room(lines * size * 1.32 / 72 + 0.12):
            header()
        tone: Tone = table.tones[number] if table.tones else "plain"
        colours = [_TONES[tone] if index == 1 and table.tones else _TEXT for index in range(len(row))]
        weights = ["bold" if index == 1 and tone in ("warning", "good") else "normal" for index in range(len(row))]
        draw(row, colours, weights)
    pages.skip(_GAP)


def _column_widths(pages: _Pages, table: Table, size: float, pad: float) -> list[float]:
    """As wide as their longest cell where that fits; else no column narrower than its longest word."""
    natural, least = [], []
    for index, name in enumerate(table.columns):
        cells = (name, *(row[index] for row in table.rows))
        natural.append(max(pages.width(text, size, "bold") for text in cells) + pad + 0.03)
        whole = index in table.right or (index == 1 and bool(table.tones))  # numbers and verdicts stay in one line
        words = {word for text in cells for word in ([text] if whole else text.split())}
        least.append(max((pages.width(word, size, "bold") for word in words), default=0.0) + pad + 0.03)
    if sum(natural) <= _WIDTH:
        spare = (_WIDTH - sum(natural)) / len(natural)
        return [width + spare for width in natural]
    if sum(least) >= _WIDTH:  # a name longer than the page: it is broken
        return [width * _WIDTH / sum(least) for width in least]
    share = (_WIDTH - sum(least)) / (sum(natural) - sum(least))
    return [low + (wide - low) * share for low, wide in zip(least, natural, strict=True)]


class _Pages:
    """A pen that goes down A4 pages; positions in inches, from the left margin and from where the pen is."""

    def __init__(self, destination: Path, document: Document) -> None:
        from matplotlib.backends.backend_pdf import PdfPages
        from matplotlib.font_manager import FontProperties, findfont, get_font

        self._font: Callable[[str], Any] = lambda weight: get_font(
            findfont(FontProperties(family="DejaVu Sans", weight=weight))
        )
        information = {"Title": f"{document.title}: {document.subtitle}", "Creator": "Sagehound", "CreationDate": None}
        self._pdf = PdfPages(destination, metadata=information)
        self._footer = document.footer
        self._widths: dict[tuple[str, str], float] = {}
        self._number = 0
        self._figure: Figure = self._new_page()
        self._y = _MARGIN

    def __enter__(self) -> _Pages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish_page()
        self._pdf.close()  # type: ignore[no-untyped-call]

    def title(self, document: Document) -> None:
        """The head of the first page."""
        self.paragraph(document.title.upper(), 8, weight="bold", colour=_ACCENT, after=0.05)
        self.paragraph(document.subtitle, 18, weight="bold", after=0.06)
        self.paragraph("  ·  ".join(document.facts), 9, colour=_MUTED, after=0.05)

    def room(self, height: float) -> bool:
        """Turn the page unless `height` is left on it; returns whether it was turned."""
        if self._y + height <= _PAGE[1] - _MARGIN:
            return False
        self._finish_page()
        self._figure = self._new_page()
        self._y = _MARGIN
        return True

    def skip(self, height: float) -> None:
        """Move down."""
        self._y += height

    def put(
        self,
        text: str,
        x: float,
        y: float,
        size: float,
        *,
        colour: str = _TEXT,
        weight: str = "normal",
        right: bool = False,
    ) -> float:
        """One line of text, its top at the pen plus `y`; returns its width."""
        if text:
            self._figure.text(
                (_MARGIN + x) / _PAGE[0],
                1 - (self._y + y) / _PAGE[1],
                text,
                fontsize=size,
                color=colour,
                fontweight=weight,
                ha="right" if right else "left",
                va="top",
            )
        return self.width(text, size, weight)

    def paragraph(
        self,
        text: str,
        size: float,
        *,
        weight: str = "normal",
        colour: str = _TEXT,
        indent: float = 0.0,
        after: float = 0.0,
    ) -> None:
        """Text in lines as wide as the page."""
        step = size * 1.4 / 72
        for line in self.wrap(text, size, weight, _WIDTH - indent):
            self.room(step)
            self.put(line, indent, 0.0, size, colour=colour, weight=weight)
            self.skip(step)
        self.skip(after)

    def height(self, text: str, size: float, weight: str, width: float) -> float:
        """How high `paragraph` would be."""
        return len(self.wrap(text, size, weight, width)) * size * 1.4 / 72

    def rule(self, after: float = 0.1) -> None:
        """A thin line across the page."""
        self._draw_line(0.0, _WIDTH, _LINE, 0.6)
        self.skip(after)

    def bar(self, x: float, height: float, colour: str) -> None:
        """A thick vertical line beside what comes next."""
        from matplotlib.patches import Rectangle

        corner = ((_MARGIN + x) / _PAGE[0], 1 - (self._y + height) / _PAGE[1])
        patch = Rectangle(
            corner, 0.035 / _PAGE[0], height / _PAGE[1], transform=self._figure.transFigure, color=colour, lw=0
        )
        self._figure.add_artist(patch)

    def axes(self, x: float, y: float, width: float, height: float) -> Any:
        """Matplotlib axes, their top at the pen plus `y`."""
        bottom = 1 - (self._y + y + height) / _PAGE[1]
        return self._figure.add_axes(((_MARGIN + x) / _PAGE[0], bottom, width / _PAGE[0], height / _PAGE[1]))

    def width(self, text: str, size: float, weight: str) -> float:
        """The width of one line of text."""
        words = text.split(" ")
        inner = sum(self._word(word, weight) for word in words) + (len(words) - 1) * self._word(" ", weight)
        return inner * size / 72

    def _word(self, word: str, weight: str) -> float:
        """The width of a word at size 1, without hinting, so that it holds for every size."""
        key = (word, weight)
        if key not in self._widths:
            from matplotlib.ft2font import LoadFlags

            font = self._font(weight)
            font.set_size(100, 72)
            font.set_text(word or " ", 0.0, flags=LoadFlags.NO_HINTING)
            self._widths[key] = float(font.get_width_height()[0]) / 64 / 100 if word else 0.0
        return self._widths[key]

    def wrap(self, text: str, size: float, weight: str, width: float) -> list[str]:
        """`text` in lines no wider than `width`; a word that is too long for a line is broken."""
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

    def _draw_line(self, x: float, width: float, colour: str, thick: float) -> None:
        from matplotlib.lines import Line2D

        height = 1 - self._y / _PAGE[1]
        ends = ((_MARGIN + x) / _PAGE[0], (_MARGIN + x + width) / _PAGE[0])
        line = Line2D(ends, (height, height), color=colour, lw=thick, transform=self._figure.transFigure)
        self._figure.add_artist(line)

    def _new_page(self) -> Figure:
        from matplotlib.figure import Figure

        self._number += 1
        return Figure(figsize=_PAGE)

    def _finish_page(self) -> None:
        style: dict[str, Any] = {"fontsize": 7, "color": _MUTED, "va": "bottom"}
        self._figure.text(_MARGIN / _PAGE[0], 0.3 / _PAGE[1], self._footer, **style)
        self._figure.text(1 - _MARGIN / _PAGE[0], 0.3 / _PAGE[1], str(self._number), ha="right", **style)
        self._pdf.savefig(self._figure)  # type: ignore[no-untyped-call]
