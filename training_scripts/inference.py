"""Load a model and classify pictures: the only way, here and at a SageMaker endpoint.

SageMaker's PyTorch container calls `model_fn` once, then `input_fn`, `predict_fn` and `output_fn` for every request
(content type application/x-image or image/…, one encoded picture as the body). torch is imported by `model_fn`, so that
who only packs a model does not wait for it.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:  # at an endpoint this file is code/inference.py, beside the folder training_scripts
    _HERE = str(Path(__file__).resolve().parent)
    if _HERE not in sys.path:
        sys.path.insert(0, _HERE)

from training_scripts.artifact import WEIGHTS_FILE, package, read_card, unpack
from training_scripts.backbones import Preprocessing
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.preprocess import pixels
from training_scripts.unknown import KNOWN_FILE, Gauge, read_known

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from training_scripts.network import Classifier

THRESHOLD = "SAGEHOUND_UNKNOWN_THRESHOLD"
"""The variable that says from when on a picture is too strange to be known, where that was changed since training."""

__all__ = ["LoadedModel", "PictureUnreadable", "input_fn", "model_fn", "output_fn", "package", "predict_fn", "unpack"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network in evaluation mode with what it needs to be asked and understood; `card` is model.json."""

    network: Classifier
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    device: torch.device
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probabilities:
    """(N, classes) float32, each row summing to 1.

    `strangeness` (N,) says how unlike known ones each picture is, and `unknown` (N,) whether it is too strange; None
    where the model cannot say.
    """

    classes: tuple[str, ...]
    values: NDArray[np.float32]
    strangeness: NDArray[np.float32] | None = None
    unknown: NDArray[np.bool_] | None = None


def model_fn(model_dir: str) -> LoadedModel:
    """Load the model of a folder; on the GPU if there is one."""
    import torch

    from training_scripts.network import Strangeness, build

    folder = Path(model_dir)
    card = read_card(folder)
    state = torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
    with torch.device("meta"):  # the weights come from the file alone
        network = build(card["backbone"], card["head"], len(card["classes"]), members=card.get("members", ()))
    network.temperature = temperature_of(card)
    network.load_state_dict(state, assign=True)
    if card.get("unknown"):
        network.strangeness = Strangeness(read_known(folder / KNOWN_FILE), Gauge.from_card(card["unknown"]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.eval().requires_grad_(False).to(device)
    return LoadedModel(network, tuple(card["classes"]), Preprocessing.from_json(card["preprocessing"]), device, card)


def temperature_of(card: dict[str, Any]) -> float:
    """Return what a model's logits are divided by, as model.json says; models of earlier versions have none.

    Raises:
        ValueError: it is not a positive number.
    """
    temperature = float(card.get("temperature", 1.0))
    if not 0 < temperature < math.inf:
        raise ValueError(f"the temperature {temperature} is not a positive number")
    return temperature


def threshold_of(card: dict[str, Any]) -> float:
    """Return from when on a picture is unknown, as the variable or model.json says; else none is."""
    known = card.get("unknown") or {}
    return float(os.environ.get(THRESHOLD) or known.get("threshold", math.inf))


def input_fn(body: bytes | bytearray | str, content_type: str) -> bytes | list[bytes]:
    """Return the picture of a request, or the pictures: they stay encoded until `predict_fn` knows how to read them.

    One encoded picture as the body, or JSON: {"instances": [{"b64": picture in Base64}, …]}.

    Raises:
        ValueError: the content type is none of a picture, or the JSON holds none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _from_json(body)
    if isinstance(body, str):
        raise ValueError("The body is text, not a picture.")
    if kind not in ("application/x-image", "application/octet-stream") and not kind.startswith("image/"):
        raise ValueError(
            f"The content type {content_type} is not understood; send application/x-image, image/… or JSON."
        )
    return bytes(body)


def _from_json(body: bytes | bytearray | str) -> list[bytes]:
    try:
        pictures = [base64.b64decode(item["b64"], validate=True) for item in json.loads(body)["instances"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        pictures = []
    if not pictures:
        raise ValueError('The JSON holds no pictures; send {"instances": [{"b64": "a picture in Base64"}]}.')
    return pictures


def predict_fn(data: bytes | Sequence[bytes], model: LoadedModel) -> Probabilities:
    """Classify one encoded picture or several.

    Raises:
        PictureUnreadable: one cannot be read.
    """
    import numpy as np
    import torch

    from training_scripts.network import normalise

    encoded = [data] if isinstance(data, bytes) else list(data)
    batch = torch.from_numpy(np.stack([pixels(item, model.preprocessing) for item in encoded]))
    with torch.inference_mode():
        logits, strange = model.network.judge(normalise(batch.to(model.device), model.preprocessing))
        values = logits.float().softmax(dim=1).cpu().numpy()
        if strange is None:
            return Probabilities(model.classes, values)
        found = strange[:, 0].cpu().numpy()
        return Probabilities(model.classes, values, found, found > threshold_of(model.card))


def output_fn(prediction: Probabilities, accept: str = "application/json") -> tuple[str, str]:
    """Return the answer and its content type: all classes with their probabilities, the most probable first.

    One picture: {"predictions": [{"label": …, "probability": …}, …]}; several: a list of these. Or text/csv. A model
    that can say what it does not know adds "unknown", true or false, and "strangeness"; in text/csv a fourth column.
    """
    ranked = [
        [
            {"label": label, "probability": float(probability)}
            for probability, label in sorted(zip(row.tolist(), prediction.classes, strict=True), key=lambda x: -x[0])
        ]
        for row in prediction.values
    ]
    about: list[dict[str, Any]] = [{} for _ in ranked]
    if prediction.strangeness is not None and prediction.unknown is not None:
        pairs = zip(prediction.unknown.tolist(), prediction.strangeness.tolist(), strict=True)
        about = [{"unknown": unknown, "strangeness": strange} for unknown, strange in pairs]
    if accept.partition(";")[0].strip().lower() == "text/csv":
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        for number, predictions in enumerate(ranked):
            last = [str(about[number]["unknown"]).lower()] if about[number] else []
            table.writerows((number, item["label"], f"{item['probability']:.6f}", *last) for item in predictions)
        return text.getvalue(), "text/csv"
    answers = [{"predictions": predictions, **more} for predictions, more in zip(ranked, about, strict=True)]
    return json.dumps(answers[0] if len(answers) == 1 else answers, ensure_ascii=False), "application/json"
