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

from core.models.export.formats import PICTURES, PROBABILITIES, STRANGENESS
from training_scripts import inference
from training_scripts.artifact import CARD_FILE
from training_scripts.network import WithPreprocessing, WithStrangeness

Metadata = Mapping[str, str]
Answer = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


class Probabilities(torch.nn.Module):
    """A model from decoded pictures to probabilities: (N, *preprocessing.shape) uint8 -> (N, classes) float32.

    One that can say what it does not know gives the strangeness of the pictures too, (N, 1).
    """

    def __init__(self, model: inference.LoadedModel) -> None:
        super().__init__()
        # Its logits have the temperature already.
        self.network = WithPreprocessing(WithStrangeness(model.network), model.preprocessing)
        self.classes = len(model.classes)
        self.outputs = [PROBABILITIES, *([] if model.network.strangeness is None else [STRANGENESS])]

    def forward(self, pictures: torch.Tensor) -> Answer:
        """Return the probabilities of the classes, each row summing to 1, and perhaps the strangeness."""
        return answer_of(self.network(pictures).float(), self.classes, len(self.outputs) > 1)


def answer_of(found: torch.Tensor, classes: int, with_strangeness: bool) -> Answer:
    """Return what a graph gives, of logits (N, classes) and perhaps the strangeness in one tensor."""
    probabilities = torch.softmax(found[:, :classes], dim=1)
    return (probabilities, found[:, classes : classes + 1]) if with_strangeness else probabilities


class PlainProbabilities(torch.nn.Module):
    """The same by a product and a sum in place of `addcmul`, which some converters do not know."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, whole: Probabilities) -> None:
        super().__init__()
        how = whole.network.preprocessing
        pairs = zip(how.mean, how.std, strict=True)
        self.network = whole.network.network
        self.classes, self.outputs = whole.classes, whole.outputs
        self.register_buffer("scale", torch.tensor([1 / (255 * std) for std in how.std]).view(3, 1, 1))
        self.register_buffer("shift", torch.tensor([-mean / std for mean, std in pairs]).view(3, 1, 1))

    def forward(self, pictures: torch.Tensor) -> Answer:
        """Return the same."""
        planes = pictures.permute(0, 3, 1, 2).float() * self.scale + self.shift
        return answer_of(self.network(planes), self.classes, len(self.outputs) > 1)


def onnx(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write ONNX, opset 18, with any number of pictures at once."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=[PICTURES],
        output_names=network.outputs,
        dynamic_shapes=({0: batch},),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(metadata)
    program.save(str(file), external_data=False)


def openvino(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write OpenVINO's XML and, beside it, its weights in float32."""
    from training_scripts.runtime import import_openvino

    library = import_openvino()
    model = library.convert_model(torch.jit.trace(network, example[:1], check_trace=False))  # type: ignore[no-untyped-call]
    model.reshape([-1, *example.shape[1:]])
    model.inputs[0].get_tensor().set_names({PICTURES})
    for output, name in zip(model.outputs, network.outputs, strict=True):
        output.get_tensor().set_names({name})
    for key, value in metadata.items():
        model.set_rt_info(value, ["sagehound", "card" if key == CARD_FILE else key])
    library.save_model(model, file, compress_to_fp16=False)


def torchscript(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write TorchScript by tracing."""
    traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
    extra = {key: value.encode() for key, value in metadata.items()}
    torch.jit.save(traced, str(file), _extra_files=extra)


def torch_program(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write a program of torch.export."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, file, extra_files=dict(metadata))


def litert(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write LiteRT for one picture at a time; what is known of the model goes beside it, in model.json."""
    import litert_torch

    litert_torch.convert(PlainProbabilities(network).eval(), (example[:1],)).export(str(file))


def coreml(network: Probabilities, example: torch.Tensor, file: Path, metadata: Metadata) -> None:
    """Write Core ML; its pictures are float32 of 0 to 255, since it takes no bytes."""
    import coremltools

    one = example[:1].float()
    traced = torch.jit.trace(PlainProbabilities(network).eval(), one, check_trace=False)  # type: ignore[no-untyped-call]
    model = coremltools.convert(
        traced,
        inputs=[coremltools.TensorType(PICTURES, shape=one.shape)],
        outputs=[coremltools.TensorType(name) for name in network.outputs],
        compute_precision=coremltools.precision.FLOAT32,
        minimum_deployment_target=coremltools.target.iOS16,
    )
    model.user_defined_metadata.update(metadata)
    model.save(str(file))


WRITERS: dict[str, Callable[[Probabilities, torch.Tensor, Path, Metadata], None]] = {
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
