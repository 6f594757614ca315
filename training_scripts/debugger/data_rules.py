"""Rules about time and repeated data: AWS Debugger's names, parameters and defaults, and one of ours."""

from __future__ import annotations

import time
from typing import Any

from training_scripts.debugger.health import TRAIN_LOSS, VALID_LOSS, HealthRule, parse_steps


class StalledTrainingRule(HealthRule):
    """Fires when no tensor was saved for `threshold` seconds.

    `stop_training_on_fire` ends the job, as the action "stop" does; `training_job_name_prefix` is AWS's way of finding
    it, and not needed here. On a finished trial the times at which steps were saved are compared.
    """

    meaning: str = "The training hangs: nothing has happened for a long time."
    advice: str = "Look at the job's log and at the disk or network that the pictures come from."

    def __init__(
        self,
        base_trial: Any,
        threshold: float = 1800.0,
        stop_training_on_fire: bool = False,
        training_job_name_prefix: str | None = None,
    ) -> None:
        super().__init__(base_trial)
        self.threshold, self.stop_training_on_fire = threshold, stop_training_on_fire
        self.training_job_name_prefix = training_job_name_prefix
        self._last: float | None = None

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        saved_at = getattr(self.base_trial, "saved_at", None)
        now = saved_at(step) if saved_at else time.time()
        if now is None:
            return False
        gap, self._last = (0.0 if self._last is None else now - self._last), now
        return self._judge(step, gap)

    def invoke_idle(self, step: int, now: float) -> bool:
        """Whether the trial, whose last step is `step`, is stalled at Unix time `now`."""
        return self._last is not None and now - self._last > self.threshold and self._judge(step, now - self._last)

    def _judge(self, step: int, gap: float) -> bool:
        self.note(step, gap, self.threshold)
        return self.found(f"Nothing was saved for {gap:.3g} seconds.") if gap > self.threshold else False


class LeakageSuspicion(HealthRule):
    """Fires when validation pictures look like training pictures, or do suspiciously well. Ours.

    Inputs: among the saved inputs more than `share` of the evaluated rows (and at least 3) are exactly those of
    training rows. Losses: from the first epoch on, `patience` epochs in a row, the validation loss is below
    `ratio_threshold` times the training loss of the *next* epoch. The next one, because the training loss of an epoch
    is a mean while the network still learned. Dropout, augmentation and label smoothing make the training loss larger
    for good reasons: set `compare_losses` to false with them.
    """

    meaning: str = "Validation pictures seem to be among the training pictures, so the results are too good."
    advice: str = "Split the dataset in another way, with duplicates and pictures of one series kept on one side."

    def __init__(
        self,
        base_trial: Any,
        ratio_threshold: float = 0.7,
        patience: int = 2,
        share: float = 0.05,
        compare_losses: bool = True,
    ) -> None:
        super().__init__(base_trial)
        self.ratio_threshold, self.patience = ratio_threshold, parse_steps(patience, "patience")
        self.share, self.compare_losses = share, compare_losses
        self._train: set[bytes] = set()
        self._valid: set[bytes] = set()
        self._valid_loss: float | None = None
        self._epochs = self._run = 0

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        mode = self.mode(step)
        rows = self._train if mode == "TRAIN" else self._valid if mode == "EVAL" else None
        if rows is not None:
            for name in self.names(step, collection="inputs"):
                rows.update(row.tobytes() for row in self.value(name, step))
        if not self.has(TRAIN_LOSS, step):
            return False
        return self._repeated(step) or self._too_good(step)

    def _repeated(self, step: int) -> bool:
        if not self._valid or not self._train:
            return False
        same = len(self._valid & self._train)
        self.note(step, same / len(self._valid), self.share)
        if same < 3 or same <= self.share * len(self._valid):
            return False
        return self.found(f"{same} of {len(self._valid)} inputs of evaluations were seen in training steps too.")

    def _too_good(self, step: int) -> bool:
        train, before = self.scalar(TRAIN_LOSS, step), self._valid_loss
        self._valid_loss = self.scalar(VALID_LOSS, step) if self.has(VALID_LOSS, step) else None
        if before is None or not self.compare_losses:
            return False
        self._epochs += 1
        self._run += before < self.ratio_threshold * train
        self.evaluated += 1
        if self._epochs != self.patience or self._run < self.patience:
            return False
        return self.found(f"The validation loss {before:.4g} is far below the training loss {train:.4g} after it.")
