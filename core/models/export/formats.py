"""The formats a model is exported to; each entry carries all that is known of it.

To add one: an `ExportFormat` in `FORMATS`, and a function in `writers.py` of the same name that writes its file.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from core.errors import ModelError
from core.translation import plural, tr

PICTURES, PROBABILITIES = "pictures", "probabilities"
"""The graph's input, (N, size, size, 3) uint8 RGB, and its output, (N, classes) float32, each row summing to 1."""
STRANGENESS = "strangeness"
"""The second output of a model that can say what it does not know, (N, 1): how unlike known pictures they are."""
TOLERANCE = 1e-4
"""How far a probability may be from the one that `sagehound classify` gives."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format of models.

    Attributes:
        name: as on the command line.
        title: as in the window.
        file: the name of the model's file in an exported folder; its ending tells the format.
        opened_by: what Sagehound itself asks such a model with; "" for one that it cannot ask.
        beside: a second file that belongs to it, "" where there is none.
        writes_with: the packages on the index that writing needs beside Sagehound's own.
        runs_with: the packages on the index that classify.py needs beside numpy and pillow.
        imports, load, call: classify.py's lines that import the library and load the file `MODEL`, and the
            expression that gives the outputs for `batch`, the probabilities first.
        good_for: what the format is good for, for people.
        runs_on: the systems that the format's own library answers on, as in `sys.platform`; empty for all.
    """

    name: str
    title: str
    file: str
    runs_with: tuple[str, ...]
    imports: str
    load: str
    call: str
    good_for: str
    opened_by: str = ""
    beside: str = ""
    writes_with: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """Return the ending of the model's file."""
        return self.file[self.file.index(".") :]

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that are the model."""
        return (self.file, self.beside) if self.beside else (self.file,)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the packages that are not installed and that writing needs."""
        return tuple(name for name in self.writes_with if importlib.util.find_spec(name.replace("-", "_")) is None)

    def check_installed(self) -> None:
        """Raise `ModelError` naming the packages that writing needs and that are not installed."""
        if lacking := self.missing:
            raise ModelError(
                tr("{title} cannot be written here.").format(title=self.title),
                plural(
                    "It needs {lacking}, which is not installed.",
                    "It needs {lacking}, which are not installed.",
                    len(lacking),
                    lacking=" and ".join(lacking),
                ),
                tr("Install with: pip install {lacking}").format(lacking=" ".join(lacking)),
            )


_ALL = (
    ExportFormat(
        "onnx",
        "ONNX",
        "model.onnx",
        runs_with=("onnxruntime",),
        imports="import onnxruntime",
        load='session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])',
        call=f'session.run(None, {{"{PICTURES}": batch}})',
        good_for=tr("Runs nearly everywhere: onnxruntime, browsers, C#, Java, C++, mobile."),
        opened_by="openvino",
        writes_with=("onnx", "onnxscript"),
    ),
    ExportFormat(
        "openvino",
        "OpenVINO",
        "model.xml",
        runs_with=("openvino",),
        imports="import openvino",
        load='network = openvino.Core().compile_model(MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})',
        call="list(network(batch).values())",
        good_for=tr("The fastest on Intel and AMD processors."),
        opened_by="openvino",
        beside="model.bin",
    ),
    ExportFormat(
        "torchscript",
        "TorchScript",
        "model.torchscript",
        runs_with=("torch",),
        imports="import torch",
        load="torch.set_grad_enabled(False)\nnetwork = torch.jit.load(MODEL)",
        call="answer if isinstance(answer := network(torch.from_numpy(batch)), tuple) else (answer,)",
        good_for=tr("For libtorch and for containers that load TorchScript only."),
        opened_by="torchscript",
    ),
    ExportFormat(
        "torch",
        tr("PyTorch program"),
        "model.pt2",
        runs_with=("torch",),
        imports="import torch",
        load="torch.set_grad_enabled(False)\nnetwork = torch.export.load(MODEL).module()",
        call="answer if isinstance(answer := network(torch.from_numpy(batch)), tuple) else (answer,)",
        good_for=tr("PyTorch's own present format (torch.export); no code of Sagehound's is needed."),
        opened_by="torch",
    ),
    ExportFormat(
        "litert",
        "LiteRT (TensorFlow Lite)",
        "model.tflite",
        runs_with=("ai-edge-litert",),
        imports="from ai_edge_litert.interpreter import Interpreter",
        load="network = Interpreter(str(MODEL)).get_signature_runner()\n"
        "INPUT = next(iter(network.get_input_details()))",
        call="[part for _, part in sorted(network(**{INPUT: batch}).items())]",
        good_for=tr(
            "For Android and small devices; refused where litert-torch gets a network wrong (EfficientNet-Lite)."
        ),
        opened_by="openvino",
        writes_with=("litert-torch",),
    ),
    ExportFormat(
        "coreml",
        "Core ML",
        "model.mlpackage",
        runs_with=("coremltools",),
        imports="import coremltools",
        load="network = coremltools.models.MLModel(str(MODEL))",
        call=f'[part for _, part in sorted(network.predict({{"{PICTURES}": batch.astype(np.float32)}}).items())]',
        good_for=tr("For iPhone, iPad and Mac."),
        writes_with=("coremltools",),
        runs_on=("darwin",),
    ),
)
FORMATS: dict[str, ExportFormat] = {format_.name: format_ for format_ in _ALL}
"""Every export format by its name; the first is offered first."""
