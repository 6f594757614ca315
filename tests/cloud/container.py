"""Run what a training job's request asks for, in an /opt/ml-shaped private folder for each instance.

The container is this environment's Python. The toolkit's part (unpack `sagemaker_submit_directory` into code/, start
`sagemaker_program` with the hyperparameters as arguments) is written after sagemaker-training 5.1: string values
arrive as they are, the `sagemaker_*` and `_tuning_*` ones are stripped, requirements.txt is not installed here.
Nothing is mounted: the SM_* variables name the private folder, so this runs wherever Python does, but a script with
/opt/ml written into it would not find its files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jobs.contract import (
    JobFolder,
    environment,
    hyperparameter_arguments,
    inherited_environment,
    write_configuration,
)
from tests.cloud.storage import Storage, unpack

STOP_GRACE_SECONDS = 20.0
_OWN_PREFIXES = ("sagemaker_", "_tuning_")


@dataclass(frozen=True)
class Host:
    """One of a job's instances; on this machine they all meet at one port of the loopback."""

    name: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    port: int = 7777

    def variables(self, instance_type: str) -> dict[str, str]:
        """What the toolkit makes of resourceconfig.json."""
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": self.hosts}
        config = {
            "current_host": self.name,
            "current_instance_type": instance_type,
            "current_group_name": "homogeneousCluster",
            "hosts": self.hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        }
        return {
            "SM_HOSTS": json.dumps(self.hosts),
            "SM_CURRENT_HOST": self.name,
            "SM_CURRENT_HOST_RANK": str(self.hosts.index(self.name)),
            "SM_HOST_COUNT": str(len(self.hosts)),
            "SM_CURRENT_INSTANCE_TYPE": instance_type,
            "SM_MASTER_ADDR": "127.0.0.1",
            "SM_MASTER_PORT": str(self.port),
            "SM_RESOURCE_CONFIG": json.dumps(config),
        }


class Containers:
    """The instances of one job, started together; `folder` is that of the first. One that fails ends the others."""

    def __init__(self, name: str, root: Path, storage: Storage, count: int = 1) -> None:
        names = tuple(f"algo-{number}" for number in range(1, count + 1))
        hosts = [Host(host, names, _free_port()) for host in names[:1]]
        hosts += [Host(host, names, hosts[0].port) for host in names[1:]]
        self._all = [
            Container(name, root if not place else root / "instances" / host.name, storage, host)
            for place, host in enumerate(hosts)
        ]
        self.folder = self._all[0].folder
        self.folders = [container.folder for container in self._all]

    def run(self, request: Mapping[str, Any], channels: Mapping[str, str], on_line: Callable[[str, str], None]) -> int:
        """Run the script on all of them; `on_line` hears the host and the line. Returns the first bad exit status."""
        worst = 0
        with ThreadPoolExecutor(len(self._all), "cloud-instance") as pool:
            runs = [pool.submit(one.run, request, channels, on_line) for one in self._all]
            try:
                for done in as_completed(runs):
                    if (code := done.result()) and not worst:
                        worst = code
                        self.kill()
            except BaseException:  # one that could not start: the others would wait for it
                self.kill()
                raise
        for folder in self.folders[1:]:  # SageMaker puts what all of them saved into one archive
            shutil.copytree(folder.model, self.folder.model, dirs_exist_ok=True)
        return worst

    def stop(self) -> None:
        """SIGTERM to all now, SIGKILL after the grace period."""
        with ThreadPoolExecutor(len(self._all), "cloud-stop") as pool:
            list(pool.map(Container.stop, self._all))

    def kill(self) -> None:
        """End all at once, with what they started."""
        for container in self._all:
            container.kill()


class Container:
    """One run of a training script on one instance."""

    def __init__(self, name: str, root: Path, storage: Storage, host: Host) -> None:
        self.folder, self._host = JobFolder(root).create(), host
        self._name = name
        self._storage = storage
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self, request: Mapping[str, Any], channels: Mapping[str, str], on_line: Callable[[str, str], None]) -> int:
        """Run the script to its end; returns its exit status (negative: the signal that ended it)."""
        hyperparameters = {key: _unquote(value) for key, value in request.get("HyperParameters", {}).items()}
        code = self.folder.root / "code"
        code.mkdir()
        unpack(self._archive(hyperparameters["sagemaker_submit_directory"], request, channels), code)
        script = code / hyperparameters["sagemaker_program"]
        own = {key: value for key, value in hyperparameters.items() if not key.startswith(_OWN_PREFIXES)}
        write_configuration(self.folder, hyperparameters, channels)
        variables = inherited_environment() | environment(self._name, self.folder, script, own, channels, cores=1)
        places = self._host.variables(request["ResourceConfig"].get("InstanceType", ""))
        resources = self.folder.configuration / "resourceconfig.json"
        resources.write_text(places["SM_RESOURCE_CONFIG"], encoding="utf-8")
        variables |= places
        variables |= request.get("Environment", {})
        with self._lock:
            if self._stopped.is_set():
                return -signal.SIGTERM
            self._process = subprocess.Popen(
                [sys.executable, str(script), *hyperparameter_arguments(own)],
                cwd=code,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=os.name == "posix",
            )
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                on_line(self._host.name, line.rstrip("\n"))
        return self._process.wait()

    def _archive(self, place: str, request: Mapping[str, Any], channels: Mapping[str, str]) -> bytes:
        """Return the archive of the scripts; the toolkit reads it inside the container, isolated or not."""
        if not place.startswith("s3://"):
            channel, _, file = place.removeprefix("/opt/ml/input/data/").partition("/")
            return Path(channels[channel], file).read_bytes()
        if request.get("EnableNetworkIsolation"):
            raise ConnectionError(f"Could not connect to the endpoint URL: {place}")
        return self._storage.read(place)

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after the grace period."""
        with self._lock:
            self._stopped.set()
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, with what it started."""
        with self._lock:
            self._stopped.set()  # one that has not started yet stays away
            process = self._process
        if process is None or process.poll() is not None:
            return
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _unquote(value: str) -> str:
    # The SDK's v2-style launchers JSON-encode strings; the toolkit decodes what it can.
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
