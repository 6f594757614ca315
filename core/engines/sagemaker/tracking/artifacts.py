"""What a job leaves in S3, brought to this machine: its model, its results, and what it saves while it runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.bucket_layout import split_uri
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.tracking.logs import Ask
from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.jobs.head_models import left_head_alone, whole_model, write_archive
from core.locks import lock_of
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.job import JobError
from training_scripts.outside import UNUSABLE, parse_json
from training_scripts.packed.lines import RECORD_FILE, TrialRecord

SYNC_EVERY_S = 10.0
_STAMP = ".synced"
_RULES_STAMP = ".rules-synced"


def fetch_model(
    aws: Aws,
    name: str,
    uri: str,
    folder: JobFolder,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Download model.tar.gz and unpack it, once; returns the folder. An address with a slash at its end is a head's.

    Raises:
        ModelError: it is not there, or cannot be unpacked.
        Cancelled: through `cancel`.
    """
    from training_scripts.artifact import unpack

    if uri.endswith("/"):
        return _fetch_head(aws, name, uri, folder, on_progress)
    target = folder.root / "artifact"
    folder.root.mkdir(parents=True, exist_ok=True)
    with lock_of(target, 600, tr("The model of {name} cannot be fetched").format(name=name)):
        if target.is_dir():
            return target
        download(
            aws, uri, folder.artifact, tr("Downloading the model of {name}").format(name=name), on_progress, cancel
        )
        on_progress(Progress(0, None, tr("Unpacking the model of {name}").format(name=name)))
        try:
            return unpack(folder.artifact, target)
        except (OSError, JobError) as error:
            raise ModelError(
                tr("The model of {name} cannot be unpacked.").format(name=name), f"{error}", tr("Train it again.")
            ) from error


def _fetch_head(aws: Aws, name: str, uri: str, folder: JobFolder, on_progress: OnProgress) -> Path:
    """Fetch the head of a trial of a packed search and the backbone that its trials share; returns the whole model."""
    search = name.rsplit("-", 2)[0]
    place, what = uri.removesuffix(f"{name}/model/"), tr("The model of {name} cannot be fetched").format(name=name)
    folder.root.mkdir(parents=True, exist_ok=True)
    with lock_of(folder.root / "fetched", 600, what), translated(f"{what}.", aws.profile):
        if not left_head_alone(folder):
            on_progress(Progress(0, None, tr("Downloading the model of {name}").format(name=name)))
            client = aws.client("s3")
            _sync_prefix(client, f"{place}{search}/backbones/", folder.root.parent / search / "backbones")
            _sync_prefix(client, uri, folder.model)
    if not left_head_alone(folder):
        raise ModelError(
            tr("{name} has no model.").format(name=name),
            tr("There is none at {uri}.").format(uri=uri),
            tr("Train it again."),
        )
    write_archive(folder)
    try:
        return whole_model(folder)
    except JobError as error:
        raise ModelError(
            tr("The model of {name} cannot be made whole.").format(name=name), f"{error}", tr("Train it again.")
        ) from error


def trial_records(aws: Aws, ask: Ask, checkpoints: str, search: str) -> list[TrialRecord]:
    """Return the records that the trials of a packed search left in S3."""
    bucket, prefix = split_uri(f"{checkpoints.rstrip('/')}/{search}-")
    client, found = aws.client("s3"), []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            if item["Key"].endswith(f"/{RECORD_FILE}"):
                body = ask(client.get_object, Bucket=bucket, Key=item["Key"])["Body"].read()
                with contextlib.suppress(*UNUSABLE):
                    found.append(TrialRecord.from_json(parse_json(body)))
    return found


