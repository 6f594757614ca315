"""The report as a PDF: the same document, on A4 pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.profiler.results import Finding
from core.report import pdf_charts
from core.report.document import (
    SERIES,
    BoxPlot,
    Chart,
    Document,
    Facts,
    Figures,
    Findings,
    Section,
    ShareBar,
    Table,
    Text,
    Tone,
    Verdict,
)
from core.report.html import MARKS
from core.report.pdf_layout import (
    ACCENT,
    LINE,
    MUTED,
    TEXT,
    WIDTH,
    Pen,
    Piece,
    Ruler,
    best_pages,
    gap,
    write_pages,
)
from core.report.pdf_table import table_pieces

TONES: dict[Tone, str] = {"plain": TEXT, "good": "#2F7D55", "warning": "#9A5B00", "muted": MUTED}
_BODY_SIZE = 8.5
_CHART = 1.95
"""Inches of a chart's height, with its title and axis."""
_SCALES = (1.0, 0.95, 1.05, 0.9, 1.1, 0.85, 1.15, 1.2, 1.25, 0.8, 1.3)


def write_pdf(document: Document, destination: Path) -> None:
    """Write `document` to `destination`, which is replaced."""
    import matplotlib as mpl

    with mpl.rc_context(
        {"pdf.fonttype": 42, "font.family": "DejaVu Sans", "text.parse_math": False, "axes.unicode_minus": False}
    ):
        ruler = Ruler()
        titles = {section.key: section.title for section in document.sections}

        def build(scale: float) -> Sequence[Piece]:
            pieces = [_head(document, ruler)]
            for section in document.sections:
                pieces += _section(section, ruler, titles, scale)
            return pieces

        title = f"{document.title}: {document.subtitle}"
        write_pages(best_pages(build, _SCALES), ruler, destination, title, document.footer)


def _head(document: Document, ruler: Ruler) -> Piece:
    lines = (
        (document.title.upper(), 8.0, "bold", ACCENT, 0.05),
        (document.subtitle, 18.0, "bold", TEXT, 0.06),
        ("  ·  ".join(document.facts), 9.0, "normal", MUTED, 0.05),
    )

    def draw(pen: Pen, top: float) -> None:
        for text, size, weight, colour, after in lines:
            top = pen.paragraph(text, 0.0, top, size, WIDTH, colour=colour, weight=weight) + after

    height = sum(ruler.height(text, size, weight, WIDTH) + after for text, size, weight, _, after in lines)
    return Piece(height, draw)


def _section(section: Section, ruler: Ruler, titles: Mapping[str, str], scale: float) -> list[Piece]:
    def heading(pen: Pen, top: float) -> None:
        pen.rule(top)
        pen.paragraph(section.title, 0.0, top + 0.1, 13, WIDTH, weight="bold")

    height = 0.1 + ruler.height(section.title, 13, "bold", WIDTH) + 0.12
    pieces = [gap(0.16), Piece(height, heading, stays=True, marks=section.key)]
    charts: list[Chart] = []
    for block in section.blocks:
        if isinstance(block, Text | Verdict | Facts | Figures | Findings | Table):
            pieces += _charts(charts, ruler, scale)
            charts = []
        match block:
            case Text():
                mark = "▲ " if block.tone == "warning" else ""
                pieces.append(_paragraph(mark + block.text, ruler, TONES[block.tone]))
            case Verdict():
                pieces.append(_verdict(block, ruler))
            case Facts():
                pieces.append(_facts(block, ruler))
            case Figures():
                pieces += _figures(block, ruler)
            case Findings():
                pieces += _findings(block.items, ruler, titles)
            case Table():
                pieces += table_pieces(block, ruler, TONES)
            case _:
                charts.append(block)
    return [*pieces, *_charts(charts, ruler, scale)]


def _paragraph(text: str, ruler: Ruler, colour: str) -> Piece:
    height = ruler.height(text, _BODY_SIZE, "normal", WIDTH) + 0.09
    # What a line introduces stands under it.
    return Piece(
        height, lambda pen, top: _ignore(pen.paragraph(text, 0.0, top, _BODY_SIZE, WIDTH, colour=colour)),
        stays=text.endswith(":"),
    )  # fmt: skip


def _verdict(block: Verdict, ruler: Ruler) -> Piece:
    text, size = " ".join(block.sentences), 11.0
    height = ruler.height(text, size, "normal", WIDTH - 0.2)

    def draw(pen: Pen, top: float) -> None:
        pen.bar(0.0, top, 0.04, height, TONES[block.tone] if block.tone != "plain" else LINE)
        pen.paragraph(text, 0.16, top, size, WIDTH - 0.2)

    return Piece(height + 0.15, draw)


def _facts(block: Facts, ruler: Ruler) -> Piece:
    left = max((ruler.width(name, _BODY_SIZE) for name, _ in block.items), default=0.0) + 0.2

    def draw(pen: Pen, top: float) -> None:
        for name, value in block.items:
            pen.put(name, 0.0, top, _BODY_SIZE, colour=MUTED)
            top = pen.paragraph(value, left, top, _BODY_SIZE, WIDTH - left) + 0.02

    heights = [ruler.height(value, _BODY_SIZE, "normal", WIDTH - left) + 0.02 for _, value in block.items]
    return Piece(sum(heights) + 0.12, draw)


