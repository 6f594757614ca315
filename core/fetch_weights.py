"""Pretrained weights: where they are, fetching those that are not there, and weights files of one's own."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, cast

from core.errors import SpecError, WeightsUnavailable
from core.paths import ROOT, AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.python import child_environment, code_command
from core.translation import tr
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, Backbone
from training_scripts.durable import replacing, sha256_of
from training_scripts.weights import OWN, places

ATTEMPTS = 4
TIMEOUT_S = 20.0
_CHUNK = 1 << 18
_WAYS_OUT = tr(
    "Choose the backbone {default_backbone}, whose weights are bundled, give a weights file of "
    "your own, or choose untrained weights."
).format(default_backbone=DEFAULT_BACKBONE)
_CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from training_scripts.job import JobError
from training_scripts.network import build_backbone
from training_scripts.weights import Weights
try:
    build_backbone(sys.argv[2], Weights(Path(sys.argv[3]), "-"))
except JobError as error:
    sys.exit(str(error))
"""


def locate(backbone: str, paths: AppPaths) -> Path | None:
    """Return the published weights of a backbone on this machine; None if they must be fetched first.

    Of backbones side by side it is the last one's.
    """
    spec = _spec(backbone)
    if spec.parts:
        found = [locate(part, paths) for part in spec.parts]
        return None if None in found else found[-1]
    return next((file for file in (paths.weights / spec.weights_file, *places(spec)) if file.is_file()), None)


def ensure(
    backbone: str,
    paths: AppPaths,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    *,
    url: str | None = None,
) -> Path:
    """Return the file with the published weights of a backbone; fetched, checked and kept if it is not there yet.

    A fetch that broke off continues where it was, also after a restart. `url` replaces the publisher's address.

    Raises:
        WeightsUnavailable: no network, or what came is not what was published; says the ways out.
        Cancelled: through `cancel`; what was fetched so far stays for the next time.
        SpecError: there is no such backbone.
    """
    spec = _spec(backbone)
    if spec.parts:
        return [ensure(part, paths, on_progress, cancel, url=url) for part in spec.parts][-1]
    found = locate(backbone, paths)
    if found is not None and found.is_relative_to(paths.home) and not _is_published(found, spec):
        found.unlink()  # damaged since it was fetched
        found = locate(backbone, paths)
    if found is not None:
        return found
    if spec.bundled and url is None:
        raise WeightsUnavailable(
            tr("The bundled weights of {title} are missing.").format(title=spec.title),
            tr("The package {package} is not installed.").format(package=spec.package),
            tr("Reinstall Sagehound."),
        )
    target = paths.weights / spec.weights_file
    partial = target.with_name(target.name + ".part")
    paths.weights.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(url or spec.url, partial, spec, on_progress, cancel or CancelToken())
        _check(partial, spec)
        with replacing(target) as whole:
            os.replace(partial, whole)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsUnavailable(
            tr("The weights of {title} ({megabytes:.0f} MB) could not be fetched.").format(
                title=spec.title, megabytes=spec.megabytes
            ),
            f"{_reason(error)} ({url or spec.url}).",
            tr("Try again with a network. {ways_out}").format(ways_out=_WAYS_OUT),
        ) from error
    return target


def import_file(backbone: str, file: Path, paths: AppPaths) -> Path:
    """Take over a weights file of the user's own, once it has proved to load into the backbone; returns the copy.

    The copy's name has the content's checksum in it, so that jobs can be repeated. Code in the file is never run.

    Raises:
        WeightsUnavailable: it is not a file of weights for this backbone.
    """
    title = _spec(backbone).title
    try:
        digest = sha256_of(file)
    except OSError as error:
        raise WeightsUnavailable(
            tr("{name} cannot be read.").format(name=file.name), f"{error.strerror}.", tr("Choose another file.")
        ) from error
    target = paths.weights / OWN / f"{backbone}-{digest[:12]}{file.suffix or '.pth'}"
    if target.is_file() and sha256_of(target) == digest:
        return target  # it has proved to load before
    # In a process of its own: this one must not load torch.
    command = code_command(_CHECK, str(ROOT), backbone, str(file.resolve()))
    try:
        checked = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300, env=child_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsUnavailable(
            tr("{name} could not be checked.").format(name=file.name),
            tr("Loading it took more than five minutes."),
            tr("Try again later."),
        ) from error
    if checked.returncode != 0:
        reason = (checked.stderr.strip().splitlines() or [tr("It does not load.")])[-1]
        raise WeightsUnavailable(
            tr("{name} holds no weights for {title}.").format(name=file.name, title=title),
            reason,
            tr("Choose another file."),
        )
    with replacing(target) as copy:
        shutil.copyfile(file, copy)
    return target


