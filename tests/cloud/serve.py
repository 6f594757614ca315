"""The process behind an endpoint: `python serve.py MODEL_DIR HANDLER`; JSON lines on stdin, answers on stdout.

Handler "aws": AWS's own sagemaker-inference and sagemaker-pytorch-inference load the model and answer, as in AWS's
PyTorch inference container: `HandlerService` with a context like TorchServe's. Handler "miniature": the same contract
in a few lines, where those packages are missing or torch takes too long. Handler "ray": Ray Serve runs the application
of config.yaml, as in AWS's Ray Serve container; "ray-miniature": the same application without Ray, which is rarely
installed. The first answer says if the model is loaded.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import re
import socket
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

Answer = tuple[int, bytes, str]
"""HTTP status, body, content type."""


def aws_handler(folder: str) -> Callable[[bytes, str, str], Answer]:
    """AWS's handler with the model loaded."""
    from sagemaker_pytorch_serving_container.handler_service import HandlerService

    context = _Context(folder)
    service = HandlerService()
    service.initialize(context)

    def handle(body: bytes, kind: str, accept: str) -> Answer:
        context.ask(kind, accept)
        (answer,) = service.handle([{"body": body}], context)
        return context.status, answer.encode() if isinstance(answer, str) else answer, context.kind

    return handle


def miniature_handler(folder: str) -> Callable[[bytes, str, str], Answer]:
    """The same contract in a few lines."""
    program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py").removesuffix(".py")
    inference: Any = importlib.import_module(program)
    model = inference.model_fn(folder)

    def handle(body: bytes, kind: str, accept: str) -> Answer:
        try:
            answer = inference.output_fn(inference.predict_fn(inference.input_fn(body, kind), model), accept)
        except Exception as error:
            return 500, f"{error}\n{traceback.format_exc()}".encode(), "text/plain"
        told, kind = answer if isinstance(answer, tuple) else (answer, accept)
        return 200, told.encode() if isinstance(told, str) else told, kind

    return handle


def ray_handler(folder: str) -> Callable[[bytes, str, str], Answer]:
    """The application under Ray Serve on loopback, asked over HTTP."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join((folder, f"{folder}/code"))}
    import ray
    from ray import serve

    ray.init(num_cpus=1, include_dashboard=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(_application(folder), name="sagehound", route_prefix="/")

    def handle(body: bytes, kind: str, accept: str) -> Answer:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {"Content-Type": kind, "Accept": accept})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, answer.read(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers["Content-Type"]

    return handle


def ray_miniature_handler(folder: str) -> Callable[[bytes, str, str], Answer]:
    """The application's own class, with a few lines in place of Ray and Starlette."""

    def deployment(**_options: Any) -> Callable[[Any], Any]:
        def decorate(decorated: Any) -> Any:
            decorated.bind = classmethod(lambda cls: cls())
            return decorated

        return decorate

    class Response:
        def __init__(self, content: str, status_code: int = 200, media_type: str = "") -> None:
            self.answer = status_code, content.encode(), media_type

    for name, inside in {
        "ray": {"serve": SimpleNamespace(deployment=deployment)},
        "starlette": {},
        "starlette.requests": {"Request": object},
        "starlette.responses": {"Response": Response},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(inside)
        sys.modules[name] = module
    application = _application(folder)

    def handle(body: bytes, kind: str, accept: str) -> Answer:
        async def read() -> bytes:
            return body

        request = SimpleNamespace(body=read, headers={"content-type": kind, "accept": accept})
        try:
            answer: Answer = asyncio.run(application(request)).answer
        except Exception:
            traceback.print_exc()
            return 500, b"Internal Server Error", "text/plain"
        return answer

    return handle


def _application(folder: str) -> Any:
    """What config.yaml names."""
    sys.path.insert(0, folder)
    found = re.search(r"import_path: *(\w+):(\w+)", Path(folder, "config.yaml").read_text(encoding="utf-8"))
    assert found is not None
    return getattr(importlib.import_module(found[1]), found[2])


class _Context:
    """What TorchServe tells a handler of a request, and what the handler tells back."""

    def __init__(self, folder: str) -> None:
        self.model_name = "model"
        self.system_properties = {"model_dir": folder}
        self.request_processor: list[Any] = []
        self.status, self.kind = 200, ""

    def ask(self, kind: str, accept: str) -> None:
        """Begin a request."""
        properties = {"Content-Type": kind, "Accept": accept}
        self.request_processor = [SimpleNamespace(get_request_properties=lambda: properties)]
        self.status, self.kind = 200, accept

    def set_response_status(self, code: int, phrase: str) -> None:
        """Called by the handler when something went wrong."""
        self.status, self.kind = int(code), "text/plain"

    def set_response_content_type(self, index: int, kind: str) -> None:
        """Called by the handler with the answer's type."""
        self.kind = kind


HANDLERS = {
    "aws": aws_handler,
    "miniature": miniature_handler,
    "ray": ray_handler,
    "ray-miniature": ray_miniature_handler,
}


def main() -> None:
    """Load, say so, answer until stdin ends."""
    # Whatever the functions print must not come between the answers.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**what: Any) -> None:
        print(json.dumps(what), file=out, flush=True)

    folder = sys.argv[1]
    sys.path[0] = os.path.join(folder, "code")  # TorchServe's way; and nothing beside this file may be imported
    try:
        handle = HANDLERS[sys.argv[2]](folder)
    except BaseException:
        traceback.print_exc()  # to the log, before the process is ended for the answer
        say(ready=False)
        sys.exit(1)
    say(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        status, body, kind = handle(base64.b64decode(asked["body"]), asked["type"], asked["accept"])
        say(status=status, body=base64.b64encode(body).decode(), type=kind)


if __name__ == "__main__":
    main()
