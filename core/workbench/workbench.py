"""The use cases of Sagehound, by what they are about."""

from __future__ import annotations

from core.engine import Engine
from core.paths import AppPaths
from core.workbench.dataset_work import DatasetWork
from core.workbench.evaluation_work import EvaluationWork
from core.workbench.folder_work import FolderWork
from core.workbench.installation import Installation
from core.workbench.job_work import JobWork
from core.workbench.model_work import ModelWork
from core.workbench.report_work import ReportWork


class Workbench(Installation):
    """One installation and what can be done with it: `data`, `folders`, `jobs`, `models`, `evaluations`, `reports`.

    Every method may block on disk or network, so none is for the UI thread; each takes an `OnProgress` and a
    `CancelToken` where it can take longer than a moment.

    Args:
        paths: where files are kept.
        engine: the engine to use; the embedded local engine when None.
    """

    def __init__(self, paths: AppPaths, engine: Engine | None = None) -> None:
        super().__init__(paths, engine)
        self.data = DatasetWork(self)
        self.folders = FolderWork(self, self.data)
        self.jobs = JobWork(self, self.data, self.folders)
        self.models = ModelWork(self, self.data, self.jobs)
        self.evaluations = EvaluationWork(self, self.data, self.models)
        self.reports = ReportWork(self, self.data, self.jobs)

    def close(self) -> None:
        """Release the predictor, the engine and the store; jobs continue."""
        self.models.close()
        super().close()
