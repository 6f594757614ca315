"""The order of classes from training to serving: in what is saved with a model, and in the script that loads it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..check_base import Check
from ..code_site import NOWHERE, Site
from ..saved_classes import class_order, fingerprint
from ..session import Session
from ..state import Model
from ..written_classes import written_classes
from .datasets import classes_of


class Serving(Check):
    """The classes that are saved beside a model, or that serve it, are numbered as it was trained with.

    A script that only serves a model is held against what was saved with it: the classes in the checkpoint itself, or
    those of the watched script that saved it.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._ours: list[str] = []
        self._trained: list[str] = []
        self._served: dict[Site, list[str]] = {}
        self._read: set[str] = set()

    def before_backward(self, root: Tensor) -> None:
        """Note the classes of the training data, whose loader may be gone when the model is saved."""
        loader = self.session.loaders.current
        if not self._ours and loader is not None:
            self._ours = classes_of(loader.dataset)
            self._compare_written(self._ours)

    def saved(self, value: Any, path: str, at: Site) -> None:
        """Hold the classes that a script saves against those of its training data, and remember them for its model."""
        ours = self._ours
        if not ours:
            return
        theirs = class_order(value, path)
        if theirs and self._differ(ours, theirs):
            self._say(ours, theirs, "the saved list", at)
        if model := fingerprint(value):
            self.session.model_classes.add(model, ours, path, self.session.findings.job)

    def restored(self, value: Any, path: str, at: Site) -> None:
        """Take what a loaded model's classes are, or the list of classes that it is served with."""
        model = fingerprint(value)
        order = class_order(value, path) or (self.session.model_classes.of(model) if model else [])
        if model and order:
            self._trained = order
        elif order:
            # What is read with another order each time, such as the labels of pictures, is not the model's.
            self._served[at] = order if self._served.get(at, order) == order else []

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Hold the classes that were loaded, and those of the data that a loaded model is asked about, against its."""
        self._compare_loaded()
        self._compare_written(self._trained)
        loader = self.session.loaders.current
        if self._trained and loader is not None and loader.in_pass == 1 and loader.dataset is not None:
            self._compare(classes_of(loader.dataset), "the data that the model is asked about", loader.made)

    def ended(self) -> None:
        """Hold what was loaded by a script that asked for nothing against the model's classes."""
        self._compare_loaded()

    def _compare_loaded(self) -> None:
        if self._trained:
            for at, order in self._served.items():
                self._compare(order, "the list that is loaded", at)

    def _compare_written(self, ours: list[str]) -> None:
        """Hold the lists that are written in the script, and that answers are looked up in, against the model's."""
        file = self.session.sites.get("forward", NOWHERE).file
        if not ours or not file or file in self._read:
            return
        self._read.add(file)
        lists = written_classes(file, ours)
        if not any(item.classes == ours for item in lists):
            for item in lists:
                self._say(ours, item.classes, f"the list {item.name} of the script", Site(file, item.line))

    def _compare(self, theirs: list[str], where: str, at: Site) -> None:
        if theirs and self._differ(self._trained, theirs):
            self._say(self._trained, theirs, where, at)
        elif theirs == self._trained:
            self.looked("ClassOrderShifts")

    @staticmethod
    def _differ(ours: list[str], theirs: list[str]) -> bool:
        """Whether the same classes have other numbers; other classes are another task."""
        return ours != theirs and set(ours) == set(theirs)

    def _say(self, ours: list[str], theirs: list[str], where: str, at: Site) -> None:
        number = next(number for number, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        self.found(
            "ClassOrderShifts",
            "Training and serving number the classes differently: the answers get the names of other classes.",
            f"Class {number} is {ours[number]} in training and {theirs[number]} in {where}, of {len(ours)} classes.",
            "Save the list of classes of the training dataset with the model, and read it where the model is served.",
            at,
        )
