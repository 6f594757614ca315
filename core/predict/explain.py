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
from training_scripts.preprocess import field_of_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.predict.serving import InferenceModel

STEPS = 10
"""The square that the network sees is covered at STEPS x STEPS places."""
COVER = 1 / 4
"""Side of the cover as a share of that square: large enough to hide a part of a thing, small enough to tell parts."""
BATCH = 25
OVERLAY_EDGE = 512
# From nothing over yellow and orange to a dark red: more weight is warmer and more opaque, told apart without colour.
_STOPS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_RAMP = np.array(
    [[255, 236, 140, 0], [255, 214, 92, 90], [249, 146, 50, 165], [221, 68, 38, 210], [150, 10, 38, 235]], np.float64
)


def explain(
    served: InferenceModel, decoded: Decoded, label: str | None, cancelled: Callable[[], bool] = lambda: False
) -> tuple[str, float, bytes]:
    """(label, its probability uncovered, overlay of the whole picture as PNG) for `label`, by default the best class.

    Raises:
        Cancelled: `cancelled` said so.
        ModelError: the model has no class of that name.
    """
    row = served.probabilities(decoded.pixels[None])[0]
    if label is not None and label not in served.card.classes:
        raise ModelError(f"The model has no class {label!r}.", fix="Ask for one of its classes.")
    index = int(row.argmax()) if label is None else served.card.classes.index(label)
    heat = occlusion(served, decoded.pixels, index, float(row[index]), cancelled)
    return served.card.classes[index], float(row[index]), overlay(heat, decoded)


def occlusion(
    served: InferenceModel,
    pixels: NDArray[np.uint8],
    index: int,
    uncovered: float,
    cancelled: Callable[[], bool] = lambda: False,
) -> NDArray[np.float64]:
    """(STEPS, STEPS), 0…1: the share of the largest loss of probability that covering each place costs.

    Raises:
        Cancelled: `cancelled` said so.
    """
    size = pixels.shape[0]
    cover = round(size * COVER)
    centres = (np.arange(STEPS) + 0.5) * size / STEPS
    starts = np.clip((centres - cover / 2).round().astype(int), 0, size - cover)
    # The picture's own mean colour is the least remarkable one.
    grey = pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    places = [(top, left) for top in starts for left in starts]
    losses: list[NDArray[np.float64]] = []
    for first in range(0, len(places), BATCH):
        if cancelled():
            raise Cancelled
        part = places[first : first + BATCH]
        covered = np.repeat(pixels[None], len(part), axis=0)
        for picture, (top, left) in zip(covered, part, strict=True):
            picture[top : top + cover, left : left + cover] = grey
        losses.append(uncovered - served.probabilities(covered)[:, index])
    heat = np.maximum(np.concatenate(losses).reshape(STEPS, STEPS), 0.0)
    most = float(heat.max())
    return heat / most if most > 1e-9 else heat


def overlay(heat: NDArray[np.float64], decoded: Decoded) -> bytes:
    """`heat` as an RGBA PNG of the whole picture's shape; transparent outside of what the network saw."""
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