def _spec(backbone: str) -> Backbone:
    if backbone not in BACKBONES:
        raise SpecError(
            tr("There is no backbone {backbone}.").format(backbone=backbone),
            fix=tr("Choose one of {backbones}.").format(backbones=", ".join(BACKBONES)),
            field="backbone",
        )
    return BACKBONES[backbone]


def _fetch(url: str, partial: Path, spec: Backbone, on_progress: OnProgress, cancel: CancelToken) -> None:
    """Fetch `url` to `partial`, continuing where an earlier attempt ended.

    Raises:
        OSError: the last attempt failed, or the server refused.
    """
    for attempt in range(1, ATTEMPTS + 1):
        cancel.raise_if_cancelled()
        before = partial.stat().st_size if partial.exists() else 0
        try:
            if _fetch_rest(url, partial, spec, on_progress, cancel):
                return
            problem: Exception = ConnectionError(tr("the connection ended too early"))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # what is here is longer than the file: it is none of it
                partial.unlink(missing_ok=True)
            elif error.code < 500:
                raise
            problem = error
        except (OSError, http.client.HTTPException) as error:
            problem = error
        grown = (partial.stat().st_size if partial.exists() else 0) > before
        if attempt == ATTEMPTS or (not grown and isinstance(problem, urllib.error.URLError) and attempt > 1):
            raise problem
        cancel.wait(0.2 * 2**attempt)


def _fetch_rest(url: str, partial: Path, spec: Backbone, on_progress: OnProgress, cancel: CancelToken) -> bool:
    """Try once; whether the file is whole then."""
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "Sagehound"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if response.status != 206:  # a server without ranges sends everything again
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with partial.open("ab" if start else "wb") as file:
            done = _copy(
                response,
                file,
                start,
                total,
                tr("Fetching the weights of {title}").format(title=spec.title),
                on_progress,
                cancel,
            )
    return total is None or done == total


def _copy(
    source: IO[bytes],
    file: IO[bytes],
    done: int,
    total: int | None,
    message: str,
    on_progress: OnProgress,
    cancel: CancelToken,
) -> int:
    on_progress(Progress(done, total, message, "bytes"))
    while chunk := source.read(_CHUNK):
        file.write(chunk)
        done += len(chunk)
        on_progress(Progress(done, total, message, "bytes"))
        cancel.raise_if_cancelled()
    return done


def _check(partial: Path, spec: Backbone) -> None:
    digest = sha256_of(partial)
    if not digest.startswith(spec.sha256_prefix):
        partial.unlink()
        raise WeightsUnavailable(
            tr("The fetched weights of {title} are not those that were published.").format(title=spec.title),
            tr("Their checksum is {digest}…, not {sha256_prefix}…; they were removed.").format(
                digest=digest[:8], sha256_prefix=spec.sha256_prefix
            ),
            tr("Try again. {ways_out}").format(ways_out=_WAYS_OUT),
        )


def _is_published(file: Path, spec: Backbone) -> bool:
    return sha256_of(file).startswith(spec.sha256_prefix)


def _reason(error: Exception) -> str:
    """Return an error of the network in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return tr("The server answered {code} {reason}").format(code=error.code, reason=error.reason)
    if isinstance(error, urllib.error.URLError):
        inner = cast("object", error.reason)
        return (
            tr("There is no connection: {strerror}").format(strerror=inner.strerror or inner)
            if isinstance(inner, OSError)
            else str(inner)
        )
    return str(error) or type(error).__name__