def _figures(block: Figures, ruler: Ruler) -> Iterator[Piece]:
    """Return rows of at most six key figures."""
    for begin in range(0, len(block.items), 6):
        items = block.items[begin : begin + 6]
        each = WIDTH / max(4, len(items))

        def draw(pen: Pen, top: float, items: Sequence[tuple[str, str, str]] = items, each: float = each) -> None:
            for index, (label, value, note) in enumerate(items):
                x = index * each
                pen.put(label, x, top, 7.5, colour=MUTED)
                pen.put(value, x, top + 0.15, 11, weight="bold")
                pen.paragraph(note, x, top + 0.35, 7, each - 0.08, colour=MUTED)

        notes = max((ruler.height(note, 7, "normal", each - 0.08) for *_, note in items), default=0.0)
        yield Piece(0.42 + notes, draw, stays=True)


def _findings(findings: Sequence[Finding], ruler: Ruler, titles: Mapping[str, str]) -> Iterator[Piece]:
    """Yield the root cause over the whole page, the others side by side."""
    causes = [finding for finding in findings if finding.severity == "cause"]
    others = [finding for finding in findings if finding.severity != "cause"]
    for row in [*([cause] for cause in causes), others] if others else [[cause] for cause in causes]:
        each = (WIDTH - 0.2 * (len(row) - 1)) / len(row)
        lines = [_finding_lines(finding) for finding in row]
        inner = each - 0.2
        heights = [
            sum(ruler.height(text, size, weight, inner) + 0.03 for text, size, weight, _ in part) for part in lines
        ]
        sees = [0.16 if finding.evidence in titles else 0.0 for finding in row]
        height = max(a + b for a, b in zip(heights, sees, strict=True))

        def draw(
            pen: Pen,
            top: float,
            row: Sequence[Finding] = row,
            lines: Sequence[Sequence[tuple[str, float, str, str]]] = lines,
            each: float = each,
            height: float = height,
        ) -> None:
            for index, (finding, part) in enumerate(zip(row, lines, strict=True)):
                x, y = index * (each + 0.2), top
                pen.bar(x, top, 0.035, height, TONES["good" if finding.severity == "info" else "warning"])
                for text, size, weight, colour in part:
                    y = pen.paragraph(text, x + 0.14, y, size, each - 0.2, colour=colour, weight=weight) + 0.03
                if finding.evidence in titles:
                    where = f"See {titles[finding.evidence]}, page {pen.pages.get(finding.evidence, 1)}"
                    pen.put(where, x + 0.14, y, 7.5, colour=ACCENT)

        yield Piece(height + 0.16, draw)


def _finding_lines(finding: Finding) -> Sequence[tuple[str, float, str, str]]:
    mark = TONES["good" if finding.severity == "info" else "warning"]
    return (
        (MARKS[finding.severity], 7.0, "bold", mark),
        (finding.title, 9.5, "bold", TEXT),
        (finding.text, 8.0, "normal", TEXT),
        *([(f"Change: {finding.change}", 8.0, "normal", TEXT)] if finding.change else ()),
        *([(f"Gain: {finding.gain}", 8.0, "normal", MUTED)] if finding.gain else ()),
    )


def _charts(charts: Sequence[Chart], ruler: Ruler, scale: float) -> Iterator[Piece]:
    """Return charts two by two; bars and box plots over the whole width."""
    waiting: list[Chart] = []
    for chart in charts:
        if isinstance(chart, ShareBar | BoxPlot):
            yield from _row(waiting, ruler, scale)
            waiting = []
            yield _wide(chart)
            continue
        waiting.append(chart)
        if len(waiting) == 2:
            yield from _row(waiting, ruler, scale)
            waiting = []
    yield from _row(waiting, ruler, scale)


def _row(charts: Sequence[Chart], ruler: Ruler, scale: float) -> Iterator[Piece]:
    if not charts:
        return
    shown, between, height = tuple(charts), 0.3, _CHART * scale
    width = (WIDTH - between) / 2 if len(shown) > 1 else WIDTH
    notes = ["" if isinstance(chart, ShareBar) else chart.note for chart in shown]
    below = max(ruler.height(note, 7, "normal", width) if note else 0.0 for note in notes)

    def draw(pen: Pen, top: float) -> None:
        for index, (chart, note) in enumerate(zip(shown, notes, strict=True)):
            x = index * (width + between)
            pen.put(chart.title, x, top, 8.5, weight="bold")
            pdf_charts.draw(chart, pen.axes(x + 0.5, top + 0.22, width - 0.5, height - 0.78))
            if note:
                pen.paragraph(note, x, top + height - 0.02, 7, width, colour=MUTED)

    yield Piece(height + below + 0.1, draw)


def _wide(chart: ShareBar | BoxPlot) -> Piece:
    body = 0.22 if isinstance(chart, ShareBar) else 0.25 * len(chart.boxes) + 0.1
    left = 0.0 if isinstance(chart, ShareBar) else 1.3

    def draw(pen: Pen, top: float) -> None:
        pen.put(chart.title, 0.0, top, 8.5, weight="bold")
        pdf_charts.draw(chart, pen.axes(left, top + 0.2, WIDTH - left, body))
        if isinstance(chart, ShareBar):
            x, y = 0.0, top + 0.27 + body
            for label, colour, _, text in chart.parts:
                pen.put("■", x, y, 8, colour=SERIES[colour % 8])
                x += 0.14
                x += pen.put(f"{label} {text}", x, y, 7.5, colour=MUTED) + 0.2

    return Piece(body + (0.58 if isinstance(chart, ShareBar) else 0.5), draw)


def _ignore(_: float) -> None:
    return None
