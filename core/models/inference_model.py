"""A model in the predictor process: loaded through the endpoint's own code, answered by the fastest runtime.

The first time, the model is loaded by `training_scripts.inference`, as an endpoint does, and converted; the conversion
is kept in a cache by the weights' checksum. From then on torch is not even imported: the first answer comes in a
fraction of a second. Pictures are read by `training_scripts.preprocess` either way.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from core.models.info import EXPORTED, ModelInfo, broken, read_info
from core.translation import tr
from training_scripts import runtime
from training_scripts.artifact import WEIGHTS_FILE
from training_scripts.durable import is_whole, seal, sealed, sha256_of, write_text
from training_scripts.unknown import KNOWN_FILE, Known, nearest, read_known

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = 12
"""How many converted models are kept; the ones used longest ago go first."""
_REFUSED = "not-used.txt"
_CONVERTED = ("model.xml", "model.bin")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class InferenceModel:
    """A loaded model.

    `forward` takes (N, *preprocessing.shape) uint8 and gives (N, classes) float32 logits, in a model that can say what
    it does not know also the strangeness as the next column. `known` are the training pictures that it goes by, and the
    columns after that where a picture is among these.
    """

    card: ModelInfo
    forward: runtime.Forward
    runtime: str
    why_runtime: str = ""
    known: Known | None = None

    def probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Map (N, *preprocessing.shape) uint8 -> (N, classes), each row sums to 1."""
        return self.answers(pictures)[0]

    def answers(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return the probabilities, and how strange the pictures are (N,) where the model can say so."""
        found, classes = self.forward(pictures).astype(np.float64), len(self.card.classes)
        logits = found[:, :classes] if self.card.threshold is not None else found
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return result, found[:, classes] if self.card.threshold is not None else None

    def nearest(self, picture: NDArray[np.uint8], count: int) -> list[tuple[str, float]]:
        """Return the SHA-256 and the distance of the training pictures nearest to one, `preprocessing.shape` uint8.

        None where the model does not know them.
        """
        if self.known is None:
            return []
        return nearest(self.known, self.forward(picture[None])[0, len(self.card.classes) + 1 :], count)


def open_model(folder: Path, name: str, cache: Path, say: Say, features: Path) -> InferenceModel:
    """Load the model in `folder` and answer once, so that the first picture finds everything warm.

    `name` is what the model is called in errors; "" takes that of its training job. `features` is where frozen features
    are kept: the backbone that computed them need not be converted again.

    Raises:
        ModelError: the folder holds no usable model.
    """
    card = _read_card(folder, name)
    served = _open(folder, card, cache, say, features)
    try:
        if card.threshold is not None and EXPORTED not in card.card:
            served = replace(served, known=read_known(folder / KNOWN_FILE))
        answer = served.probabilities(np.zeros((1, *card.preprocessing.shape), np.uint8))
    except Exception as error:
        raise broken(card.name, error) from error
    if answer.shape != (1, len(card.classes)) or not np.isfinite(answer).all():
        raise ModelError(
            tr("The model {name} gives no usable answers.").format(name=card.name),
            tr(
                "Its weights hold values that are not numbers, as after a training that diverged, or "
                "its classes differ."
            ),
            tr("Choose another trial."),
        )
    return served


def _read_card(folder: Path, name: str) -> ModelInfo:
    if (folder / WEIGHTS_FILE).is_file():
        return read_info(folder, name)
    with suppress(ModelError):
        if EXPORTED in (info := read_info(folder, name)).card:
            return info
    raise ModelError(
        tr("{name} has no model.").format(name=name or folder.name),
        tr("There is no {weights_file} in {folder}.").format(weights_file=WEIGHTS_FILE, folder=folder),
        tr("Choose another job."),
    )


def _open(folder: Path, card: ModelInfo, cache: Path, say: Say, features: Path) -> InferenceModel:
    if EXPORTED in card.card:
        from core.models.export.read_exported import exported_forward

        try:
            forward, computes = exported_forward(folder, str(card.card[EXPORTED]["format"]), card.threshold is not None)
        except ModelError:
            raise
        except Exception as error:
            raise broken(card.name, error) from error
        return InferenceModel(card, forward, computes)
    if runtime.choose() != "openvino" or importlib.util.find_spec("openvino") is None:
        return _torch(folder, card, say, "")
    kept = cache / _key(folder, card)
    refused = kept / _REFUSED
    if refused.is_file():
        return _torch(folder, card, say, refused.read_text(encoding="utf-8"))
    file = kept / _CONVERTED[0]
    if is_whole(kept, _CONVERTED):
        try:
            served = InferenceModel(card, runtime.openvino_forward(file), "OpenVINO")
            os.utime(kept)
            return served
        except Exception:  # of another version of OpenVINO: it is converted again
            shutil.rmtree(kept, ignore_errors=True)
    return _convert(folder, card, kept, say, features)


def _convert(folder: Path, card: ModelInfo, kept: Path, say: Say, features: Path) -> InferenceModel:
    from training_scripts.extraction import converted_backbone

    network = _network(folder, card, say)
    say(tr("Making the model fast (once)"))
    state = network.network.backbone.state_dict()
    backbone = converted_backbone(features, card.backbone, card.preprocessing, state)
    model = None if backbone is None else runtime.convert(network, card.preprocessing, backbone=backbone)
    if model is None:
        model = runtime.convert(network, card.preprocessing)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        if model is None:
            why = tr("OpenVINO is not used, because its answers would differ from PyTorch's.")
            write_text(kept / _REFUSED, why, flushed=False)
            return _torch(folder, card, say, why, network)
        runtime.save(model, kept / _CONVERTED[0])
        seal(kept, _CONVERTED)
        _prune(kept.parent)
    except OSError as error:  # a full disk costs the next start some seconds, nothing else
        print(tr("The converted model could not be kept: {error}").format(error=error), flush=True)
    if model is None:
        return _torch(folder, card, say, "", network)
    return InferenceModel(card, runtime.openvino_forward(model), "OpenVINO")


def _torch(folder: Path, card: ModelInfo, say: Say, why: str, network: Any = None) -> InferenceModel:
    network = _network(folder, card, say) if network is None else network
    return InferenceModel(card, runtime.torch_forward(network, card.preprocessing), "PyTorch", why)


def _network(folder: Path, card: ModelInfo, say: Say) -> Any:
    """Return the network as an endpoint would load it."""
    say(tr("Loading PyTorch"))
    try:
        from training_scripts import inference
        from training_scripts.network import WithStrangeness

        return WithStrangeness(inference.model_fn(str(folder)).network)
    except Exception as error:
        raise broken(card.name, error) from error


def _key(folder: Path, card: ModelInfo) -> str:
    sums = sealed(folder)  # compared with the files when the model was fetched
    parts = [WEIGHTS_FILE, *([KNOWN_FILE] if card.threshold is not None else [])]
    files = "-".join((sums.get(name) or sha256_of(folder / name))[:20] for name in parts)
    return f"{card.backbone}-{files}-{card.preprocessing.views}-{card.temperature:.6g}-{runtime.version('openvino')}"


def _prune(cache: Path) -> None:
    folders = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for folder in folders[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
