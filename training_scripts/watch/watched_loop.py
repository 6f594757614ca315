"""`sagehound.watch(model, loss_fn, optimizer)`: two lines for a loop or a notebook."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from .checks import all_checks
from .findings import Finding, Findings
from .patches import Patches, install
from .recorder import Recorder
from .saved_classes import ModelClasses
from .session import Session
from .state import SHARE

_PATIENCE_S = 120.0
"""How long the process that keeps the record may take to start, on a busy machine."""

_current: Watched | None = None
_followers: list[subprocess.Popen[bytes]] = []


class Watched:
    """A training that is being watched, until `close` or the end of a `with`. `findings` has what was found so far."""

    def __init__(self, session: Session, patches: Patches, folder: Path) -> None:
        self._session, self._patches = session, patches
        self.folder = folder

    @property
    def findings(self) -> list[Finding]:
        """Return the invariants that broke, in the order they were found."""
        return list(self._session.findings.all)

    @property
    def step(self) -> int:
        """Return how many steps were watched."""
        return self._session.step

    def close(self) -> None:
        """Stop watching and put torch back as it was."""
        global _current
        self._patches.close()
        self._session.close()
        with contextlib.suppress(OSError):
            (self.folder / "output" / "watch-closed").touch()
        atexit.unregister(self.close)
        if _current is self:
            _current = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watch(
    model: nn.Module | None = None,
    loss_fn: Any = None,
    optimizer: Any = None,
    *,
    stop_on: Collection[str] = (),
    folder: str | os.PathLike[str] | None = None,
    name: str = "",
) -> Watched:
    """Watch the training that follows; findings are printed on stderr as they come.

    Args:
        model: the model that is trained; without one every module that the code calls is looked at.
        loss_fn: the loss, where it is none of torch.nn.functional's; called with outputs and targets.
        optimizer: the optimizer, if it was made before.
        stop_on: names of invariants whose finding ends the process.
        folder: where tensors, steps and findings are saved. Where all of Sagehound is installed they become a job that
            the window shows; else they go to a temporary folder.
        name: what to call the job.
    """
    global _current
    if _current is not None:
        _current.close()
    place, classes = _place(folder, name)
    output = place / "output"
    output.mkdir(parents=True, exist_ok=True)
    findings = Findings(place.name, output, say=True, stop_on=stop_on)
    session = Session(findings, Recorder(output, {}), share=SHARE)
    session.model_classes = ModelClasses(classes)
    session.add(all_checks)
    patches = install(session, whole_models=model is None)
    if model is not None:
        _hook_model(session, model, patches)
    if isinstance(loss_fn, nn.Module) and not isinstance(loss_fn, nn.modules.loss._Loss):
        handle = loss_fn.register_forward_hook(lambda it, args, value: _computed(session, it, args, value))
        patches.remember(handle.remove)
    if optimizer is not None:
        session.optimizers.of(optimizer)
    _current = Watched(session, patches, place)
    atexit.register(_current.close)
    return _current


def _hook_model(session: Session, model: nn.Module, patches: Patches) -> None:
    """Hear of every call of this model."""
    known: list[Any] = []

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        if not session.here or (session.plain.on and session.plain.called(module, args, kwargs)):
            return
        if not known:
            known.append(session.before_forward(module, args, kwargs))

    def after(module: nn.Module, args: Any, outputs: Any) -> None:
        if known and (met := known.pop()) is not None:
            session.after_forward(met, outputs)

    for handle in (
        model.register_forward_pre_hook(before, with_kwargs=True),
        model.register_forward_hook(after),
    ):
        patches.remember(handle.remove)


def _computed(session: Session, loss_fn: nn.Module, args: Any, value: Any) -> None:
    if len(args) >= 2 and session.here:
        session.computed(type(loss_fn).__name__, args[0], args[1], value)


def _place(folder: str | os.PathLike[str] | None, name: str) -> tuple[Path, Path | None]:
    """Return where the job is, and the file of the classes of saved models.

    Where all of Sagehound is installed the job is one that the window shows.
    Its record is kept by a process of its own, which ends with this one or with `close`.
    """
    if folder is not None:
        return Path(folder), None
    program = Path(__file__).resolve().parents[2] / "__main__.py"
    if program.is_file() and (program.parent / "core").is_dir():
        command = [sys.executable, str(program), "watch", "--attach", str(os.getpid()), "--name", name]
        try:
            told = json.loads(_started(command))
            return Path(told["folder"]), Path(told["classes"])
        except OSError as error:
            print(
                f"sagehound: the window will not show this training: {error}; what is found is printed here.",
                file=sys.stderr,
            )
        except ValueError:  # no answer
            print(
                "sagehound: the window will not show this training, because the rest of Sagehound does not run in this "
                "environment; what is found is printed here.",
                file=sys.stderr,
            )
    return Path(tempfile.mkdtemp(prefix="sagehound-watch-")), None


def _started(command: Sequence[str], patience_s: float = _PATIENCE_S) -> bytes:
    """Start the process that keeps the record, and return the line that it answers with; nothing where it ends first.

    Raises:
        OSError: it cannot be started, or does not answer in time: no training waits for it.
    """
    # stderr is dropped: what goes wrong there must not appear in a notebook's cell much later.
    follower = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _followers.append(follower)
    began, too_late = time.monotonic(), threading.Timer(patience_s, follower.kill)
    too_late.daemon = True
    too_late.start()
    assert follower.stdout is not None
    with follower.stdout as answer:
        line = answer.readline()
    too_late.cancel()
    if not line and time.monotonic() - began >= patience_s:
        raise OSError(f"the process that keeps its record did not answer for {patience_s:.0f} s")
    return line
