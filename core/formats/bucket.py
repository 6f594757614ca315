"""A prefix in S3 as a dataset: what a dataset is made of is fetched into a folder of ours, and kept up to date there.

Credentials are those of this computer, as AWS's own tools find them; without any, only public buckets can be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import DatasetError
from core.formats.archives import MOST_FILES, SPARE, place_of
from core.formats.imported import mark_opened
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import flush, write_text
from training_scripts.outside import UNUSABLE, read_json

_THREADS = 16
_KNOWN = ".objects.json"
"""What was fetched: size and ETag by key. Its name has a dot, so no walk sees it."""


def is_bucket_address(path: Path) -> bool:
    """Whether what was named is s3://BUCKET/PREFIX; a Path has one of the two slashes left."""
    return path.as_posix().lower().startswith("s3:/")


def fetch(
    path: Path,
    imports: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    client: Any | None = None,
) -> Path:
    """Return the folder that holds what is under a prefix; what is new or changed there is fetched, what is gone goes.

    Raises:
        DatasetError: it cannot be read, there is nothing, or there is no room for it.
        Cancelled: through `cancel`; what was fetched is kept, and is not fetched again.
    """
    cancel = cancel or CancelToken()
    bucket, _, prefix = path.as_posix()[len("s3:/") :].lstrip("/").partition("/")
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    address = f"s3://{bucket}/{prefix}"
    name = (prefix.rstrip("/").rpartition("/")[2] or bucket)[:80]
    folder = imports / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
    with _plain_sentences(address):
        s3 = client or _client()
        there = _listed(s3, bucket, prefix, folder, address, cancel)
        known = _known(folder)
        wanted = {key: said for key, said in there.items() if known.get(key) != list(said[:2]) or not said[2].is_file()}
        _check_room(address, sum(size for size, _, _ in wanted.values()), imports)
        for key in known.keys() - there.keys():
            if (gone := place_of(folder, key, address)) is not None:
                gone.unlink(missing_ok=True)
        kept = {key: list(said[:2]) for key, said in there.items() if key not in wanted}
        try:
            _fetch_all(s3, bucket, prefix, wanted, kept, on_progress, cancel)
        finally:
            folder.mkdir(parents=True, exist_ok=True)
            flush(there[key][2] for key in kept if key in wanted)
            write_text(folder / _KNOWN, json.dumps(kept))
    mark_opened(folder)
    return folder


_Object = tuple[int, str, Path]
"""Size, ETag, and where it is here."""


def _listed(
    s3: Any, bucket: str, prefix: str, folder: Path, address: str, cancel: CancelToken
) -> Mapping[str, _Object]:
    """Return what a dataset needs of the objects under a prefix, by what their keys say below it."""
    found: dict[str, _Object] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        cancel.raise_if_cancelled()
        for entry in page.get("Contents", ()):
            key = entry["Key"][len(prefix) :]
            place = None if key.endswith("/") else place_of(folder, key, address)
            if place is not None:
                found[key] = int(entry["Size"]), str(entry["ETag"]), place
        if len(found) > MOST_FILES:
            what = tr("{address} holds more than {count} files.").format(address=address, count=f"{MOST_FILES:,}")
            raise DatasetError(what, fix=tr("Name a part of it."))
    if not found:
        raise DatasetError(
            tr("{address} holds no dataset.").format(address=address),
            tr("There is no picture and no file of labels under this prefix."),
            tr("Check the bucket's name and the prefix."),
        )
    return found


def _fetch_all(
    s3: Any,
    bucket: str,
    prefix: str,
    wanted: Mapping[str, _Object],
    kept: dict[str, list[Any]],
    on_progress: OnProgress,
    cancel: CancelToken,
) -> None:
    """Fetch objects, many at once; each is added to `kept` when it is whole under its name."""

    def one(key: str) -> None:
        cancel.raise_if_cancelled()
        place = wanted[key][2]
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{os.getpid()}-{place.name}"[:250])
        try:
            s3.download_file(bucket, prefix + key, str(partial))
            os.replace(partial, place)
        finally:
            partial.unlink(missing_ok=True)
        kept[key] = list(wanted[key][:2])

    doing = tr("Fetching {address}").format(address=f"s3://{bucket}/{prefix}")
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="sagehound-s3") as pool:
        try:
            for number, _ in enumerate(pool.map(one, wanted), 1):
                on_progress(Progress(number, len(wanted), doing, "files"))
                cancel.raise_if_cancelled()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _known(folder: Path) -> Mapping[str, list[Any]]:
    try:
        found = read_json(folder / _KNOWN)
    except (*UNUSABLE, FileNotFoundError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_room(address: str, size: int, imports: Path) -> None:
    imports.mkdir(parents=True, exist_ok=True)
    if size > shutil.disk_usage(imports).free - SPARE:
        raise DatasetError(
            tr("{address} is not fetched.").format(address=address),
            tr("It is {gigabytes} GB, for which the disk has no room.").format(gigabytes=f"{size / 1e9:,.1f}"),
            tr("Make room, or name a part of it."),
        )


def _client() -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.Session()
    config = Config(max_pool_connections=_THREADS, retries={"mode": "adaptive", "max_attempts": 5})
    if session.get_credentials() is None:
        config = config.merge(Config(signature_version=UNSIGNED))
    return session.client("s3", config=config)


@contextmanager
def _plain_sentences(address: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise DatasetError(
            tr("{address} cannot be read.").format(address=address),
            f"{error}".rstrip(".") + ".",
            tr("Check the address, the region, and that your credentials may list and read the bucket."),
        ) from error
