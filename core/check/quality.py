"""Pictures that teach little: blank, dark, blurred, tiny or very long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from core.check.findings import Finding, FindingKind, Remedy
from core.check.pixels import Little
from core.dataset.records import Picture
from core.translation import tr

_BLANK, _DARK, _PALE = 3.0, 40.0, 235.0
_TINY, _LONG = 32, 4.0
_BLURRED = 0.25
"""Of the usual sharpness of the dataset's pictures."""


def quality_findings(pictures: Sequence[Picture], littles: Mapping[int, Little]) -> Iterator[Finding]:
    """Yield one finding for each picture with a fault, by its gravest one.

    Blurred is meant by the dataset's own measure: far less sharp than its pictures usually are.
    """
    sharp = [little.sharpness for little in littles.values() if little.deviation > _BLANK]
    usual = float(np.median(sharp)) if sharp else 0.0
    smallest = float(np.median([min(picture.width, picture.height) for picture in pictures])) if pictures else 0.0
    for row, picture in enumerate(pictures):
        why, score = _fault(picture, littles.get(row), usual, smallest)
        if why:
            path = picture.path
            yield Finding(FindingKind.QUALITY, (path,), score, why, remedy=Remedy("exclude", (path,)))


def _fault(picture: Picture, little: Little | None, usual: float, smallest: float) -> tuple[str, float]:
    """Return what is wrong with a picture, "" for nothing, and how sure that is."""
    short, long = sorted((picture.width, picture.height))
    if little is not None:
        if little.deviation < _BLANK:
            return tr("The picture is blank: all of it has one brightness."), 1.0
        if little.high < _DARK:
            return tr("The picture is dark: 95 % of it is darker than {high:.0f} of 255.").format(high=little.high), 0.9
        if little.low > _PALE and little.deviation < 2 * _BLANK:
            return tr("The picture is overexposed: 95 % of it is brighter than {low:.0f} of 255.").format(
                low=little.low
            ), 0.8
    if short < _TINY and short < smallest / 2:
        return tr("The picture is tiny: {width} x {height} pixels.").format(
            width=picture.width, height=picture.height
        ), 0.9
    if long >= _LONG * short:
        return tr("The picture is very long: {width} x {height} pixels.").format(
            width=picture.width, height=picture.height
        ), 0.8
    if little is not None and usual > 0 and little.sharpness < _BLURRED * usual:
        share = little.sharpness / usual
        return tr("The picture is blurred: {share:.0%} as sharp as the others usually are.").format(
            share=share
        ), 1 - share
    return "", 0.0
