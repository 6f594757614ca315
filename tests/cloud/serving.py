"""Endpoints that answer: the archive is unpacked and served through the functions in code/inference.py.

A child process does what AWS's PyTorch handler does: `model_fn` once, then `input_fn`, `predict_fn` and `output_fn`
for every request. It is a faithful handler in miniature, not AWS's own package.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud.faults import AwsError
from tests.cloud.storage import Storage, unpack
from tests.cloud.training import now

_HANDLER = """
import base64, importlib, json, sys, traceback
sys.path.insert(0, sys.argv[1] + "/code")
say = lambda **what: print(json.dumps(what), file=out, flush=True)
out, sys.stdout = sys.stdout, sys.stderr
try:
    inference = importlib.import_module(sys.argv[2])
    model = inference.model_fn(sys.argv[1])
    say(ready=True)
except BaseException:
    say(ready=False, error=traceback.format_exc())
    sys.exit(1)
for line in sys.stdin:
    asked = json.loads(line)
    try:
        data = inference.input_fn(base64.b64decode(asked["body"]), asked["type"])
        answer = inference.output_fn(inference.predict_fn(data, model), asked["accept"])
        body, kind = answer if isinstance(answer, tuple) else (answer, asked["accept"])
        say(body=base64.b64encode(body.encode() if isinstance(body, str) else body).decode(), type=kind)
    except BaseException as error:
        say(error=f"{type(error).__name__}: {error}")
