"""S3 and CloudWatch Logs as a job sees them: moto's own state, read and written directly."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from moto.logs.models import logs_backends
from moto.s3.models import s3_backends

from training_scripts.artifact import extract

ACCOUNT = "123456789012"
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"


class Storage:
    """Buckets and log streams of one account and region. Thread-safe as far as jobs need it."""

    def __init__(self, region: str) -> None:
        self._s3 = s3_backends[ACCOUNT]["aws"]
        self._logs = logs_backends[ACCOUNT][region]
        self._lock = threading.Lock()

    def keys(self, uri: str) -> list[str]:
        """The keys below an s3:// prefix, sorted; empty when the bucket does not exist."""
        bucket, prefix = split_uri(uri)
        if bucket not in self._s3.buckets:
            return []
        return sorted(key.name for key in self._s3.buckets[bucket].keys.values() if key.name.startswith(prefix))

    def download(self, uri: str, folder: Path, share: tuple[int, int] = (0, 1)) -> int:
        """Copy what lies below a prefix (a "folder" of S3, or a single object) into `folder`; returns how many.

        `share` is (number of the instance, how many there are) of those that divide the objects by their keys.
        """
        bucket, prefix = split_uri(uri)
        keys = self.keys(uri)[share[0] :: share[1]]
        for key in keys:
            relative = key[len(prefix) :].lstrip("/") or key.rsplit("/", 1)[-1]
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(f"s3://{bucket}/{key}"))
        return len(keys)

    def read(self, uri: str) -> bytes:
        """The bytes of one object."""
        bucket, key = split_uri(uri)
        return bytes(self._s3.get_object(bucket, key).value)

    def write(self, uri: str, content: bytes) -> None:
        """Write one object."""
        bucket, key = split_uri(uri)
        with self._lock:
            self._s3.put_object(bucket, key, content)

    def delete(self, uri: str) -> None:
        """Delete one object."""
        bucket, key = split_uri(uri)
        with self._lock:
            self._s3.delete_object(bucket, key)

    def log(self, group: str, stream: str, lines: list[str]) -> None:
        """Append lines to a log stream, which is made when it is missing."""
        now = int(time.time() * 1000)
        with self._lock:
            self._logs.ensure_log_group(group)
            self._logs.ensure_log_stream(group, stream)
            self._logs.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])

    def forget_logs(self) -> None:
        """Remove the log group of training jobs."""
        with self._lock:
            if TRAINING_LOGS in self._logs.groups:
                self._logs.delete_log_group(TRAINING_LOGS)


def split_uri(uri: str) -> tuple[str, str]:
    """The bucket and the key (or prefix) of an s3:// address."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, uri[len(f"s3://{parts.netloc}/") :]


def archive(folder: Path) -> bytes:
    """The content of a folder as tar.gz, without the folder itself."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for item in sorted(folder.iterdir()):
            tar.add(item, item.name)
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a tar.gz into `folder`."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        extract(tar, folder)
