"""A frozen network on the fastest runtime there is: OpenVINO in float32 where it agrees with torch, else torch.

Agreement: on a probe batch no output may differ by more than `TOLERANCE` times the largest output. float32 sums of a
few thousand terms in another order differ by about 1e-5 of it. In bfloat16 (`BFLOAT16`), twice as fast on processors
that compute in it, a ResNet differs by 3e-3, which `BFLOAT16_TOLERANCE` allows for frozen features; EfficientNet-Lite0
by 7e-2, which moves losses visibly, so it stays in float32. Predictions are made in float32.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from training_scripts.backbones import Preprocessing
from training_scripts.durable import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from training_scripts.network import WithStrangeness

TOLERANCE = 1e-4
BFLOAT16_TOLERANCE = 1e-2
BFLOAT16 = "openvino-bf16"
VARIABLE = "SAGEHOUND_RUNTIME"
Forward = Callable[["NDArray[np.uint8]"], "NDArray[np.float32]"]
"""(N, *shape) uint8 pictures, of the preprocessing's shape -> (N, outputs) float32."""
_OPENING = threading.Lock()


def choose(wanted: str = "") -> str:
    """Return the runtime to try first, openvino or torch; `wanted` (or $SAGEHOUND_RUNTIME) may be one, or `auto`."""
    wanted = wanted or os.environ.get(VARIABLE, "auto")
    if wanted in ("openvino", "torch"):
        return wanted
    return "openvino" if importlib.util.find_spec("openvino") and not has_gpu() else "torch"


def for_features(wanted: str, bfloat16: bool) -> tuple[str, ...]:
    """Return the runtimes to try in order; `bfloat16` tells whether the network bears it.

    One asked for is not replaced.
    """
    if wanted != "auto":
        return (wanted,)
    asked = os.environ.get(VARIABLE, "auto")
    if asked in (BFLOAT16, "openvino"):
        return (asked, "torch")
    if choose() == "torch":
        return ("torch",)
    return (BFLOAT16, "openvino", "torch") if bfloat16 and has_bfloat16() else ("openvino", "torch")


