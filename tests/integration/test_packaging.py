"""The wheel holds the whole application, and works outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from training_scripts.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_every_package_folder_is_listed_and_has_an_init() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"])
    found = {"sagehound"}
    for top in ("core", "gui", "training_scripts"):
        for module in (ROOT / top).rglob("*.py"):
            if module.name == "sitecustomize.py":  # found by Python's start in a stranger's process: data, not a module
                continue
            found.add("sagehound." + ".".join(module.parent.relative_to(ROOT).parts))
    found.add("sagehound.resources")
    assert listed == found
    for name in sorted(listed - {"sagehound"}):
        assert (ROOT.joinpath(*name.split(".")[1:]) / "__init__.py").is_file(), name


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel, which sees this one's libraries but not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=240)
    wheel = next(folder.glob("sagehound-*.whl"))
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [*pip, "--python", str(binaries / "python"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        timeout=120,
    )
    site = next(environment.rglob("site-packages"))
    # A path in a .pth file adds the libraries, but does not run the .pth files there: the editable install stays out.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return binaries


def run(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
    environment |= {
        "SAGEHOUND_HOME": str(home / "files"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return subprocess.run(
        [str(installed / "sagehound"), *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_doctor_of_the_wheel_finds_everything(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "doctor", "--json")
    answer = json.loads(done.stdout)
    assert {check["name"]: check["message"] for check in answer["checks"] if check["status"] == "fail"} == {}
    assert answer["ok"]
    assert done.returncode == 0
    scripts = next(check for check in answer["checks"] if check["name"] == "scripts")
    assert str(ROOT) not in scripts["message"], "the wheel must not look into the checkout"


def test_wheel_scans_its_own_sample(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "scan", "sample", "--json")
    answer = json.loads(done.stdout)
    assert len(answer["classes"]) >= 5
    assert answer["pictures"] >= 150
    assert done.returncode == 0


NOTEBOOK = """
import sys
import core  # a module of the host's own, which must stay the one that is found
import sagehound
assert core.WHOSE == "the host's"
found = sagehound.scan("sample")
assert found.pictures >= 150 and found.counts[found.classes[0]]["train"] > 0
try:
    sagehound.scan("nothing here")
except sagehound.SagehoundError as error:
    assert "nothing here" in str(error), error
else:
    raise AssertionError("a folder that is not there")
try:
    sagehound.tune("sample", no_such_option=3)
except ValueError as error:
    assert "no-such-option" in str(error), error
assert core.WHOSE == "the host's" and not [n for n in sys.modules if n.startswith(("core.", "gui", "torch"))]
print(sagehound.__version__)
"""


def test_a_notebook_imports_it_beside_another_core(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text('WHOSE = "the host\'s"\n', encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
    for python in (str(installed / "python"), sys.executable):  # the wheel's, then the checkout's
        done = subprocess.run(
            [python, "-c", NOTEBOOK],
            cwd=tmp_path,
            env=environment | {"SAGEHOUND_HOME": str(tmp_path / "files")},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == VERSION


def test_wrong_use_and_failure_have_their_own_status(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "scan").returncode == 2
    missing = run(installed, tmp_path, "scan", str(tmp_path / "nothing here"))
    assert missing.returncode == 1
    assert missing.stderr.startswith("sagehound: ")
    assert "Traceback" not in missing.stderr
