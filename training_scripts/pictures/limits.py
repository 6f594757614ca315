"""What one picture, and all pictures at once, may cost: memory and time."""

from __future__ import annotations

import io
import threading
import time
import weakref
from typing import TYPE_CHECKING

from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 1 << 30
"""A larger file is not a picture that is trained on; it is not even read."""
MAX_SIDE = 20_000
MAX_PIXELS = 120_000_000
DECODE_SECONDS = 30.0
"""Processor time, so that a busy machine refuses no picture; the largest that are read take a third of it."""
BUDGET_BYTES = 1 << 30
"""Pixels that all threads of a process may hold at once; a single picture that needs more is decoded alone."""
BYTES_PER_PIXEL = 12
"""As decoded, as RGB, and what is between the two; Pillow keeps 4 bytes of an RGB pixel."""

_COUNTED = 16 << 20


class TooLarge(PictureUnreadable):
    """A file or a picture is larger than the limits."""


def check_size(width: int, height: int) -> None:
    """Raise TooLarge where a picture is."""
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise TooLarge(
            f"The picture is too large: {width:,} x {height:,} pixels, where at most {MAX_SIDE:,} a side "
            f"and {MAX_PIXELS // 1_000_000} million in all are read."
        )


class PixelBudget:
    """Bounds the memory that decoded pictures take in all threads together."""

    def __init__(self, limit: int = BUDGET_BYTES, patience_s: float = 120.0) -> None:
        self._limit, self._used, self._patience_s = limit, 0, patience_s
        self._changed = threading.Condition()

    @property
    def used(self) -> int:
        """Return bytes that are reserved now."""
        return self._used

    def reserve(self, size: tuple[int, int]) -> int:
        """Wait until there is room for a picture of `size`; returns its bytes, to be given to `keep` or `give_back`.

        Small pictures do not count. Where no room comes for long, the picture is decoded all the same: a thread that
        holds one picture and waits for a second must not wait forever.
        """
        cost = size[0] * size[1] * BYTES_PER_PIXEL
        if cost < _COUNTED:
            return 0
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + cost <= self._limit, self._patience_s)
            self._used += cost
        return cost

    def give_back(self, cost: int) -> None:
        """End a reservation."""
        if cost:
            with self._changed:
                self._used -= cost
                self._changed.notify_all()

    def keep(self, cost: int, image: Image.Image) -> None:
        """Let a reservation last as long as `image` does."""
        if cost:
            weakref.finalize(image, self.give_back, cost).atexit = False


class TimedBytes(io.BytesIO):
    """An encoded picture that ends with PictureUnreadable when its decoder has taken too much time to read it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.start_again()

    def start_again(self) -> None:
        """Give the decoder the whole time, as for the next frame."""
        self._until = time.thread_time() + DECODE_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as of any file, until the time is over."""
        if time.thread_time() > self._until:
            raise PictureUnreadable(f"The picture takes more than {DECODE_SECONDS:.0f} seconds to decode.")
        return super().read(size)
