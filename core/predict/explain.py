"""Where a model looks, by occlusion: cover one spot after another and see how much less sure it becomes.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014), section 4.2. It asks the network
nothing but answers, so it works alike for every backbone and runtime.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.errors import Cancelled, ModelError
from core.predict.decoding import Decoded
from core.translation import tr
from training_scripts.preprocess import Box, View, field_of_view, views_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.models.inference_model import InferenceModel
    from training_scripts.backbones import Preprocessing

STEPS = 10
"""What the network sees of the picture is covered at STEPS x STEPS places."""
COVER = 1 / 4
"""Side of the cover as a share of that: large enough to hide a part of a thing, small enough to tell parts."""
BATCH = 25
OVERLAY_EDGE = 512
# From nothing over yellow and orange to a dark red: more weight is warmer and more opaque, distinct without colour.
_STOPS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_RAMP = np.array(
    [[255, 236, 140, 0], [255, 214, 92, 90], [249, 146, 50, 165], [221, 68, 38, 210], [150, 10, 38, 235]], np.float64
)


def explain(
    served: InferenceModel, decoded: Decoded, label: str | None, cancelled: Callable[[], bool] = lambda: False
) -> tuple[str, float, bytes]:
    """Return (label, its probability uncovered, overlay of the whole picture as PNG) for `label`, else the best class.

    Raises:
        Cancelled: `cancelled` said so.
        ModelError: the model has no class of that name.
    """
    row = served.probabilities(decoded.pixels[None])[0]
    if label is not None and label not in served.card.classes:
        raise ModelError(
            tr("The model has no class {label!r}.").format(label=label), fix=tr("Ask for one of its classes.")
        )
    index = int(row.argmax()) if label is None else served.card.classes.index(label)
    heat = occlusion(served, decoded, index, float(row[index]), cancelled)
    return served.card.classes[index], float(row[index]), overlay(heat, decoded)


def occlusion(
    served: InferenceModel,
    decoded: Decoded,
    index: int,
    uncovered: float,
    cancelled: Callable[[], bool] = lambda: False,
) -> NDArray[np.float64]:
    """Return (STEPS, STEPS), 0…1: the share of the largest loss of probability that covering each place costs.

    Raises:
        Cancelled: `cancelled` said so.
    """
    # The picture's own mean colour is the least remarkable one.
    grey = decoded.pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    places = covers(decoded.size, decoded.preprocessing)
    losses: list[NDArray[np.float64]] = []
    for first in range(0, len(places), BATCH):
        if cancelled():
            raise Cancelled
        part = places[first : first + BATCH]
        covered = np.repeat(decoded.pixels[None], len(part), axis=0)
        for picture, rectangles in zip(covered, part, strict=True):
            views = picture.reshape(-1, *picture.shape[-3:])
            for view, (left, top, right, bottom) in zip(views, rectangles, strict=True):
                view[top:bottom, left:right] = grey
        losses.append(uncovered - served.probabilities(covered)[:, index])
    heat = np.maximum(np.concatenate(losses).reshape(STEPS, STEPS), 0.0)
    most = float(heat.max())
    return heat / most if most > 1e-9 else heat


def covers(size: tuple[int, int], preprocessing: Preprocessing) -> list[list[tuple[int, int, int, int]]]:
    """Return which pixels of each view are covered at each place of a picture of `size`: left, top, right, bottom.

    The places are over all that the network sees of the picture, row by row; a view that a place is not in gets an
    empty rectangle.
    """
    left, top, right, bottom = field_of_view(size, preprocessing)
    starts = np.clip((np.arange(STEPS) + 0.5) / STEPS - COVER / 2, 0, 1 - COVER)
    found = []
    for row in starts:
        for column in starts:
            x, y = left + column * (right - left), top + row * (bottom - top)
            spot = (x, y, x + COVER * (right - left), y + COVER * (bottom - top))
            found.append([_within(spot, view, preprocessing.size) for view in views_of(size, preprocessing)])
    return found


def _within(spot: Box, view: View, size: int) -> tuple[int, int, int, int]:
    """Return a spot of the picture in the pixels of a view of it."""
    left, top, right, bottom = view.box
    xs = [round(size * min(max((x - left) / (right - left), 0), 1)) for x in (spot[0], spot[2])]
    ys = [round(size * min(max((y - top) / (bottom - top), 0), 1)) for y in (spot[1], spot[3])]
    if view.mirrored:
        xs = [size - x for x in reversed(xs)]
    return xs[0], ys[0], xs[1], ys[1]


def overlay(heat: NDArray[np.float64], decoded: Decoded) -> bytes:
    """Return `heat` as an RGBA PNG of the whole picture's shape; transparent outside of what the network saw."""
    width, height = decoded.size
    scale = OVERLAY_EDGE / max(width, height)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top, right, bottom = map(round, field_of_view(shape, decoded.preprocessing))
    seen = (max(1, right - left), max(1, bottom - top))
    grey = Image.fromarray((255 * heat).astype(np.uint8)).resize(seen, Image.Resampling.BICUBIC)
    values = np.asarray(grey, np.float64) / 255
    colours = np.stack([np.interp(values, _STOPS, _RAMP[:, channel]) for channel in range(4)], axis=-1)
    whole = Image.new("RGBA", shape, (0, 0, 0, 0))
    whole.paste(Image.fromarray(colours.astype(np.uint8)), (left, top))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()
