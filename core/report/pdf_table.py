"""Tables of the PDF: columns as wide as their words need, a head on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.report.document import Table, Tone
from core.report.pdf_layout import MUTED, TEXT, WIDTH, Pen, Piece, Ruler, gap

_SHORT = 8
"""Rows of a table that is never broken."""
_SIZE, _PAD, _LINE_HEIGHT = 7.3, 0.08, 7.3 * 1.32 / 72


def table_pieces(table: Table, ruler: Ruler, tones: Mapping[Tone, str]) -> list[Piece]:
    """Return a table row by row; a short one stays whole, and no page begins or ends with a single row of a longer."""
    widths = column_widths(table, ruler)
    head = _row(table.columns, [MUTED] * len(widths), ["normal"] * len(widths), widths, table.right, ruler)
    rows = []
    for number, row in enumerate(table.rows):
        tone: Tone = table.tones[number] if table.tones else "plain"
        colours = [tones[tone] if index == 1 and table.tones else TEXT for index in range(len(row))]
        weights = ["bold" if index == 1 and tone in ("warning", "good") else "normal" for index in range(len(row))]
        left = len(table.rows) - 1 - number
        stays = left > 0 and (number == 0 or left == 1 or len(table.rows) <= _SHORT)
        rows.append(_row(row, colours, weights, widths, table.right, ruler, stays=stays, again=head))
    first = Piece(head.height, head.draw, stays=True)
    return [first, *rows, gap(0.14)]


def _row(
    cells: Sequence[str],
    colours: Sequence[str],
    weights: Sequence[str],
    widths: Sequence[float],
    right: frozenset[int],
    ruler: Ruler,
    *,
    stays: bool = False,
    again: Piece | None = None,
) -> Piece:
    wrapped = [
        ruler.wrap(text, _SIZE, weight, widths[index] - _PAD)
        for index, (text, weight) in enumerate(zip(cells, weights, strict=True))
    ]
    height = max(len(lines) for lines in wrapped) * _LINE_HEIGHT + 0.05

    def draw(pen: Pen, top: float) -> None:
        x = 0.0
        for index, lines in enumerate(wrapped):
            at = x + (widths[index] - _PAD if index in right else 0.0)
            for number, line in enumerate(lines):
                pen.put(
                    line,
                    at,
                    top + number * _LINE_HEIGHT,
                    _SIZE,
                    colour=colours[index],
                    weight=weights[index],
                    right=index in right,
                )
            x += widths[index]
        pen.rule(top + height)

    return Piece(height + 0.045, draw, stays=stays, again=again)


def column_widths(table: Table, ruler: Ruler) -> list[float]:
    """Return widths as of the longest cell where that fits; else no column narrower than its longest word."""
    natural, least = [], []
    for index, name in enumerate(table.columns):
        cells = (name, *(row[index] for row in table.rows))
        natural.append(max(ruler.width(text, _SIZE, "bold") for text in cells) + _PAD + 0.03)
        whole = index in table.right or (index == 1 and bool(table.tones))  # numbers and verdicts stay in one line
        words = {word for text in cells for word in ([text] if whole else text.split())}
        least.append(max((ruler.width(word, _SIZE, "bold") for word in words), default=0.0) + _PAD + 0.03)
    if sum(natural) <= WIDTH:
        spare = (WIDTH - sum(natural)) / len(natural)
        return [width + spare for width in natural]
    if sum(least) >= WIDTH:  # a name longer than the page: it is broken
        return [width * WIDTH / sum(least) for width in least]
    share = (WIDTH - sum(least)) / (sum(natural) - sum(least))
    return [low + (wide - low) * share for low, wide in zip(least, natural, strict=True)]
