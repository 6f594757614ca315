"""Which model answers: those there are, the chosen one, and its loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.dataset.manifest import Manifest
from core.errors import ModelError, UserFacingError
from core.models import Model, ModelAddress, ModelKind
from core.models.choices import ModelChoice
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.predict.model_chooser import ModelChooser
from gui.predict.predict_session import PredictSession
from gui.shared.feedback import Banner

Models = tuple[ModelChoice | None, list[ModelChoice], str]
"""The best model, all models, and the name of the folder the best one learned from, if not the dataset in use."""


class AnsweringModel(QObject):
    """Keeps the chosen model loaded, and says where it learned from another dataset than the open one.

    Signals:
        offered(): there are other models, or another one is chosen.
        chosen(): another model is chosen, and being loaded.
        failed(UserFacingError): the models could not be asked for, or the wanted one is not there.
    """

    offered = Signal()
    chosen = Signal()
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed, session: PredictSession) -> None:
        super().__init__()
        self._workbench, self._bridge, self._feed, self._session = workbench, bridge, feed, session
        self._dataset: Manifest | None = None
        self.chooser = ModelChooser()
        self.chooser.model_chosen.connect(lambda _address: self._on_chosen())
        self.foreign = Banner()
        self.foreign.hide()
        session.model_loaded.connect(self._on_loaded)

    def set_dataset(self, dataset: Manifest) -> None:
        """Prefer models that learned from this dataset, from the next `refresh` on."""
        self._dataset = dataset

    def set_endpoints(self, names: Sequence[str]) -> None:
        """Offer these endpoints."""
        self.chooser.set_endpoints(names)
        self.offered.emit()

    def refresh(self) -> None:
        """Ask which models there are, and load the chosen one if it is another now."""
        self._bridge.run(self._ask, self._on_answer, self.failed.emit)

    def use_job(self, job: str, then: Callable[[bool], None] | None = None) -> None:
        """Choose a job's model ("best" for the best one) and load it.

        `then` shows pictures of that job's, once it is known whether it has a model. For them the choice stays as it
        is where it comes to this model already: the best one is still followed.
        """
        address = ModelAddress.job(job)

        def answered(models: Models) -> None:
            self._offer(models)
            has_model = (then is not None and self.chooser.resolved == address) or self.use(address)
            if not has_model:
                sentence = tr("{job} has no model.").format(job=job)
                failed(ModelError(sentence, tr("It did not finish, or was deleted."), tr("Choose another job.")))
            elif then is not None:
                then(True)

        def failed(error: UserFacingError) -> None:
            self.failed.emit(error)
            if then is not None:
                then(False)

        self._bridge.run(self._ask, answered, failed)

    def use(self, address: ModelAddress) -> bool:
        """Choose one of the models offered and load it; return whether it is among them."""
        is_offered = self.chooser.choose(address)
        if is_offered:
            self._on_chosen()
        return is_offered

    def _ask(self, on_progress: OnProgress, cancel: CancelToken) -> Models:
        workbench, dataset = self._workbench, self._dataset
        best, elsewhere = workbench.models.best(dataset), ""
        if best is not None and dataset is not None and best.dataset_version != dataset.version:
            folder = workbench.models.dataset_of(best.job)
            elsewhere = "" if folder == str(dataset.root) else Path(folder).name or tr("another dataset")
        return best, workbench.models.choices(), elsewhere

    def _offer(self, models: Models) -> None:
        self.chooser.set_models(*models)
        self.offered.emit()

    def _on_answer(self, models: Models) -> None:
        self._offer(models)
        wanted, model = self.chooser.resolved, self._session.model
        if wanted is None or self._session.loading:
            return
        # While a search runs its best trial changes often, and loading would take its time from the search.
        if model is None or (model.address != wanted and not self._feed.running):
            self._session.load(self.chooser.wanted)
        else:
            self._on_loaded(model)  # another dataset may be open since

    def _on_chosen(self) -> None:
        self.offered.emit()
        self._session.load(self.chooser.wanted)
        self.chosen.emit()

    def _on_loaded(self, model: Model) -> None:
        name, dataset = model.name, self._dataset
        if dataset is None or model.address.kind is not ModelKind.JOB:
            self.foreign.set_text("")
            return

        def show(folder: str) -> None:
            if model is not self._session.model or dataset is not self._dataset:
                return
            # Chosen by the user, it answers; but its classes should not surprise.
            sentence = tr(
                "This model learned from {there}: it names the classes of that, not those of {here}, which is open."
            )
            foreign = bool(folder) and folder != str(dataset.root) and set(model.classes) != set(dataset.classes)
            there, here = Path(folder).name, dataset.root.name
            if there == here:
                there, here = folder, str(dataset.root)
            self.foreign.set_text(sentence.format(there=there, here=here) if foreign else "")

        self._bridge.run(lambda on_progress, cancel: self._workbench.models.dataset_of(name), show, self.failed.emit)
