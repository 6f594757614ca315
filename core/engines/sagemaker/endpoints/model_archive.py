"""The archive that is deployed: a job's model.tar.gz, here and in the bucket, with what the container starts from."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.cloud.hosting import Container, StrangersCode
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.connection.workspace import Workspace
from core.errors import ModelError
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

_SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class Archive:
    """A model.tar.gz: `file` here, `uri` where the very same is in S3, "" where it is not."""

    job: str
    file: Path
    uri: str = ""


def with_our_code(archive: Archive, place: Path) -> Archive:
    """Return the archive if all its code is Sagehound's, else one made in `place` of the model and our code.

    Raises:
        StrangersCode: the model is not one that our code can serve.
        ModelError: it cannot be unpacked.
    """
    from training_scripts.artifact import CARD_FILE, WEIGHTS_FILE, package, write_code
    from training_scripts.unknown import KNOWN_FILE

    place.mkdir()
    folder, ours = _unpacked(archive, place / "theirs"), place / "ours"
    if not (folder / CARD_FILE).is_file():
        raise StrangersCode(
            tr("{job} brings code of its own.").format(job=archive.job),
            tr(
                "Its model was not made by Sagehound, so rehearsing it here means to run what a "
                "stranger may have written."
            ),
            tr("Deploy it with `--trust-code` if you know where it comes from."),
        )
    ours.mkdir()
    for name in (CARD_FILE, WEIGHTS_FILE, KNOWN_FILE):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, ours / name)
    write_code(ours)
    if _contents(folder) == _contents(ours):
        return archive
    return Archive(archive.job, package(ours, place / "model.tar.gz"))


def _contents(folder: Path) -> dict[str, bytes]:
    from training_scripts.durable import SEAL_FILE

    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if not path.is_dir() and path.name != SEAL_FILE
    }


def _unpacked(archive: Archive, place: Path) -> Path:
    from training_scripts.artifact import unpack
    from training_scripts.job import JobError

    try:
        return unpack(archive.file, place)
    except JobError as error:
        raise ModelError(tr("The archive cannot be served."), f"{error}", tr("Train the model again.")) from error


def fit_for(container: Container, archive: Archive, place: Path) -> Archive:
    """Return the archive, or one made again in `place` where it was packed before Sagehound served in this container.

    Raises:
        ModelError: it cannot be unpacked.
    """
    from training_scripts.artifact import CARD_FILE, SERVE_CONFIG_FILE, package, write_code

    if container is not Container.RAY_SERVE:
        return archive
    folder = _unpacked(archive, place / "model")
    if (folder / SERVE_CONFIG_FILE).is_file() or not (folder / CARD_FILE).is_file():
        return archive
    write_code(folder)
    return Archive(archive.job, package(folder, place / "model.tar.gz"))


def upload_archive(
    aws: Aws,
    workspace: Workspace,
    archive: Archive,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> str:
    """Put a model.tar.gz into the bucket, under its own hash, checked by S3; returns its address. Once for all.

    Raises:
        ModelError: the file cannot be read.
        EngineError: S3 refused.
        Cancelled: through `cancel`; nothing is there.
    """
    from boto3.s3.transfer import TransferConfig

    client, message, done = aws.client("s3"), tr("Uploading the model of {job}").format(job=archive.job), 0
    try:
        with archive.file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        size = archive.file.stat().st_size
    except OSError as error:
        raise ModelError(
            tr("The model of {job} cannot be read.").format(job=archive.job),
            f"{error.strerror or error}.",
            tr("Train it again."),
        ) from error
    key = workspace.key("models", archive.job, digest[:16], "model.tar.gz")

    def count(sent: int) -> None:
        nonlocal done
        done += sent
        on_progress(Progress(done, size, message, "bytes"))
        if cancel is not None:
            cancel.raise_if_cancelled()

    with translated(tr("The model of {job} could not be uploaded.").format(job=archive.job), aws.profile):
        try:
            there = client.head_object(Bucket=workspace.bucket, Key=key)
        except Exception as error:
            if code_of(error) not in ("404", "NoSuchKey"):
                raise
        else:
            if there["ContentLength"] == size and there["Metadata"].get(_SHA256) == digest:
                return f"s3://{workspace.bucket}/{key}"
        # Each part is checked by S3 against its SHA-256; an upload that breaks leaves no object.
        extra = {"ChecksumAlgorithm": "SHA256", "Metadata": {_SHA256: digest}, **workspace.encryption}
        config = TransferConfig(max_concurrency=4)
        client.upload_file(str(archive.file), workspace.bucket, key, ExtraArgs=extra, Callback=count, Config=config)
    return f"s3://{workspace.bucket}/{key}"
