"""Run what a training job's request asks for, as AWS does: in a container for each instance, started by a toolkit.

The container is this environment's Python in namespaces of Linux: the job's folder is /opt/ml, the hosts have their
names, an isolated one has no network, and the first process is the toolkit's, to which alone a request to stop is sent.
TOOLKIT names another Python that has AWS's own toolkit (`make toolkit`); else it is toolkit.py. What requirements.txt
names is installed by pip beside this environment, from no index.

Where no namespaces can be made the toolkit finds the folder by SAGEMAKER_BASE_DIR, a script with /opt/ml written into
it would not find its files, and the network is cut for Python alone (isolated/sitecustomize.py).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.jobs.contract import JobFolder, inherited_environment, write_configuration

STOP_GRACE_SECONDS = 1.0
"""AWS kills a container two minutes after it asked it to stop."""

TOOLKIT = os.environ.get("SAGEHOUND_TOOLKIT", "")
_HERE = Path(__file__).parent
_ML = "/opt/ml"


@functools.cache
def namespaces() -> tuple[str, ...]:
    """Return the command that makes a container's namespaces; empty where this machine does not let us."""
    if sys.platform != "linux" or (unshare := shutil.which("unshare")) is None:
        return ()
    kinds = ("--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
    command = (unshare, *(("--map-root-user",) if os.geteuid() else ()), *kinds)
    with tempfile.TemporaryDirectory() as folder:
        probe = (*command, "--net", sys.executable, str(_HERE / "boot.py"), folder, "algo-1", "algo-1", "1", "true")
        return command if subprocess.run(probe, capture_output=True).returncode == 0 else ()


@dataclass(frozen=True)
class Host:
    """One of a job's instances; on this machine they all meet at one port of the loopback."""

    name: str = "algo-1"
    hosts: tuple[str, ...] = ("algo-1",)
    port: int = 7777

    def resources(self, instance_type: str) -> dict[str, Any]:
        """What resourceconfig.json says."""
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": self.hosts}
        return {
            "current_host": self.name,
            "current_instance_type": instance_type,
            "current_group_name": "homogeneousCluster",
            "hosts": self.hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        }


class Containers:
    """The instances of one job, started together; `folder` is that of the first. One that fails ends the others."""

    def __init__(self, name: str, root: Path, count: int = 1) -> None:
        names = tuple(f"algo-{number}" for number in range(1, count + 1))
        hosts = [Host(host, names, _free_port()) for host in names[:1]]
        hosts += [Host(host, names, hosts[0].port) for host in names[1:]]
        self._all = [
            Container(name, root if not place else root / "instances" / host.name, host)
            for place, host in enumerate(hosts)
        ]
        self.folder = self._all[0].folder
        self.folders = [container.folder for container in self._all]

    def run(
        self,
        request: Mapping[str, Any],
        channels: Sequence[Mapping[str, str]],
        on_line: Callable[[str, str], None],
    ) -> int:
        """Run the script on all of them, each with its channels; `on_line` hears the host and the line.

        Returns the first bad exit status.
        """
        worst = 0
        with ThreadPoolExecutor(len(self._all), "cloud-instance") as pool:
            pairs = zip(self._all, channels, strict=True)
            runs = [pool.submit(one.run, request, own, on_line) for one, own in pairs]
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
        """Ask all to stop, and kill them after the grace period."""
        with ThreadPoolExecutor(len(self._all), "cloud-stop") as pool:
            list(pool.map(Container.stop, self._all))

    def kill(self, host: str = "") -> None:
        """End all at once, or that of a host, with what they started."""
        for container in self._all:
            if host in ("", container.host):
                container.kill()


class Container:
    """One run of a training script on one instance."""

    def __init__(self, name: str, root: Path, host: Host) -> None:
        self.folder, self._host = JobFolder(root).create(), host
        self._name = name
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def host(self) -> str:
        """The name of its instance."""
        return self._host.name

    def run(self, request: Mapping[str, Any], channels: Mapping[str, str], on_line: Callable[[str, str], None]) -> int:
        """Run the script to its end; returns the container's exit status (negative: the signal that ended it)."""
        isolated = bool(request.get("EnableNetworkIsolation"))
        self._write_input(request, channels)
        with self._lock:
            if self._stopped.is_set():
                return -signal.SIGTERM
            self._process = subprocess.Popen(
                self._command(isolated),
                cwd=self.folder.root,
                env=self._environment(request, isolated),
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
                if text := line.rstrip("\n"):  # CloudWatch takes no event without a word
                    on_line(self._host.name, text)
        return self._process.wait()

    def _write_input(self, request: Mapping[str, Any], channels: Mapping[str, str]) -> None:
        hyperparameters = dict(request.get("HyperParameters", {}))
        if not namespaces():
            place = hyperparameters["sagemaker_submit_directory"]
            hyperparameters["sagemaker_submit_directory"] = place.replace(_ML, str(self.folder.root))
        write_configuration(self.folder, hyperparameters, channels)
        (self.folder.configuration / "inputdataconfig.json").write_text(
            json.dumps({item["ChannelName"]: _told(item) for item in request.get("InputDataConfig", ())}), "utf-8"
        )
        resources = self._host.resources(request["ResourceConfig"].get("InstanceType", ""))
        (self.folder.configuration / "resourceconfig.json").write_text(json.dumps(resources), encoding="utf-8")
        if "CheckpointConfig" not in request:
            self.folder.checkpoints.rmdir()
        for channel, place in channels.items():
            own = self.folder.data / channel
            if not own.exists():  # every instance has the pictures
                own.symlink_to(place, target_is_directory=True)

    def _command(self, isolated: bool) -> list[str]:
        python = TOOLKIT or sys.executable
        toolkit = [python, "-m", "sagemaker_training.cli.train"] if TOOLKIT else []
        if not namespaces():
            return toolkit or [sys.executable, str(_HERE / "toolkit.py")]
        network = ["--net"] if isolated and len(self._host.hosts) == 1 else []
        boot = [python, str(_HERE / "boot.py"), str(self.folder.root), self._host.name, ",".join(self._host.hosts)]
        return [*namespaces(), *network, *boot, "1" if network else "0", *toolkit]

    def _environment(self, request: Mapping[str, Any], isolated: bool) -> dict[str, str]:
        """What the platform and the image set; the variables that the toolkit makes are its own."""
        base = Path(_ML) if namespaces() else self.folder.root
        installed = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
        path = [str(base / "installed" / installed)]
        variables = {
            "TRAINING_JOB_NAME": self._name,
            "AWS_REGION": "us-east-1",
            "SM_MASTER_PORT": str(self._host.port),  # the instances share this machine's loopback with other jobs
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "PIP_NO_INDEX": "1",
            "PIP_PREFIX": str(base / "installed"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **{name: os.environ[name] for name in ("AWS_ENDPOINT_URL",) if name in os.environ},
        }
        if TOOLKIT:  # the image names it so; keys for S3 come with the role
            variables |= {"SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main"}
            variables |= {name: "testing" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        if not namespaces():
            variables |= {"SAGEMAKER_BASE_DIR": str(base), "SM_STUDIO_LOCAL_MODE": "true"}
            variables |= {"SM_CHECKPOINT_DIR": str(self.folder.checkpoints), "SM_MASTER_ADDR": "127.0.0.1"}
            path += [str(_HERE / "isolated")] if isolated else []
        variables["PYTHONPATH"] = os.pathsep.join(path)
        return {**inherited_environment(), **variables, **request.get("Environment", {})}

    def stop(self) -> None:
        """Ask the container to stop, and kill it after the grace period.

        SIGTERM goes to its first process alone, which Linux keeps it from unless it listens; without namespaces none is
        sent, for the toolkit would not be spared.
        """
        with self._lock:
            self._stopped.set()
            process = self._process
        if process is None or process.poll() is not None:
            return
        if namespaces():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself meanwhile
                for first in psutil.Process(process.pid).children():
                    first.terminate()
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


def _told(channel: Mapping[str, Any]) -> dict[str, str]:
    """What inputdataconfig.json says of a channel."""
    source = channel["DataSource"]["S3DataSource"]
    return {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