def version(runtime: str) -> str:
    """Return the runtime with what its numbers depend on, as `openvino-2026.4-f32`, `torch-2.15-cpu`."""
    library = runtime.partition("-")[0]
    number = importlib.metadata.version(library).partition("+")[0]
    if library == "openvino":
        return f"{library}-{number}-{'bf16' if runtime == BFLOAT16 else 'f32'}"
    return f"{library}-{number}-{'cuda' if has_gpu() else 'cpu'}"


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 by itself (AVX-512 BF16 or AMX), as far as the system says so."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def has_gpu() -> bool:
    """Whether torch can compute on a GPU; torch is only imported where there is a sign of one."""
    if not (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return torch.cuda.is_available()


def torch_forward(network: nn.Module, preprocessing: Preprocessing) -> Forward:
    """Return `network` in evaluation mode under torch, on the GPU if there is one, in float32."""
    import torch

    from training_scripts.network import normalise

    device = torch.device("cuda" if has_gpu() else "cpu")
    network = network.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = normalise(torch.from_numpy(pictures).to(device), preprocessing)
            result: NDArray[np.float32] = network(batch).float().cpu().numpy()
            return result

    return forward


def convert(
    network: nn.Module, preprocessing: Preprocessing, bfloat16: bool = False, backbone: Path | None = None
) -> Any | None:
    """Return `network` as an OpenVINO model of uint8 pictures; None if that fails or it disagrees with torch.

    With `backbone`, the saved conversion of a `WithStrangeness`'s backbone, of one view, only what is behind it is
    converted.
    """
    import torch

    from training_scripts.network import WithPreprocessing

    shape = preprocessing.shape
    probe = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    whole = WithPreprocessing(network, preprocessing).eval()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the conversion traces with torch.jit, which torch calls deprecated
            openvino = import_openvino()
            if backbone is None:
                model = _traced(whole, torch.from_numpy(probe[:1]))
            else:
                model = _behind(openvino.Core().read_model(backbone), cast("WithStrangeness", network), shape)
            expected = whole(torch.from_numpy(probe)).numpy()
        tolerance = BFLOAT16_TOLERANCE if bfloat16 else TOLERANCE
        return model if agrees(openvino_forward(model, bfloat16=bfloat16)(probe), expected, tolerance) else None
    except Exception as error:  # whatever OpenVINO cannot do, torch can
        print(f"OpenVINO is not used: {' '.join(str(error).split())[:200]}", flush=True)
        return None


def _traced(network: nn.Module, example: Tensor) -> Any:
    """Return a network as an OpenVINO model of any number of inputs that are like the one of `example`."""
    import torch

    # Traced as OpenVINO would, but without torch's slow check of the trace: the caller compares the answers.
    traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
    model = import_openvino().convert_model(traced)
    model.reshape([-1, *example.shape[1:]])
    return model


def _behind(backbone: Any, network: WithStrangeness, shape: tuple[int, ...]) -> Any:
    """Return a converted backbone with what `network` has behind its own, as one model of pictures of that shape."""
    import torch

    from training_scripts.network import AfterBackbone

    (features,) = backbone.outputs
    dim, parameters = features.get_partial_shape()[1].get_length(), backbone.get_parameters()
    head, source = _traced(AfterBackbone(network), torch.zeros(1, dim)), features.node.input_value(0)
    if len(shape) == 4:  # several views: each goes through the backbone, their mean on to the head
        operations = import_openvino().opset13
        views = operations.parameter([-1, *shape], np.uint8)
        squares = operations.reshape(views, np.array([-1, *shape[1:]]), special_zero=False)
        for place in backbone.input(0).get_target_inputs():
            place.replace_source_output(squares.output(0))
        together = operations.reshape(source, np.array([-1, shape[0], dim]), special_zero=False)
        source = operations.reduce_mean(together, np.array([1]), keep_dims=False).output(0)
        parameters = [views]
    for place in head.input(0).get_target_inputs():
        place.replace_source_output(source)
    return import_openvino().Model(head.get_results(), parameters)


def import_openvino() -> Any:
    """Return the module without its telemetry, whose forked processes report conversions to a server, and linger."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def agrees(answer: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = TOLERANCE) -> bool:
    """Whether two runtimes gave the same outputs: none apart by more than `tolerance` times the largest."""
    return bool(np.abs(answer - expected).max() <= tolerance * max(float(np.abs(expected).max()), 1e-6))


def openvino_forward(model: Any, streams: int = 1, cache: Path | None = None, bfloat16: bool = False) -> Forward:
    """Load an OpenVINO model, or the path of a saved one, in float32 or bfloat16 for `streams` calls at once.

    Of a model with several outputs they come side by side.

    The result may be called from many threads; each has an inference request of its own. It has answered once when it
    is returned: OpenVINO's Python binding fetches numpy's functions in a process's first inference, behind a C++ guard
    (pybind11 issue 4877). Two threads that made that call together waited for each other without end, one for the
    guard and one for the interpreter's lock.
    """
    with _OPENING:
        return _open_forward(model, streams, cache, bfloat16)


def _open_forward(model: Any, streams: int, cache: Path | None, bfloat16: bool) -> Forward:
    openvino = import_openvino()
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32", "NUM_STREAMS": str(streams)}
    if streams > 1:
        settings["INFERENCE_NUM_THREADS"] = str(streams)
    if cache is not None:
        settings["CACHE_DIR"] = str(cache)
    compiled = core.compile_model(core.read_model(model) if isinstance(model, Path) else model, "CPU", settings)
    local, outputs = threading.local(), len(compiled.outputs)

    def forward(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        local.request.infer([pictures])
        parts = [local.request.get_output_tensor(place).data for place in range(outputs)]
        return np.array(parts[0] if outputs == 1 else np.concatenate(parts, axis=1), dtype=np.float32)

    _, *shape = compiled.input(0).get_partial_shape()
    forward(np.zeros((1, *(length.get_length() for length in shape)), np.uint8))
    return forward


def save(model: Any, file: Path) -> None:
    """Save an OpenVINO model (`file` ends in .xml; the weights go beside it), whole or not at all."""
    openvino = import_openvino()
    with replacing(file, flushed=False) as partial, replacing(file.with_suffix(".bin"), flushed=False) as weights:
        openvino.save_model(model, partial, compress_to_fp16=False)
        os.replace(partial.with_suffix(".bin"), weights)
