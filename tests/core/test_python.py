"""Workers are started the same way by an interpreter and by a frozen program."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import python
from core.engines.local.detached import reap, start_detached
from core.paths import ROOT
from core.python import child_environment

SCRIPT = "import sys\nprint('script', *sys.argv[1:], __name__)\nsys.exit(4)\n"


@pytest.fixture(params=["interpreter", "frozen"])
def started(request, tmp_path, monkeypatch) -> str:
    """Return which program starts the workers; a frozen one has an executable that is the program itself."""
    if request.param == "frozen":
        program = tmp_path / "sagehound"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "__main__.py"}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        monkeypatch.setattr(sys, "executable", str(program))
    return request.param


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a frozen program is a shell script")
def test_modules_scripts_and_code_run_and_end_with_their_status(started, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    assert _run(python.script_command(tmp_path / "script.py", "a b", "--c"), tmp_path) == (4, "script a b --c __main__")
    assert _run(python.code_command("import sys; print(sys.argv[1:]); sys.exit(5)", "x"), tmp_path) == (5, "['x']")
    assert _run(python.module_command("core.system_libraries"), tmp_path)[0] == 0


def test_a_child_sees_no_secrets():
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2",
        "HF_TOKEN": "hf",
        "WANDB_API_KEY": "w",
        "GITHUB_TOKEN": "g",
        "DB_PASSWORD": "p",
        "PIP_INDEX_URL": "https://me:word@index.example/simple",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "my_secret": "m",
        "GITHUB_PAT": "ghp",
        "NETRC": "/home/me/.netrc",
        "SLACK_WEBHOOK": "https://hooks.example/services/T/B/x",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "PGPASSFILE": "/home/me/.pgpass",
        "KUBECONFIG": "/home/me/.kube/config",
        "WHATEVER_COMES_NEXT": "?",
        "SAGEHOUND_TOKEN": "of a server",
        "HTTP_PROXY": "http://me:word@proxy.example:3128",
    }
    kept = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LANG": "C.UTF-8",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "https_proxy": "http://proxy.example:3128",
        "LC_ALL": "de_DE.UTF-8",
        "LD_LIBRARY_PATH": "/opt/lib",
        "OMP_NUM_THREADS": "2",
        "CUDA_VISIBLE_DEVICES": "1",
        "SystemRoot": "C:\\Windows",
        "SAGEHOUND_HOME": "/data",
        "XAUTHORITY": "/run/x",
    }
    assert child_environment({**secrets, **kept}) == kept
    named = {"SAGEHOUND_KEEP_VARIABLES": "DATA_ROOT, my_secret", "DATA_ROOT": "/data"}
    assert child_environment({**secrets, **named}) == {**named, "my_secret": "m"}


def test_every_process_that_is_started_gets_that_environment():
    """But for those that speak to AWS themselves, or run what the user asked for."""
    allowed = {
        "core/api.py": 2,  # the command line in the user's own name
        "core/cli/watch.py": 1,  # the user's own command
        "training_scripts/watch/watched_loop.py": 1,  # the command line in the user's own name
        "training_scripts/callbacks.py": 1,  # inside a job, whose environment is made already
        "training_scripts/watched_script.py": 1,  # the same
    }
    starts = re.compile(r"subprocess\.(?:Popen|run|check_output|call)\(")
    without = dict[str, int]()
    for folder in ("core", "gui", "training_scripts"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            calls = [text[found.start() :] for found in starts.finditer(text)]
            bare = sum("env=" not in call[: _end(call)] for call in calls)
            if bare:
                without[file.relative_to(ROOT).as_posix()] = bare
    assert {name: count for name, count in without.items() if count != allowed.get(name)} == {}


def _end(call: str) -> int:
    depth = 0
    for place, character in enumerate(call):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return place
    return len(call)


def test_the_process_of_a_job_is_started_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    said = tmp_path / "said.log"
    (tmp_path / "look.py").write_text("import os, sys\ndef main():\n    print(sorted(os.environ)); return 0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for with_secrets in (False, True):
        process = start_detached("look", [], said, tmp_path, with_secrets=with_secrets)
        deadline = time.monotonic() + 60
        while process.is_alive:
            reap()
            assert time.monotonic() < deadline
            time.sleep(0.02)
    first, second = said.read_text().splitlines()
    assert "AWS_SECRET_ACCESS_KEY" not in first
    assert "AWS_SECRET_ACCESS_KEY" in second
