"""The one place that knows how to start Python in another process: by this interpreter, or by a frozen program itself.

A frozen program (PyInstaller, Nuitka) has no `python` to call: its own executable, started with a hidden first word,
runs what it is asked to. A checkout and an installed wheel run the same through `__main__.py`.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from core.paths import ROOT

_NEEDED = frozenset(
    (
        # of the system and the session
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "DISPLAY"),
        *("WAYLAND_DISPLAY", "XAUTHORITY"),
        # of Windows
        *("TMP", "TEMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "OS", "APPDATA"),
        *("LOCALAPPDATA", "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "PROGRAMDATA"),
        *("ALLUSERSPROFILE", "PUBLIC", "NUMBER_OF_PROCESSORS"),
        # of networks
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        # of Python's environments, and where weights are kept
        *("VIRTUAL_ENV", "CONDA_PREFIX", "MPLBACKEND", "MPLCONFIGDIR", "HF_HOME", "HF_ENDPOINT", "HF_HUB_CACHE"),
        "HF_HUB_OFFLINE",
    )
)
_NEEDED_PREFIXES = (
    *("LC_", "XDG_", "PYTHON", "LD_", "DYLD_", "QT_", "FONTCONFIG_", "PROGRAMFILES", "COMMONPROGRAM", "PROCESSOR_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "VECLIB_", "NUMEXPR_", "TBB_", "MALLOC_", "ONEDNN_"),
    *("OPENVINO_", "OV_", "TORCH", "PYTORCH_", "TRITON_", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_", "GLOO_"),
    *("HIP_", "ROCR_", "ROCM_", "HSA_", "COVERAGE_", "SAGEHOUND_"),
)
KEEP = "SAGEHOUND_KEEP_VARIABLES"
"""Names, with commas between them, of what else children are to see: for a script of the user's own."""
_SECRET_NAME = re.compile(
    r"^AWS_|^BOTO_|TOKEN|SECRET|PASSW|CREDENTIAL|(API|ACCESS|PRIVATE|AUTH|ENCRYPTION|ACCOUNT)_?KEY|_KEY$|^SSH_|_COOKIE"
)
_SECRET_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]*@")

RUN = "--run"
"""The hidden first word: `--run module NAME …`, `--run script FILE …`, `--run code TEXT …`."""


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls `module.main(*arguments)` and ends with what it returns."""
    return _command("module", module, *arguments)


def script_command(script: Path, *arguments: str) -> list[str]:
    """Return the command that runs a script, as `python script …` does."""
    if _frozen():
        return _command("script", str(script), *arguments)
    return [sys.executable, str(script), *arguments]


def code_command(code: str, *arguments: str, isolated: bool = False) -> list[str]:
    """Return the command that runs a text of Python, as `python -c` does; `isolated` as by its option -I."""
    if _frozen():
        return _command("code", code, *arguments)
    return [sys.executable, *(["-I"] if isolated else []), "-c", code, *arguments]


def child_environment(machine: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of a child process: of those of the machine what a program needs, and no secrets.

    Every process that Sagehound starts gets them, but for those that speak to AWS themselves or run what the user asked
    for. A list of secrets is never whole, so this is one of what is needed; even of that, what is named like a secret
    or is an address with a password is left out. `KEEP` names what is handed on as it is.
    """
    kept = {name.strip().upper() if os.name == "nt" else name.strip() for name in machine.get(KEEP, "").split(",")}
    return {name: value for name, value in machine.items() if name in kept or _is_needed(name.upper(), value)}


def _is_needed(name: str, value: str) -> bool:
    if _SECRET_NAME.search(name) or _SECRET_ADDRESS.search(value):
        return False
    return name in _NEEDED or name.startswith(_NEEDED_PREFIXES)


def run(words: Sequence[str]) -> int:
    """Run what one of the commands above asks for, in its process; `words` are those after `RUN`."""
    kind, what, *arguments = words
    if kind == "module":
        return int(import_module(what).main(*arguments) or 0)
    if kind == "script":
        sys.argv = [what, *arguments]
        sys.path[0] = str(Path(what).parent)
        runpy.run_path(what, run_name="__main__")
    else:
        sys.argv = ["-c", *arguments]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    return 0


def _frozen() -> bool:
    return bool(getattr(sys, "frozen", False))


def _command(*words: str) -> list[str]:
    return [sys.executable, *([] if _frozen() else [str(ROOT / "__main__.py")]), RUN, *words]
