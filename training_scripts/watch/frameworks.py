"""The watching as a callback of Lightning and of Hugging Face's Trainer; neither is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .watched_loop import Watched, watch


class _Watching:
    """What both callbacks do: begin with the training, end with it, whatever ends it."""

    watched: Watched | None = None

    def begin(self, model: Any) -> None:
        """Watch the training of a model."""
        self.watched = watch(name=type(model).__name__)

    def end(self) -> None:
        """Stop watching."""
        if self.watched is not None:
            self.watched.close()


def lightning_callback() -> Any:
    """Return a callback for `Trainer(callbacks=[...])` of Lightning, or of pytorch_lightning.

    Raises:
        ImportError: neither is installed.
    """
    try:
        base = import_module("lightning.pytorch").Callback
    except ImportError:
        base = import_module("pytorch_lightning").Callback

    class SagehoundLightning(base, _Watching):  # type: ignore[misc, valid-type]
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            self.begin(pl_module)

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            self.end()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self.end()

    return SagehoundLightning()


def transformers_callback() -> Any:
    """Return a callback for `Trainer(callbacks=[...])` of transformers.

    Raises:
        ImportError: it is not installed.
    """
    base = import_module("transformers").TrainerCallback

    class SagehoundTransformers(base, _Watching):  # type: ignore[misc, valid-type]
        def on_train_begin(self, args: Any, state: Any, control: Any, **values: Any) -> None:
            self.begin(values.get("model"))

        def on_train_end(self, args: Any, state: Any, control: Any, **values: Any) -> None:
            self.end()

    return SagehoundTransformers()
