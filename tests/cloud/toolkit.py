"""What AWS's PyTorch image does in a training container, after sagemaker-training 5.1: `make toolkit` runs AWS's own.

It is the container's first process. It reads /opt/ml/input/config, unpacks the scripts, lets pip install what their
requirements.txt names, starts the script with the hyperparameters as arguments, copies what it prints, and waits. It
takes no signal: what asks the container to stop never reaches the script.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import traceback
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

_NOT_THE_SCRIPTS = ("sagemaker_", "_tuning_")
_ERROR = re.compile(r"[A-Z]\w*(Error|Exception)\b|Invalid requirement")


def main(base: Path) -> int:
    """Run the job whose folder is `base`; returns 0, or 1 after the failure file was written."""
    try:
        failed = _train(base)
    except Exception as error:
        failed = f"Framework Error: \n{traceback.format_exc()}\n{error}"
        print(failed, flush=True)
    file = base / "output" / "failure"
    if failed and not file.exists():
        file.write_text(failed, encoding="utf-8")
    return 1 if failed else 0


def _train(base: Path) -> str:
    """Do what the toolkit does; returns why it failed, "" where it did not."""
    config = base / "input" / "config"
    given = {name: _decoded(text) for name, text in _read(config / "hyperparameters.json").items()}
    own = {name: value for name, value in given.items() if not name.startswith(_NOT_THE_SCRIPTS)}
    code, program = base / "code", str(given["sagemaker_program"])
    _unpack(_fetch(str(given["sagemaker_submit_directory"])), code)
    requirements = code / "requirements.txt"
    if requirements.exists() and not _are_there(requirements):
        command = [sys.executable, "-m", "pip", "install", "-r", "requirements.txt"]
        if failed := _run(command, code, "InstallRequirementsError"):
            return failed
    resources = _read(config / "resourceconfig.json")
    if "SM_STUDIO_LOCAL_MODE" not in os.environ:
        for host in resources["hosts"]:
            socket.gethostbyname(host)
    arguments = [
        part for name in sorted(own) for part in (f"--{name}" if len(name) > 1 else f"-{name}", _text(own[name]))
    ]
    os.environ |= _variables(base, own, arguments, program, resources)
    return _run([sys.executable, program, *arguments], code, "ExecuteUserScriptError")


def _are_there(requirements: Path) -> bool:
    """Whether all that is wanted is installed: pip would take 3 s of processor time in every container to say so."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if wanted := line.partition("#")[0].strip():
            try:
                requirement = Requirement(wanted)
                if requirement.extras or not requirement.specifier.contains(version(requirement.name)):
                    return False
            except (InvalidRequirement, PackageNotFoundError):  # an option of pip's, a file, or what is not there
                return False
    return True


def _run(command: list[str], folder: Path, error: str) -> str:
    """Run a command and print what it prints; returns what the toolkit says of its failure, "" where there was none."""
    noticed: list[str] = []
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        # AWS's reads pieces of up to 64 KiB and may tear a line where one ends; whole lines are read here.
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").strip()
            print(line, flush=True)
            if noticed or _ERROR.search(line):
                noticed.append(line.strip(" :\n"))
        code = process.wait()
    message = "\n ".join(dict.fromkeys(noticed))
    return f'{error}:\nExitCode {code}\nErrorMessage "{message}"\nCommand "{" ".join(command)}"' if code else ""


def _fetch(place: str) -> bytes:
    if not place.startswith("s3://"):
        return Path(place).read_bytes()
    # As boto3 would, but without the time that its import takes.
    address = f"{os.environ['AWS_ENDPOINT_URL']}/{place.removeprefix('s3://')}"
    request = urllib.request.Request(address, headers={"Authorization": "AWS testing:testing"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def _unpack(archive: bytes, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        tar.extractall(folder, filter="data")


def _variables(
    base: Path, own: dict[str, Any], arguments: list[str], program: str, resources: dict[str, Any]
) -> dict[str, str]:
    channels = sorted(_read(base / "input" / "config" / "inputdataconfig.json"))
    variables = {
        "hosts": resources["hosts"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "network_interface_name": resources["network_interface_name"],
        "resource_config": resources,
        "hps": own,
        "user_args": arguments,
        "user_entry_point": program,
        "module_name": program.removesuffix(".py"),
        "module_dir": str(base / "code"),
        "channels": channels,
        "num_cpus": os.cpu_count(),
        "num_gpus": 0,
        "log_level": 20,
        "input_dir": str(base / "input"),
        "input_config_dir": str(base / "input" / "config"),
        "output_dir": str(base / "output"),
        "output_data_dir": str(base / "output" / "data"),
        "output_intermediate_dir": str(base / "output" / "intermediate"),
        "model_dir": str(base / "model"),
        **{f"channel_{name}": str(base / "input" / "data" / name) for name in channels},
        **{f"hp_{name}": value for name, value in own.items()},
    }
    return {
        f"SM_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in variables.items()
    }


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["SAGEMAKER_BASE_DIR"])))
