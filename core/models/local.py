"""A model in a folder of this machine, answered by the predictor process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.models.info import read_info
from core.models.model import Model, ModelAddress, OnAnswer, OnNotice, ignore_notice
from core.models.threshold import moved
from core.predict.predictor import Predictor
from core.predict.records import Answer, Explanation, Prediction, Source
from core.progress import CancelToken, OnProgress, ignore_progress


class LocalModel(Model):
    """The model of a folder: a trial's, an imported archive's or an exported one.

    Args:
        predictor: the process that holds it. One that has loaded another model since loads this one again.
        folder: what an archive unpacks to, or what was exported.
        address: where the model came from.
        name: what it is called; "" for the name of its training job.
        job_folder: where moves of the threshold are kept; None where the user cannot have moved it.
    """

    explains = True

    def __init__(
        self,
        predictor: Predictor,
        folder: Path,
        address: ModelAddress,
        name: str = "",
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        job_folder: Path | None = None,
    ) -> None:
        self._loaded = predictor.load(folder, name, on_progress, cancel)
        info = read_info(folder, self._loaded.name)
        info = replace(info, threshold=moved(info.threshold, job_folder))
        super().__init__(info.name, address, info, self._loaded.runtime, self._loaded.why_runtime)
        self.folder = folder
        self._predictor = predictor

    def classify(
        self,
        pictures: Sequence[Source],
        top_k: int | None = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: OnAnswer | None = None,
        on_notice: OnNotice = ignore_notice,
        *,
        thumbnail: int = 0,
    ) -> list[Answer]:
        """Classify in the predictor process."""

        def take(number: int, answer: Answer) -> None:
            if on_answer is not None:
                on_answer(number, self._judged(answer))

        asked = self._predictor.classify(
            pictures, top_k, on_progress, cancel, take, model=self._loaded, thumbnail=thumbnail
        )
        return [self._judged(answer) for answer in asked]

    def nearest(self, picture: Source, count: int, cancel: CancelToken | None = None) -> list[tuple[str, float]]:
        """Compare in the predictor process."""
        return self._predictor.nearest(picture, count, cancel, model=self._loaded)

    def _judged(self, answer: Answer) -> Answer:
        """Return an answer with what the threshold says of it."""
        threshold = self.info.threshold if self.info is not None else None
        if threshold is None or not isinstance(answer, Prediction) or answer.strangeness is None:
            return answer
        return replace(answer, unknown=answer.strangeness > threshold.value)

    def explain(self, picture: Source, label: str | None = None, cancel: CancelToken | None = None) -> Explanation:
        """Explain in the predictor process, by occlusion."""
        return self._predictor.explain(picture, label, cancel, model=self._loaded)
