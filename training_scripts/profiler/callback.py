"""The profiler as a callback of a training: the sampler beside it, the step trace through it."""

from __future__ import annotations

from pathlib import Path

from ..callbacks import Callback, Mode, Phase
from .sampler import PATIENCE_S, Sampler
from .steps import StepTrace


class ProfilerCallback(Callback):
    """Writes system metrics and step events of one process of a job under `<output_dir>/profiler/`."""

    def __init__(
        self, output_dir: Path, node: str = "", steps_apart_s: float = 0.0, patience_s: float = PATIENCE_S
    ) -> None:
        self._sampler = Sampler.start(output_dir, node, patience_s=patience_s)
        self._trace = StepTrace(output_dir, node, steps_apart_s=steps_apart_s)
        self._mode: Mode = "TRAIN"

    def set_mode(self, mode: Mode) -> None:
        """Count the steps that follow as of this mode."""
        self._mode = mode

    def begin_step(self, step: int) -> None:
        """See `StepTrace.begin_step`."""
        self._trace.begin_step(self._mode, step)

    @property
    def tracing(self) -> bool:
        """Whether phases are of interest now."""
        return self._trace.tracing

    def begin_phase(self, name: Phase) -> None:
        """See `StepTrace.begin_phase`."""
        self._trace.begin_phase(name)

    def end_phase(self, name: Phase) -> None:
        """See `StepTrace.end_phase`."""
        self._trace.end_phase(name)

    def end_step(self, step: int) -> None:
        """See `StepTrace.end_step`."""
        self._trace.end_step()

    def close(self) -> None:
        """Write what is left; returns within half a second."""
        self._trace.close()
        self._sampler.close()
