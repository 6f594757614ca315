"""The DataLoaders of a training: hears what they do, and tells those that are trained on from those of evaluations."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .code_site import site
from .harmless import harmless
from .state import Loader

if TYPE_CHECKING:
    from .findings import Findings
    from .session import Session


class Loaders:
    """What is known of them; `current` is the one whose batch came last.

    `waited` is how long the step has waited for batches; `fetching`: a loader makes one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.all: list[Loader] = []
        self.current: Loader | None = None
        self.waited = 0.0
        self.fetching = False
        self._by_loader: weakref.WeakKeyDictionary[Any, Loader] = weakref.WeakKeyDictionary()
        self._unused = False

    @property
    def findings(self) -> Findings:
        """Return where it is said that something broke."""
        return self._session.findings

    @harmless
    def made(self, loader: Any) -> None:
        """Note that a DataLoader was made."""
        self._add(loader, Loader(weakref.ref(loader), made=site()))

    @harmless
    def began_pass(self, loader: Any) -> Loader:
        """Note that the script begins to go through a DataLoader; return what is known of it."""
        known = self._by_loader.get(loader)
        if known is None:
            known = self._add(loader, Loader(weakref.ref(loader)))
        self._settle()
        known.passes += 1
        known.in_pass = 0
        try:
            known.length = len(loader)
        except Exception:
            known.length = None
        self._session.notify("began_pass", known)
        return known

    @harmless
    def loading(self) -> None:
        """Note that the script asks for a batch."""
        session = self._session
        self.fetching = session.here
        if session.recorder is not None and session.recorder.tracing and session.here:
            session.guard(session.recorder.before_batch, self.current)

    @harmless
    def loaded(self, loader: Loader, seconds: float) -> None:
        """Note that a batch has come."""
        session = self._session
        if not session.here:
            return
        self._settle()
        self.current = loader
        loader.batches += 1
        loader.in_pass += 1
        self.waited += seconds
        if session.recorder is not None:
            session.guard(session.recorder.after_batch, loader)
        session.notify("loaded", loader, seconds)

    def called(self) -> None:
        """Note that the batch went through a model."""
        self._unused = True

    def trains(self) -> None:
        """Note that the batch is trained on."""
        if self.current is not None:
            self.current.trained += 1
        self._unused = False

    def restart(self) -> None:
        """Forget what the batches were used for: another training begins."""
        for loader in self.all:
            loader.trained = loader.evaluated = 0

    def class_names(self) -> list[str]:
        """Return the classes that the dataset being trained on names."""
        from .checks.datasets import classes_of

        return [] if self.current is None else classes_of(self.current.dataset)

    def _add(self, loader: Any, known: Loader) -> Loader:
        self._by_loader[loader] = known
        self.all.append(known)
        return known

    def _settle(self) -> None:
        """Count the last batch as evaluated if it went through the model and no backward followed."""
        if self._unused and self.current is not None:
            self.current.evaluated += 1
        self._unused = False
