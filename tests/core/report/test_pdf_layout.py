from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure

from core.report.document import Line, LineChart
from core.report.pdf_charts import draw
from core.report.pdf_layout import BODY, Piece, best_pages, break_pages, fill, gap


def _piece(height: float, *, stays: bool = False, again: Piece | None = None, marks: str = "") -> Piece:
    return Piece(height, lambda pen, top: None, stays=stays, again=again, marks=marks)


def _heights(pages: Sequence[Sequence[tuple[Piece, float]]]) -> list[list[float]]:
    return [[piece.height for piece, _ in page] for page in pages]


def test_a_heading_is_never_alone_at_the_foot() -> None:
    pages = break_pages([_piece(9), _piece(0.5, stays=True), _piece(1)], body=10)
    assert _heights(pages) == [[9], [0.5, 1]]


def test_what_stays_together_moves_together() -> None:
    chain = [_piece(1, stays=True), _piece(1, stays=True), _piece(1)]
    assert _heights(break_pages([_piece(8), *chain], body=10)) == [[8], [1, 1, 1]]


def test_more_than_a_page_that_should_stay_together_is_broken_all_the_same() -> None:
    pages = break_pages([_piece(4, stays=True), _piece(4, stays=True), _piece(4)], body=10)
    assert _heights(pages) == [[4, 4], [4]]


def test_a_gap_is_left_out_at_the_top_of_a_page() -> None:
    pages = break_pages([_piece(9.5), gap(0.2), _piece(1)], body=10)
    assert [[(piece.is_gap, top) for piece, top in page] for page in pages] == [[(False, 0)], [(False, 0)]]


def test_a_tables_head_is_drawn_again() -> None:
    head = _piece(1)
    rows = [_piece(3, again=head) for _ in range(5)]
    assert _heights(break_pages([_piece(1, stays=True), *rows], body=10)) == [[1, 3, 3, 3], [1, 3, 3]]


@pytest.mark.parametrize("charts", range(1, 40))
def test_no_page_is_half_empty(charts: int) -> None:
    def build(scale: float) -> Sequence[Piece]:
        pieces: list[Piece] = []
        for number in range(charts):
            pieces += [gap(0.16), _piece(0.4, stays=True), _piece(2.0 * scale), _piece(0.2)]
            pieces += [_piece(0.2) for _ in range(number % 7)]
        return pieces

    pages = best_pages(build, (1.0, 0.95, 1.05, 0.9, 1.1, 0.85, 1.15, 1.2, 1.25, 0.8, 1.3))
    assert all(fill(page) > 0.7 for page in pages[:-1])
    assert len(pages) == 1 or fill(pages[-1]) > 0.25
    assert all(top + piece.height <= BODY for page in pages for piece, top in page if not piece.is_gap)


@pytest.mark.parametrize("height", [0.6, 1.5])
def test_a_legend_lies_below_the_name_of_its_axis(height: float) -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.add_axes((0.2, 0.4, 0.7, height / 3))
    lines = [Line(name, number, np.arange(9.0), np.arange(9.0)) for number, name in enumerate(("all", "this"))]
    draw(LineChart("CPU", tuple(lines), "seconds since the start", "%"), axes)
    figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().y1 <= axes.xaxis.label.get_window_extent().y0
