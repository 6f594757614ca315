"""The stand-in cloud: moto on loopback, with a SageMaker that really runs jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import moto.sagemaker.urls
import moto.sagemakerruntime.urls
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tests.cloud.api import Api
from tests.cloud.faults import Faults
from tests.cloud.serving import Serving
from tests.cloud.serving_api import RuntimeApi
from tests.cloud.storage import ACCOUNT, Storage
from tests.cloud.training import TrainingJobs
from tests.cloud.tuning import TuningJobs

REGION = "us-east-1"


class Cloud:
    """One stand-in cloud; at most one per process, since moto's state is the process's.

    Attributes:
        url: where it answers (http://127.0.0.1:port).
        requests: every SageMaker call in order, as (operation, request).
        faults: the plan of what goes wrong.
    """

    def __init__(self, root: Path) -> None:
        moto.sagemaker.urls.url_paths["{0}/$"] = Api.dispatch
        for path in moto.sagemakerruntime.urls.url_paths:
            moto.sagemakerruntime.urls.url_paths[path] = RuntimeApi.dispatch
        Api.cloud = RuntimeApi.cloud = self
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.faults = Faults()
        self.storage = Storage(REGION)
        self.training = TrainingJobs(self.storage, root / "jobs", REGION, ACCOUNT)
        self.tuning = TuningJobs(self.training, REGION, ACCOUNT)
        self.serving = Serving(self.storage, root / "endpoints", REGION, ACCOUNT)
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def environment(self) -> dict[str, str]:
        """The variables that lead boto3 and the SDK here, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "SAGEMAKER_VALIDATE_ROLE": "false",
        }

    def tag(self, arn: str, tags: Iterable[Mapping[str, str]]) -> None:
        """Add tags to a resource."""
        with self._lock:
            self._tags.setdefault(arn, {}).update({tag["Key"]: tag["Value"] for tag in tags})

    def tags_of(self, arn: str) -> list[dict[str, str]]:
        """A resource's tags."""
        with self._lock:
            return [{"Key": key, "Value": value} for key, value in self._tags.get(arn, {}).items()]

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one operation, in order."""
        return [request for name, request in self.requests if name == operation]

    def forget(self) -> None:
        """End every job and forget it, so that its name is free again; what is in S3 stays."""
        self.tuning.close()
        self.training.close()
        self.tuning.jobs.clear()
        self.training.jobs.clear()
        self.training.forget_folders()
        self.requests.clear()
        self.faults.clear()

    def close(self) -> None:
        """End every job and the server."""
        self.tuning.close()
        self.training.close()
        self.serving.close()
        self._server.stop()