def download(
    aws: Aws,
    uri: str,
    file: Path,
    message: str,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Download one object, whole or not at all.

    Raises:
        ModelError: there is none.
        EngineError: S3 refused.
        Cancelled: through `cancel`.
    """
    bucket, key = split_uri(uri)
    client, partial = aws.client("s3"), file.with_name(f".{file.name}-{os.getpid()}")
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        on_progress(Progress(done, total, message, "bytes"))
        if cancel is not None:
            cancel.raise_if_cancelled()

    with translated(tr("{uri} could not be downloaded.").format(uri=uri), aws.profile):
        try:
            total = int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
            client.download_file(bucket, key, str(partial), Callback=count)
            os.replace(partial, file)
        except Exception as error:
            if code_of(error) in ("404", "NoSuchKey"):
                raise ModelError(
                    tr("{uri} is not there.").format(uri=uri), tr("It was removed from S3."), tr("Train it again.")
                ) from error
            raise
        finally:
            partial.unlink(missing_ok=True)


def sync_output(aws: Aws, checkpoints: str, folder: JobFolder, final: bool, artifact: str = "") -> None:
    """Bring what a job's callbacks have written so far (tensors, profiler files) into its folder; new files only.

    At most every ten seconds while it runs, and once after its end; then the results in output.tar.gz come as well, the
    callbacks' files of a trial among them. `artifact` is where its model.tar.gz is, or would be.
    """
    stamp = folder.root / _STAMP
    if not _is_due(stamp, final):
        return
    what = tr("The job's output could not be read")
    with lock_of(stamp, 600, what), translated(f"{what}.", aws.profile):
        if checkpoints:
            _sync_prefix(aws.client("s3"), f"{checkpoints.rstrip('/')}/{folder.root.name}/output/", folder.output)
        if final and artifact:
            _fetch_results(aws, artifact.removesuffix("model.tar.gz") + "output.tar.gz", folder)
        stamp.write_text("final" if final else "running", encoding="utf-8")


def fetch_rule_output(aws: Aws, notes: CloudJobState, folder: JobFolder, final: bool) -> None:
    """Bring what AWS's own rules wrote of a job so far into its folder; new files only.

    At most every ten seconds while they work, and once after their end. What AWS's profiler measured comes as well for
    an adopted job: one that Sagehound started has measured the same itself.

    Raises:
        EngineError: S3 refused.
    """
    if not notes.rule_output or not _is_due(stamp := folder.root / _RULES_STAMP, final):
        return
    folder.root.mkdir(parents=True, exist_ok=True)
    what = tr("AWS's report could not be fetched")
    with lock_of(stamp, 600, what), translated(f"{what}.", aws.profile):
        for part in ("rule-output", *(("profiler-output",) if notes.adopted else ())):
            _sync_prefix(aws.client("s3"), f"{notes.rule_output}/{part}", folder.root / part)
        stamp.write_text("final" if final else "running", encoding="utf-8")


def _is_due(stamp: Path, final: bool) -> bool:
    if not stamp.exists():
        return True
    age = time.time() - stamp.stat().st_mtime
    return stamp.read_text(encoding="utf-8") != "final" and (final or age >= SYNC_EVERY_S)


def _sync_prefix(client: Any, uri: str, folder: Path) -> None:
    bucket, prefix = split_uri(uri if uri.endswith("/") else f"{uri}/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", ()):
            relative = Path(item["Key"].removeprefix(prefix))
            target = folder / relative
            if ".." in relative.parts or item["Key"].endswith("/"):
                continue
            if _is_same(target, item["Size"], item["LastModified"].timestamp()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}-{os.getpid()}")
            client.download_file(bucket, item["Key"], str(partial))
            os.replace(partial, target)


def _fetch_results(aws: Aws, uri: str, folder: JobFolder) -> None:
    from training_scripts.artifact import unpack
    from training_scripts.job import MONITORED

    archive = folder.root / "output.tar.gz"
    try:
        download(aws, uri, archive, tr("Downloading the results"))
    except ModelError:
        return  # a job without results has no such archive
    unpack(archive, folder.output_data)
    archive.unlink(missing_ok=True)
    for part in (folder.output_data / MONITORED).glob("*"):
        shutil.copytree(part, folder.output / part.name, dirs_exist_ok=True)
    shutil.rmtree(folder.output_data / MONITORED, ignore_errors=True)


def _is_same(file: Path, size: int, modified: float) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    return found.st_size == size and found.st_mtime >= modified
