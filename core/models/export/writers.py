"""Write a model in an export format. Runs in a process of its own, since it imports torch and the format's library.

The process gets one JSON argument: {"model": folder, "format": name, "file": path, "metadata": {...}}.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as a script: the folder above core goes first on the path, this folder off it
    sys.path[0] = str(Path(__file__).resolve().parents[3])

import torch

from core.models.export.formats import PICTURES, PROBABILITIES
from training_scripts import inference
from training_scripts.artifact import CARD_FILE
from training_scripts.model import WithPreprocessing

Metadata = Mapping[str, str]


class Probabilities(torch.nn.Module):
    """A model from decoded pictures to probabilities: (N, *preprocessing.shape) uint8 -> (N, classes) float32."""

    def __init__(self, model: inference.LoadedModel) -> None:
        super().__init__()
        self.network = WithPreprocessing(model.network, model.preprocessing)  # its logits have the temperature already

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the classes, each row summing to 1."""
        return torch.softmax(self.network(pictures).float(), dim=1)


class PlainProbabilities(torch.nn.Module):
    """The same by a product and a sum in place of `addcmul`, which some converters do not know."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, whole: Probabilities) -> None:
        super().__init__()
        how = whole.network.preprocessing
        pairs = zip(how.mean, how.std, strict=True)
        self.network = whole.network.network
        self.register_buffer("scale", torch.tensor([1 / (255 * std) for std in how.std]).view(3, 1, 1))
        self.register_buffer("shift", torch.tensor([-mean / std for mean, std in pairs]).view(3, 1, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of the classes."""
        planes = pictures.permute(0, 3, 1, 2).float() * self.scale + self.shift
        return torch.softmax(self.network(planes), dim=1)


def onnx(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write ONNX, opset 18, with any number of pictures at once."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=[PICTURES],
        output_names=[PROBABILITIES],
        dynamic_shapes=({0: batch},),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(metadata)
    program.save(str(file), external_data=False)


def openvino(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write OpenVINO's XML and, beside it, its weights in float32."""
    from training_scripts.runtime import import_openvino

    library = import_openvino()
    model = library.convert_model(torch.jit.trace(network, example[:1], check_trace=False))  # type: ignore[no-untyped-call]
    model.reshape([-1, *example.shape[1:]])
    model.inputs[0].get_tensor().set_names({PICTURES})
    model.outputs[0].get_tensor().set_names({PROBABILITIES})
    for key, value in metadata.items():
        model.set_rt_info(value, ["sagehound", "card" if key == CARD_FILE else key])
    library.save_model(model, file, compress_to_fp16=False)


def torchscript(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write TorchScript by tracing."""
    traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
    extra = {key: value.encode() for key, value in metadata.items()}
    torch.jit.save(traced, str(file), _extra_files=extra)


def torch_program(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write a program of torch.export."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, file, extra_files=dict(metadata))


def litert(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write LiteRT for one picture at a time; what is known of the model goes beside it, in model.json."""
    import litert_torch

    assert isinstance(network, Probabilities)
    litert_torch.convert(PlainProbabilities(network).eval(), (example[:1],)).export(str(file))


def coreml(network: torch.nn.Module, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write Core ML; its pictures are float32 of 0 to 255, since it takes no bytes."""
    import coremltools

    assert isinstance(network, Probabilities)
    one = example[:1].float()
    traced = torch.jit.trace(PlainProbabilities(network).eval(), one, check_trace=False)  # type: ignore[no-untyped-call]
    model = coremltools.convert(
        traced,
        inputs=[coremltools.TensorType(PICTURES, shape=one.shape)],
        outputs=[coremltools.TensorType(PROBABILITIES)],
        compute_precision=coremltools.precision.FLOAT32,
        minimum_deployment_target=coremltools.target.iOS16,
    )
    model.user_defined_metadata.update(metadata)
    model.save(str(file))


WRITERS: dict[str, Callable[[torch.nn.Module, torch.Tensor, Path, Metadata], None]] = {
    "onnx": onnx,
    "openvino": openvino,
    "torchscript": torchscript,
    "torch": torch_program,
    "litert": litert,
    "coreml": coreml,
}


def main() -> int:
    """Write what is asked for; the last line on standard output is `{"error": …}` or `{}`."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")  # exporters warn about themselves
    try:
        model = inference.model_fn(asked["model"])
        network = Probabilities(model).eval().cpu()
        example = torch.randint(0, 256, (2, *model.preprocessing.shape), dtype=torch.uint8)
        with torch.inference_mode():
            WRITERS[asked["format"]](network, example, Path(asked["file"]), asked["metadata"])
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}))
        return 1
    print("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
