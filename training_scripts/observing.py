"""What watches a training, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Mode = Literal["TRAIN", "EVAL"]
Phase = Literal["data_loading", "forward", "backward", "optimizer", "evaluation"]


class Observer:
    """Something that watches a training; every method may be left as it is."""

    def set_mode(self, mode: Mode) -> None:
        """From now on the model trains (TRAIN) or is evaluated (EVAL)."""

    def begin_step(self, step: int) -> None:
        """Training step `step` begins; steps count from 0 through the whole job. In EVAL: the batch's number."""

    def begin_phase(self, name: Phase) -> None:
        """Note that a part of the step begins."""

    def end_phase(self, name: Phase) -> None:
        """Note that the part of the step that began last is over."""

    def batch(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """What went in and came out: (N, …), (N, classes), (N,) and a scalar; not detached, on their own device."""

    def end_step(self, step: int) -> None:
        """Note that the step is over, the optimizer has moved the weights; gradients are still there."""

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Epoch `epoch` (from 1) is over; `metrics` as train.py prints them."""

    def close(self) -> None:
        """Note that the job ends, well or not."""