"""
INSTANCE_LIMIT, SERVERLESS_LIMIT = 25 * 2**20, 4 * 2**20


@dataclass
class Endpoint:
    """An endpoint and the process behind it. `cold` requests are refused first, as while serverless wakes up."""

    request: Mapping[str, Any]
    arn: str
    config: str
    state: dict[str, Any]
    root: Path
    process: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    serverless: bool = False
    cold: int = 0


class Serving:
    """Models, endpoint configurations and endpoints of a stand-in cloud."""

    def __init__(self, storage: Storage, root: Path, region: str, account: str) -> None:
        self._storage, self._root = storage, root
        self._arn = f"arn:aws:sagemaker:{region}:{account}:"
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, Endpoint] = {}

    def create_model(self, request: Mapping[str, Any]) -> str:
        """Record a model; returns its ARN."""
        return self._add(self.models, request, "ModelName", "model")

    def create_config(self, request: Mapping[str, Any]) -> str:
        """Record an endpoint configuration; returns its ARN."""
        for variant in request["ProductionVariants"]:
            self.find(self.models, variant["ModelName"], "model")
        return self._add(self.configs, request, "EndpointConfigName", "endpoint-config")

    def create_endpoint(self, request: Mapping[str, Any]) -> str:
        """Start an endpoint; returns its ARN."""
        name = request["EndpointName"]
        config = self.find(self.configs, request["EndpointConfigName"], "endpoint configuration")
        with self._lock:
            if name in self.endpoints:
                raise AwsError("ValidationException", f"Cannot create already existing endpoint {name}")
            moment = now()
            state = {"EndpointStatus": "Creating", "CreationTime": moment, "LastModifiedTime": moment}
            arn = f"{self._arn}endpoint/{name.lower()}"
            endpoint = Endpoint(request, arn, request["EndpointConfigName"], state, self._root / name)
            endpoint.serverless = "ServerlessConfig" in config["ProductionVariants"][0]
            endpoint.cold = 1 if endpoint.serverless else 0
            self.endpoints[name] = endpoint
        thread = threading.Thread(target=self._start, args=(endpoint, config), name=f"cloud-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return endpoint.arn

    def describe_endpoint(self, name: str) -> dict[str, Any]:
        """DescribeEndpoint's answer."""
        endpoint = self.endpoint(name)
        variant = {
            "VariantName": self.configs.get(endpoint.config, {})
            .get("ProductionVariants", [{}])[0]
            .get("VariantName", "")
        }
        return {
            "EndpointName": name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.config,
            "ProductionVariants": [variant] if variant["VariantName"] else [],
            **endpoint.state,
        }

    def endpoint(self, name: str) -> Endpoint:
        """An endpoint by name."""
        with self._lock:
            if name not in self.endpoints:
                raise AwsError("ValidationException", f'Could not find endpoint "{self._arn}endpoint/{name}".')
            return self.endpoints[name]

    def delete_endpoint(self, name: str) -> None:
        """End an endpoint."""
        endpoint = self.endpoint(name)
        _end(endpoint)
        with self._lock:
            del self.endpoints[name]

    def find(self, table: dict[str, dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
        """A recorded model or configuration."""
        with self._lock:
            if name not in table:
                raise AwsError("ValidationException", f'Could not find {kind} "{name}".')
            return table[name]

    def delete(self, table: dict[str, dict[str, Any]], name: str, kind: str) -> None:
        """Remove a recorded model or configuration."""
        self.find(table, name, kind)
        with self._lock:
            del table[name]

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> tuple[str, bytes]:
        """InvokeEndpoint: content type and body of the answer."""
        endpoint = self.endpoint(name)
        if endpoint.state["EndpointStatus"] != "InService" or endpoint.process is None:
            raise AwsError("ValidationError", f"Endpoint {name} of account is not in service.")
        if len(body) > (SERVERLESS_LIMIT if endpoint.serverless else INSTANCE_LIMIT):
            raise AwsError("ValidationError", "Request body is too large", 413)
        if endpoint.cold:
            endpoint.cold -= 1
            raise AwsError("ModelNotReadyException", "The model is not ready for inference yet", 429)
        asked = {"body": base64.b64encode(body).decode(), "type": content_type, "accept": accept}
        with endpoint.lock:
            assert endpoint.process.stdin is not None
            assert endpoint.process.stdout is not None
            endpoint.process.stdin.write(json.dumps(asked) + "\n")
            endpoint.process.stdin.flush()
            answer = json.loads(endpoint.process.stdout.readline())
        if "error" in answer:
            raise AwsError(
                "ModelError", f"Received server error (500) from primary with message {answer['error']}", 424
            )
        return answer["type"], base64.b64decode(answer["body"])

    def close(self) -> None:
        """End every endpoint."""
        for thread in self._threads:
            thread.join(60)
        for endpoint in list(self.endpoints.values()):
            _end(endpoint)

    def _add(self, table: dict[str, dict[str, Any]], request: Mapping[str, Any], member: str, kind: str) -> str:
        name = request[member]
        with self._lock:
            if name in table:
                raise AwsError("ValidationException", f"Cannot create already existing {kind} {name}")
            arn = f"{self._arn}{kind}/{name.lower()}"
            key = "ModelArn" if kind == "model" else "EndpointConfigArn"
            table[name] = {**{k: v for k, v in request.items() if k != "Tags"}, key: arn, "CreationTime": now()}
        return arn

    def _start(self, endpoint: Endpoint, config: Mapping[str, Any]) -> None:
        try:
            model = self.models[config["ProductionVariants"][0]["ModelName"]]["PrimaryContainer"]
            endpoint.root.mkdir(parents=True, exist_ok=True)
            unpack(self._storage.read(model["ModelDataUrl"]), endpoint.root)
            program = model.get("Environment", {}).get("SAGEMAKER_PROGRAM", "inference.py").removesuffix(".py")
            endpoint.process = subprocess.Popen(
                [sys.executable, "-c", _HANDLER, str(endpoint.root), program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
            assert endpoint.process.stdout is not None
            ready = json.loads(endpoint.process.stdout.readline() or '{"ready": false}')["ready"]
        except Exception:
            ready = False
        if not ready:
            variant = config["ProductionVariants"][0]["VariantName"]
            endpoint.state["FailureReason"] = (
                f"The primary container for production variant {variant} did not pass the ping health check. Please "
                "check CloudWatch logs for this endpoint."
            )
        endpoint.state["LastModifiedTime"] = now()
        endpoint.state["EndpointStatus"] = "InService" if ready else "Failed"


def _end(endpoint: Endpoint) -> None:
    process, endpoint.process = endpoint.process, None
    if process is not None:
        process.kill()
        process.wait(30)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
