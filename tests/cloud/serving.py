"""Endpoints that answer: the archive is unpacked, and a child process (serve.py) answers as AWS's container does."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jobs.contract import inherited_environment
from tests.cloud.account import Account
from tests.cloud.faults import AwsError
from tests.cloud.storage import Storage, unpack
from tests.cloud.training import now

INSTANCE_LIMIT, SERVERLESS_LIMIT = 25 * 2**20, 4 * 2**20
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"
_SERVE = Path(__file__).with_name("serve.py")
HANDLER = "aws" if importlib.util.find_spec("sagemaker_pytorch_serving_container") else "miniature"
RAY_HANDLER = "ray" if importlib.util.find_spec("ray") else "ray-miniature"
Record = dict[str, Any]


class Worker:
    """One process that has loaded a model. Answers one request at a time."""

    def __init__(self, root: Path, handler: str, variables: Mapping[str, str], log: Any) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVE), str(root), handler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=root,
            env={**inherited_environment(), **variables, "SAGEMAKER_BASE_DIR": str(root.parent)},
        )
        self._reader = threading.Thread(target=self._read_log, args=(log,), name="cloud-endpoint-log", daemon=True)
        self._reader.start()

    def load(self) -> bool:
        """Wait for the model; whether it came."""
        return bool(self._answer().get("ready"))

    def ask(self, body: bytes, kind: str, accept: str) -> tuple[int, bytes, str]:
        """HTTP status, body and content type of the answer."""
        with self._lock:
            assert self._process.stdin is not None
            asked = {"body": base64.b64encode(body).decode(), "type": kind, "accept": accept}
            try:
                self._process.stdin.write(json.dumps(asked) + "\n")
                self._process.stdin.flush()
            except OSError:
                return 500, b"Worker died.", "text/plain"
            told = self._answer()
        if not told:
            return 500, b"Worker died.", "text/plain"
        return told["status"], base64.b64decode(told["body"]), told["type"]

    def kill(self) -> None:
        """End the process; those that wait for its answer get none."""
        self._process.kill()

    def end(self) -> None:
        """End the process and wait for it."""
        self.kill()
        self._process.wait(30)
        self._reader.join(30)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what it could no longer be told
                    continue

    def _answer(self) -> Record:
        assert self._process.stdout is not None
        answer: Record = json.loads(self._process.stdout.readline() or "{}")
        return answer

    def _read_log(self, log: Any) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            log(line.rstrip("\n"))


@dataclass
class Endpoint:
    """An endpoint and the process behind it. `cold` requests are refused first, as while serverless wakes up.

    Attributes:
        starting: the process that loads a model, until it answers.
        closed: its cloud forgets it, so that nothing more is loaded.
    """

    name: str
    arn: str
    config: str
    variant: Record
    state: Record
    worker: Worker | None = None
    starting: Worker | None = None
    closed: bool = False
    thread: threading.Thread | None = None
    cold: int = 0

    @property
    def serverless(self) -> bool:
        return "ServerlessConfig" in self.variant


class Serving:
    """Models, endpoint configurations and endpoints of a stand-in cloud.

    Attributes:
        handler: what new endpoints answer through: "aws" where AWS's packages are installed, or "miniature".
        ray_handler: the same for AWS's Ray Serve image: "ray" where it is installed, or "ray-miniature".
        released: while this is not set, endpoints that are being created or updated stay so.
    """

    def __init__(self, storage: Storage, root: Path, region: str, account: str, rights: Account) -> None:
        self._storage, self._root, self._rights = storage, root, rights
        self._account = account
        self._arn = f"arn:aws:sagemaker:{region}:{account}:"
        self._logs = f"arn:aws:logs:{region}:{account}:log-group:{ENDPOINT_LOGS}"
        self._lock = threading.RLock()
        self.handler, self.ray_handler = HANDLER, RAY_HANDLER
        self.released = threading.Event()
        self.released.set()
        self.models: dict[str, Record] = {}
        self.configs: dict[str, Record] = {}
        self.endpoints: dict[str, Endpoint] = {}

    def create_model(self, request: Mapping[str, Any]) -> str:
        """Record a model; returns its ARN."""
        return self._add(self.models, request, "ModelName", "model", "ModelArn")

    def create_config(self, request: Mapping[str, Any]) -> str:
        """Record an endpoint configuration; returns its ARN."""
        for variant in request["ProductionVariants"]:
            self.find(self.models, variant["ModelName"], "model")
            if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
                raise AwsError("ValidationException", "Specify either ServerlessConfig or InstanceType of a variant.")
        return self._add(self.configs, request, "EndpointConfigName", "endpoint-config", "EndpointConfigArn")

    def create_endpoint(self, request: Mapping[str, Any]) -> str:
        """Start an endpoint; returns its ARN."""
        name, config = request["EndpointName"], request["EndpointConfigName"]
        variant = self.find(self.configs, config, "endpoint configuration")["ProductionVariants"][0]
        with self._lock:
            if name in self.endpoints:
                raise AwsError("ValidationException", f"Cannot create already existing endpoint {name}")
            self._check_quota(variant)
            moment = now()
            state = {"EndpointStatus": "Creating", "CreationTime": moment, "LastModifiedTime": moment}
            endpoint = Endpoint(name, f"{self._arn}endpoint/{name.lower()}", config, variant, state)
            self.endpoints[name] = endpoint
            self._start(endpoint, config, variant)
        return endpoint.arn

    def update_endpoint(self, request: Mapping[str, Any]) -> str:
        """Let an endpoint go over to another configuration, answering from the old one meanwhile; returns its ARN."""
        endpoint = self.endpoint(request["EndpointName"])
        config = request["EndpointConfigName"]
        variant = self.find(self.configs, config, "endpoint configuration")["ProductionVariants"][0]
        with self._lock:
            self._refuse_in_progress(endpoint)
            if endpoint.state["EndpointStatus"] != "InService":
                raise AwsError("ValidationException", f'Endpoint "{endpoint.arn}" is not in service.')
            self._check_quota(variant)
            endpoint.state |= {"EndpointStatus": "Updating", "LastModifiedTime": now()}
            self._start(endpoint, config, variant)
        return endpoint.arn

    def describe_endpoint(self, name: str) -> Record:
        """DescribeEndpoint's answer."""
        endpoint = self.endpoint(name)
        variant: Record = {"VariantName": endpoint.variant["VariantName"]}
        if endpoint.serverless:
            variant["CurrentServerlessConfig"] = endpoint.variant["ServerlessConfig"]
        else:
            variant["CurrentInstanceCount"] = endpoint.variant["InitialInstanceCount"]
        return {
            "EndpointName": name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": endpoint.config,
            "ProductionVariants": [variant],
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
        with self._lock:
            self._refuse_in_progress(endpoint)
            del self.endpoints[name]
        self._end(endpoint)

    def find(self, table: dict[str, Record], name: str, kind: str) -> Record:
        """A recorded model or configuration."""
        with self._lock:
            if name not in table:
                raise AwsError("ValidationException", f'Could not find {kind} "{name}".')
            return table[name]

    def delete(self, table: dict[str, Record], name: str, kind: str) -> None:
        """Remove a recorded model or configuration."""
        self.find(table, name, kind)
        with self._lock:
            del table[name]

    def invoke(self, name: str, body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        """InvokeEndpoint: body and content type of the answer."""
        with self._lock:
            endpoint = self.endpoints.get(name)
            worker = endpoint.worker if endpoint is not None else None
        if endpoint is None or worker is None:
            raise AwsError("ValidationError", f"Endpoint {name} of account {self._account} not found.")
        limit = SERVERLESS_LIMIT if endpoint.serverless else INSTANCE_LIMIT
        if len(body) > limit:
            raise AwsError("ValidationError", f"Request body of {len(body)} bytes exceeds {limit} bytes.", 413)
        if endpoint.cold:
            endpoint.cold -= 1
            raise AwsError("ModelNotReadyException", "The model is not ready for inference yet", 429)
        status, answer, told = worker.ask(body, kind, accept)
        if status != 200:
            raise self._model_error(name, status, answer.decode("utf-8", "replace"))
        return answer, told

    def _model_error(self, name: str, status: int, said: str) -> AwsError:
        logs = f"{self._logs}{name}"
        whose = "client" if status < 500 else "server"
        message = f'Received {whose} error ({status}) from primary with message "{said}". See {logs} for more.'
        return AwsError("ModelError", message, 424, OriginalStatusCode=status, OriginalMessage=said, LogStreamArn=logs)

    def forget(self) -> None:
        """End and forget every endpoint, configuration and model."""
        self.close()
        for table in (self.endpoints, self.configs, self.models):
            table.clear()
        self.handler, self.ray_handler = HANDLER, RAY_HANDLER
        shutil.rmtree(self._root, ignore_errors=True)

    def close(self) -> None:
        """End every endpoint."""
        for endpoint in self.endpoints.values():
            endpoint.closed = True
        self.released.set()
        for endpoint in list(self.endpoints.values()):
            self._end(endpoint)

    def _end(self, endpoint: Endpoint) -> None:
        endpoint.closed = True
        if endpoint.starting is not None:
            endpoint.starting.kill()
        if endpoint.thread is not None:
            endpoint.thread.join(60)
        worker, endpoint.worker = endpoint.worker, None
        if worker is not None:
            worker.end()

    def _refuse_in_progress(self, endpoint: Endpoint) -> None:
        if endpoint.state["EndpointStatus"] in ("Creating", "Updating"):
            raise AwsError("ValidationException", f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _check_quota(self, variant: Mapping[str, Any]) -> None:
        kind = variant.get("InstanceType")
        if kind:
            running = [item.variant for item in self.endpoints.values() if item.variant.get("InstanceType") == kind]
            used = sum(item["InitialInstanceCount"] for item in running)
            self._rights.check_quota(f"{kind} for endpoint usage", used, variant["InitialInstanceCount"])

    def _add(self, table: dict[str, Record], request: Mapping[str, Any], member: str, kind: str, key: str) -> str:
        name = request[member]
        with self._lock:
            if name in table:
                raise AwsError("ValidationException", f"Cannot create already existing {kind} {name}")
            arn = f"{self._arn}{kind}/{name.lower()}"
            table[name] = {**{k: v for k, v in request.items() if k != "Tags"}, key: arn, "CreationTime": now()}
        return arn

    def _start(self, endpoint: Endpoint, config: str, variant: Record) -> None:
        endpoint.thread = threading.Thread(
            target=self._run, args=(endpoint, config, variant), name=f"cloud-{endpoint.name}", daemon=True
        )
        endpoint.thread.start()

    def _run(self, endpoint: Endpoint, config: str, variant: Record) -> None:
        """Start the process of a configuration; the endpoint goes over to it once it has loaded the model."""
        self.released.wait(60)
        if endpoint.closed:
            return
        try:
            worker, reason = self._load(endpoint, variant)
        except Exception as error:
            worker, reason = None, f"Request to service failed. If failure persists contact support. {error!r}"
        before = None
        with self._lock:
            if worker is not None:
                before, endpoint.worker = endpoint.worker, worker
                endpoint.config, endpoint.variant = config, variant
                endpoint.cold = 1 if endpoint.serverless else 0
                endpoint.state.pop("FailureReason", None)
            else:
                endpoint.state["FailureReason"] = reason
            endpoint.state["LastModifiedTime"] = now()
            # An update that fails is rolled back: the old process is still there.
            endpoint.state["EndpointStatus"] = "Failed" if endpoint.worker is None else "InService"
        if before is not None:
            before.end()

    def _load(self, endpoint: Endpoint, variant: Mapping[str, Any]) -> tuple[Worker | None, str]:
        container = self.models[variant["ModelName"]]["PrimaryContainer"]
        uri = container["ModelDataUrl"]
        if uri not in [f"{uri.partition('//')[0]}//{uri.split('/')[2]}/{key}" for key in self._storage.keys(uri)]:
            return None, f'Failed to download model data for container "container_1" from URL: "{uri}".'
        self._root.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f"{endpoint.name}-", dir=self._root)) / "model"
        root.mkdir()
        unpack(self._storage.read(uri), root)
        stream = f"{variant['VariantName']}/i-{int(time.time())}"
        group = ENDPOINT_LOGS + endpoint.name
        variables, log = container.get("Environment", {}), lambda line: self._storage.log(group, stream, [line])
        handler = self.ray_handler if "/ray:" in container["Image"] else self.handler
        worker = endpoint.starting = Worker(root, handler, variables, log)
        if endpoint.closed:
            worker.kill()
        if worker.load():
            return worker, ""
        worker.end()
        return None, (
            f"The primary container for production variant {variant['VariantName']} did not pass the ping health "
            "check. Please check CloudWatch logs for this endpoint."
        )
