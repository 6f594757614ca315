"""Serve a model with Ray Serve, through the functions of inference.py.

AWS's Ray Serve container runs `deployment:app` of model.tar.gz, as config.yaml there says, and hands it every request:
one encoded picture as the body. In the archive this file is beside the weights, above the folder `code`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if not __package__:  # in the archive, where the container has put the folder `code` on the path, or not
    _CODE = str(Path(__file__).resolve().parent / "code")
    if _CODE not in sys.path:
        sys.path.insert(0, _CODE)

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from training_scripts import inference

GPUS = "SAGEHOUND_GPUS"
"""The variable that says how many GPUs a replica has; Ray hides them from it otherwise."""


@serve.deployment(ray_actor_options={"num_gpus": int(os.environ.get(GPUS, "0"))})
class Classifier:
    """Answers as the PyTorch container does; what is not a picture is the asker's error (4xx), not the model's."""

    def __init__(self) -> None:
        import torch

        # Ray leaves a replica a single core; here each picture has all of them, one picture at a time.
        torch.set_num_threads(os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(1)
        self._model = inference.model_fn(str(Path(__file__).resolve().parent))

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        body, headers = await request.body(), request.headers
        kind = headers.get("content-type", "application/x-image")
        accept = headers.get("accept", "application/json")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, body, kind, accept)

    def _answer(self, body: bytes, kind: str, accept: str) -> Response:
        try:
            data = inference.input_fn(body, kind)
        except ValueError as error:
            return Response(str(error), status_code=415, media_type="text/plain")
        try:
            answer, accepted = inference.output_fn(inference.predict_fn(data, self._model), accept)
        except inference.PictureUnreadable as error:
            return Response(str(error), status_code=400, media_type="text/plain")
        return Response(answer, media_type=accepted)


app = Classifier.bind()  # type: ignore[attr-defined]  # the decorator makes it a deployment
