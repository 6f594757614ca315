"""The stand-in cloud: moto on loopback, with a SageMaker that really runs jobs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import moto.sagemaker.urls
import psutil

from tests.cloud.account import Account
from tests.cloud.api import Api
from tests.cloud.faults import Faults
from tests.cloud.front import Front, Server
from tests.cloud.serving import Serving
from tests.cloud.storage import ACCOUNT, Storage
from tests.cloud.training import TrainingJobs
from tests.cloud.tuning import TuningJobs

REGION = "us-east-1"


class Cloud:
    """One stand-in cloud; at most one per process, since moto's state is the process's.

    Attributes:
        url: where it answers (http://127.0.0.1:port).
        requests: every SageMaker call in order, as (operation, request).
        calls: how often each operation of each service was called, as "service:Operation".
        faults: the plan of what goes wrong.
        account: rights, quotas and prices.
    """

    def __init__(self, root: Path) -> None:
        moto.sagemaker.urls.url_paths["{0}/$"] = Api.dispatch
        Api.cloud = self
        self.faults = Faults()
        self.account = Account(ACCOUNT, REGION)
        self.storage = Storage(REGION)
        self.training = TrainingJobs(self.storage, root / "jobs", REGION, ACCOUNT, self.account)
        self.tuning = TuningJobs(self.training, REGION, ACCOUNT)
        self.serving = Serving(self.storage, root / "endpoints", REGION, ACCOUNT, self.account)
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        front = Front(self.account, self.faults, self.serving.invoke)
        self.requests, self.calls = front.requests, front.calls
        self._server = Server(front)
        self.url = self._server.url

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

    def untag(self, arn: str, keys: Iterable[str]) -> None:
        """Remove tags from a resource."""
        with self._lock:
            for key in keys:
                self._tags.get(arn, {}).pop(key, None)

    def tags_of(self, arn: str) -> list[dict[str, str]]:
        """A resource's tags."""
        with self._lock:
            return [{"Key": key, "Value": value} for key, value in self._tags.get(arn, {}).items()]

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one operation, in order."""
        return [request for name, request in self.requests if name == operation]

    def forget(self) -> None:
        """End every job and endpoint and forget it, so that its name is free again; what is in S3 stays."""
        self.serving.forget()
        self.tuning.close()
        self.training.close()
        self.tuning.jobs.clear()
        self.training.jobs.clear()
        self.training.forget_folders()
        self.requests.clear()
        self.calls.clear()
        self.faults.clear()
        self.account.reset()
        with self._lock:
            self._tags.clear()

    def close(self) -> None:
        """End every job and the server."""
        self.tuning.close()
        self.training.close()
        self.serving.close()
        self._end_whoever_speaks_to_it()
        self._server.close()

    def _end_whoever_speaks_to_it(self) -> None:
        """Kill the processes that tests left in the background: those that were led here and run on."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("AWS_ENDPOINT_URL") == self.url:
                    process.kill()
