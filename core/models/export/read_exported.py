"""Exported models read back: what is known of one, from its file alone, and what asks it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from core.errors import ModelError
from core.models.export.formats import FORMATS, ExportFormat
from core.translation import tr
from training_scripts import runtime
from training_scripts.artifact import CARD_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 1e-38


def format_of(path: Path) -> ExportFormat | None:
    """Return the format that a file's name tells; None where it tells none."""
    return next((format_ for format_ in FORMATS.values() if path.name.endswith(format_.suffix)), None)


def card_in(file: Path, format_: ExportFormat) -> str:
    """Return the text of model.json that is kept inside an exported file.

    Raises:
        ModelError: there is none, or the file is damaged.
    """
    try:
        text = _CARDS[format_.name](file)
        json.loads(text)
        return text
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            tr("{name} is not a model that Sagehound exported.").format(name=file.name),
            tr("It does not say which classes it knows."),
            tr("Name the folder that it was exported to, with its {card_file}.").format(card_file=CARD_FILE),
        ) from error


def exported_forward(folder: Path, format_name: str, with_strangeness: bool = False) -> tuple[runtime.Forward, str]:
    """Return what asks the model of an exported folder, as logits, and what computes.

    With the strangeness as a last column, where the model has it.

    Raises:
        ModelError: Sagehound cannot ask models of this format.
    """
    format_ = FORMATS.get(format_name)
    if format_ is None or format_.opened_by not in _OPENERS:
        title = format_.title if format_ is not None else tr("the format {format_name}").format(format_name=format_name)
        raise ModelError(
            tr("Sagehound cannot ask a model in {title}.").format(title=title),
            fix=tr("Export it as ONNX too, or name its job."),
        )
    forward, computes = _OPENERS[format_.opened_by](folder / format_.file)

    def logits(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The graph gives probabilities; of their logarithms softmax makes the same again.
        found = forward(pictures)
        probabilities = found[:, :-1] if with_strangeness else found
        return np.concatenate(
            [np.log(np.maximum(probabilities, _SMALLEST)), found[:, probabilities.shape[1] :]], axis=1
        )

    return logits, f"{format_.title} by {computes}"


def _onnx_card(file: Path) -> str:
    FORMATS["onnx"].check_installed()
    import onnx

    return str({item.key: item.value for item in onnx.load(file, load_external_data=False).metadata_props}[CARD_FILE])


def _openvino_card(file: Path) -> str:
    found = ElementTree.parse(file).find("rt_info/sagehound/card")
    assert found is not None
    return found.attrib["value"]


def _zipped_card(file: Path) -> str:
    with zipfile.ZipFile(file) as packed:
        name = next(name for name in packed.namelist() if name.endswith(f"/extra/{CARD_FILE}"))
        return packed.read(name).decode("utf-8")


_CARDS: dict[str, Callable[[Path], str]] = {
    "onnx": _onnx_card,
    "openvino": _openvino_card,
    "torchscript": _zipped_card,
    "torch": _zipped_card,
}


def _by_openvino(file: Path) -> tuple[runtime.Forward, str]:
    return runtime.openvino_forward(file), "OpenVINO"


def _by_torchscript(file: Path) -> tuple[runtime.Forward, str]:
    import torch

    return _torch_forward(torch.jit.load(file, map_location="cpu")), "PyTorch"  # type: ignore[no-untyped-call]


def _by_torch(file: Path) -> tuple[runtime.Forward, str]:
    import torch

    return _torch_forward(torch.export.load(file).module()), "PyTorch"


def _torch_forward(network: Any) -> runtime.Forward:
    import torch

    def forward(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer = network(torch.from_numpy(pictures))
            parts = list(answer) if isinstance(answer, list | tuple) else [answer]
            found: NDArray[np.float32] = torch.cat(parts, dim=1).numpy()
            return found

    return forward


_OPENERS: dict[str, Callable[[Path], tuple[runtime.Forward, str]]] = {
    "openvino": _by_openvino,
    "torchscript": _by_torchscript,
    "torch": _by_torch,
}
