"""Fetches a profiler's files from an s3:// prefix."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from core.errors import UserFacingError
from core.profiler.traces import TRACE_SUFFIXES
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

_THREADS = 16
_REPORT = "/profiler-report.html"
_WANTED = ("/system/", "/framework/", "/profiler-reports/")


def download(
    address: str,
    folder: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    client: Any | None = None,
) -> int:
    """Copy the profiler's files under `address` (s3://bucket/prefix) into `folder`; returns how many.

    `client` is a boto3 S3 client; without one the default credentials are used.

    Raises:
        UserFacingError: S3 cannot be reached or refuses, or there is no profiler file.
        Cancelled: through `cancel`.
    """
    bucket, prefix = _parts(address)
    prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    with _errors_in_words(address):
        s3 = client if client is not None else _client()
        keys = _list(s3, bucket, prefix)
        if not keys:
            raise UserFacingError(
                tr("There are no profiler files under {address}.").format(address=address),
                tr("No key there contains /system/, /framework/ or profiler-report, or ends in .pt.trace.json."),
                tr("Give the job's own prefix, s3://bucket/…/<job name>."),
            )
        return _fetch(s3, bucket, prefix, keys, folder, on_progress, cancel)


def download_report(address: str, folder: Path, client: Any | None = None) -> Path:
    """Copy one HTML file of AWS's, s3://bucket/…/profiler-report.html, into `folder`.

    Raises:
        UserFacingError: S3 cannot be reached or refuses, or it is not there.
    """
    bucket, key = _parts(address)
    target = folder / "profiler-report.html"
    with _errors_in_words(address):
        (client if client is not None else _client()).download_file(bucket, key, str(target))
    return target


def find_reports(address: str, client: Any | None = None) -> list[str]:
    """Return the addresses of AWS's reports under an s3:// prefix, the newest first.

    Raises:
        UserFacingError: S3 cannot be reached or refuses.
    """
    bucket, prefix = _parts(address)
    with _errors_in_words(address):
        pages = (client if client is not None else _client()).get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")
        found = [entry for page in listed for entry in page.get("Contents", ()) if entry["Key"].endswith(_REPORT)]
    found.sort(key=lambda entry: entry["LastModified"], reverse=True)
    return [f"s3://{bucket}/{entry['Key']}" for entry in found]


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key


def _client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", config=Config(max_pool_connections=_THREADS, retries={"mode": "adaptive", "max_attempts": 5})
    )


@contextmanager
def _errors_in_words(address: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UserFacingError(
            tr("The profiler files under {address} could not be read.").format(address=address),
            f"{error}".rstrip(".") + ".",
            tr("Check the address, the region and that your credentials may list and read the bucket."),
        ) from error


def _list(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ()) if _is_wanted(entry["Key"])]


def _is_wanted(key: str) -> bool:
    path = f"/{key}"
    return not key.endswith("/") and (
        any(part in path for part in _WANTED) or path.endswith(_REPORT) or path.lower().endswith(TRACE_SUFFIXES)
    )


def _fetch(
    s3: Any,
    bucket: str,
    prefix: str,
    keys: list[str],
    folder: Path,
    on_progress: OnProgress,
    cancel: CancelToken | None,
) -> int:
    root = folder.resolve()

    def fetch_one(key: str) -> None:
        if cancel is not None:
            cancel.raise_if_cancelled()
        target = root.joinpath(*PurePosixPath(key.removeprefix(prefix)).parts).resolve()
        if root not in target.parents:  # a key with .. in it
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="sagehound-s3") as pool:
        try:
            for done, _ in enumerate(pool.map(fetch_one, keys), 1):
                on_progress(Progress(done, len(keys), tr("Fetching profiler files from S3"), "files"))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return len(keys)
