"""Upload a dataset version to S3: many requests at once, only what is new, each object checked by its SHA-256.

The SHA-256 is that of the scan, and S3 compares it with what it got: a picture that changed since is refused.

What was sent is kept in an index object beside the versions, so that a new version of a dataset sends its new pictures
only: the others are copied inside S3. An upload that broke off, even between two saves of the index, continues where it
was: what is in S3 and is not in the index is asked for its checksum. Nothing is deleted.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cloud.interface import UploadResult
from core.engines.sagemaker.connection.bucket_layout import CHANNEL_FILE, channel_keys, channel_manifest, join
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.connection.workspace import encryption
from core.engines.sagemaker.upload.adaptive_concurrency import AdaptiveConcurrency
from core.engines.sagemaker.upload.fast_s3 import MULTIPART_BYTES, FastS3
from core.engines.sagemaker.upload.picture_file import check_regular, compare, gone
from core.errors import Cancelled
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

if TYPE_CHECKING:
    from core.dataset.manifest import Entry, Manifest

INDEX, ATTEMPTS = ".sagehound-uploads.json.gz", 4
SAVE_EVERY_S, _REPORT_EVERY_S = 15.0, 0.25
_THROTTLED = ("SlowDown", "503", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded")
_PASSING = (
    *_THROTTLED,
    *("500", "502", "504", "InternalError", "RequestTimeout", "BadDigest", "ConnectionClosedError", "ReadTimeoutError"),
    *("ConnectTimeoutError", "EndpointConnectionError", "HTTPClientError", "IncompleteReadError"),
)


@dataclass(frozen=True, slots=True)
class _Task:
    """One object to be: its key, the content's hash, and where the bytes come from."""

    key: str
    sha256: str
    file: Path | None
    content: bytes = b""
    size: int = 0


def upload(
    manifest: Manifest,
    client: Any,
    bucket: str,
    prefix: str = "",
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    *,
    paused: Callable[[], bool] = lambda: False,
    kms_key: str = "",
    session: Any = None,
    threads: int = 256,
    save_every_s: float = SAVE_EVERY_S,
    multipart_bytes: int = MULTIPART_BYTES,
) -> UploadResult:
    """Put a dataset version under s3://bucket/prefix/<version>/<channel>/<class>/<file>.

    Args:
        client: a boto3 S3 client.
        paused: while it is true, no new object is begun.
        kms_key: encrypts the objects (SSE-KMS); what is there under another key is copied onto itself with this one.
            "": the bucket's own encryption.
        session: the client's boto3 session. With it objects go through AWS's C client where that can be used, which
            takes a tenth of the processor time; without it through `client`.
        threads: how many requests may run at once; how many do is found out.
        save_every_s: how often what is sent is noted in the bucket.
        multipart_bytes: from this size on an object is compared before it is sent, for S3 knows the checksums of parts.

    Raises:
        Cancelled: through `cancel`; what was sent stays, and is not sent again.
        DatasetError: a picture is gone or not what it was at the scan.
        EngineError: S3 refused, or could not be reached for longer than the retries last.
    """
    running = _Upload(manifest, client, bucket, prefix, on_progress, cancel or CancelToken(), paused, kms_key)
    running.save_every_s, running.multipart_bytes = save_every_s, multipart_bytes
    return running.run(session, threads)


class _Upload:
    def __init__(
        self,
        manifest: Manifest,
        client: Any,
        bucket: str,
        prefix: str,
        on_progress: OnProgress,
        cancel: CancelToken,
        paused: Callable[[], bool],
        kms_key: str,
    ) -> None:
        self._manifest, self._client, self._bucket, self._prefix = manifest, client, bucket, join(prefix)
        self._report, self._cancel, self._paused = on_progress, cancel, paused
        self._kms_key, self._encryption = kms_key, encryption(kms_key)
        self._base = join(self._prefix, manifest.version)
        self._lock = threading.Lock()
        self._gate = AdaptiveConcurrency()
        self._index: dict[str, str] = {}  # by key: the SHA-256, and the KMS key behind a blank if there is one
        self._there: set[str] = set()
        self._sent = self._copied = self._kept = self._bytes = self._work = 0
        self._total = self._total_bytes = 0
        self._started = self._told = self._saved = time.monotonic()
        self._failure: BaseException | None = None
        self._fast: FastS3 | None = None
        self._noted = False
        self.save_every_s, self.multipart_bytes = SAVE_EVERY_S, MULTIPART_BYTES

    def run(self, session: Any, threads: int) -> UploadResult:
        self._report(Progress(0, None, tr("Comparing with what is in S3")))
        with translated(tr("The dataset could not be uploaded.")):
            if session is not None:
                self._fast = FastS3.open(session, self._client, self._bucket)
            self._index = self._load_index()
            self._there = self._listing()
            keys = {split: channel_keys(self._manifest, split) for split in self._manifest.splits}
            missing = [
                self._picture_task(key, entry)
                for split, entries in keys.items()
                for inside, entry in entries.items()
                if not self._is_known(key := f"{self._base}/{split}/{inside}", entry.sha256)
            ]
            manifests = [self._channel_task(split, entries) for split, entries in keys.items()]
            late = [task for task in manifests if not self._is_known(task.key, task.sha256)]
            self._total = sum(map(len, keys.values()))
            self._kept, self._total_bytes = self._total - len(missing), sum(task.size for task in missing)
            self._tell(force=True)
            try:
                self._send_all(missing, threads)
                self._send_all(late, len(late))  # last: a channel is then whole
            finally:
                if self._noted:
                    self._save_index()
        self._tell(force=True)
        channels = {split: f"s3://{self._bucket}/{join(self._base, split)}" for split in keys}
        counts = self._total, self._sent, self._copied, self._kept, self._bytes
        return UploadResult(f"s3://{self._bucket}/{self._base}", channels, *counts, time.monotonic() - self._started)

    def _channel_task(self, split: str, entries: Mapping[str, Any]) -> _Task:
        content = channel_manifest(self._manifest, entries)
        key = join(self._base, split, CHANNEL_FILE)
        return _Task(key, hashlib.sha256(content).hexdigest(), None, content, len(content))

    def _picture_task(self, key: str, entry: Entry) -> _Task:
        file = self._manifest.path_of(entry)
        try:
            return _Task(key, entry.sha256, file, size=file.stat().st_size)
        except OSError as error:
            raise gone(file, error) from error

    def _is_known(self, key: str, sha256: str) -> bool:
        """Whether the object is known to be there with that content and under the KMS key that is asked for."""
        if key not in self._there:
            return False
        kept, _, kms_key = self._index.get(self._own(key), "").partition(" ")
        return kept == sha256 and (not self._kms_key or kms_key == self._kms_key)

    def _send_all(self, tasks: list[_Task], threads: int) -> None:
        """Send all of them, or raise what went wrong first."""
        queue = deque(tasks)
        # What an earlier version of the dataset has is copied inside S3.
        known = {value.partition(" ")[0]: key for key, value in self._index.items()}
        most = max(1, min(threads, self._gate.high, len(tasks)))
        with ThreadPoolExecutor(most, thread_name_prefix="sagehound-upload") as pool:
            workers: list[Future[None]] = []

            def hire() -> None:
                with self._lock:
                    while len(workers) < min(most, self._gate.limit):
                        workers.append(pool.submit(self._worker, queue, known, hire))

            try:
                hire()
                for worker in workers:  # which grows on the way
                    worker.result()
            except BaseException:  # Ctrl-C: the pool waits for its threads, so they must end
                self._cancel.cancel()
                raise
        if self._failure is not None:
            raise self._failure
        self._cancel.raise_if_cancelled()

    def _worker(self, queue: deque[_Task], known: Mapping[str, str], hire: Callable[[], None]) -> None:
        while self._failure is None and not self._cancel.cancelled:
            if self._paused():
                self._cancel.wait(0.2)
                continue
            if not self._gate.enter():
                continue
            work, throttled = 0.0, False
            try:
                task = queue.popleft()
                throttled = self._deliver(task, known)
                work = 1.0 + task.size / 65_536  # a request costs about as much as 64 kB
            except IndexError:
                return
            except BaseException as error:
                with self._lock:
                    self._failure = self._failure or error
            finally:
                limit = self._gate.limit
                self._gate.leave(work, throttled)
            if self._gate.limit > limit:
                hire()

    def _deliver(self, task: _Task, known: Mapping[str, str]) -> bool:
        """Bring one object about; tells whether S3 asked for less on the way."""
        throttled = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if self._is_there(task):
                    self._note(task, "kept")
                    return throttled
                source = known.get(task.sha256)
                copied = source is not None and task.file is not None and self._copy(source, task)
                if not copied:
                    self._put(task)
                self._note(task, "copied" if copied else "sent")
                return throttled
            except Exception as error:
                code = code_of(error)
                throttled = throttled or code in _THROTTLED
                if code not in _PASSING or attempt == ATTEMPTS:
                    raise
                self._cancel.wait(0.5 * 2**attempt)
                if self._cancel.cancelled:
                    raise Cancelled from None
        return throttled

    def _is_there(self, task: _Task) -> bool:
        """Whether an object that the index does not know is what it is to be, by the checksum that S3 keeps of it."""
        if task.key not in self._there or self._own(task.key) in self._index:
            return False
        head = self._client.head_object(Bucket=self._bucket, Key=task.key, ChecksumMode="ENABLED")
        if head.get("ChecksumSHA256") != _base64(task.sha256):
            return False
        return not self._kms_key or str(head.get("SSEKMSKeyId", "")).endswith(self._kms_key)

    def _copy(self, source: str, task: _Task) -> bool:
        """Copy what is in S3 already; False if it is not there any more."""
        from botocore.exceptions import ClientError

        try:
            self._client.copy_object(
                Bucket=self._bucket,
                Key=task.key,
                CopySource={"Bucket": self._bucket, "Key": join(self._prefix, source)},
                ChecksumAlgorithm="SHA256",
                **self._encryption,
            )
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "404", "AccessDenied"):
                return False
            raise
        return True

    def _put(self, task: _Task) -> None:
        if task.file is None:
            self._send(task, task.content)
            return
        check_regular(task.file)
        in_parts = task.size >= self.multipart_bytes
        if in_parts:  # then S3 knows the checksums of the parts only
            compare(task.file, task.sha256)
        try:
            if self._fast is not None:
                self._send(task, task.file)
            elif in_parts:
                extra = {"ChecksumAlgorithm": "SHA256", **self._encryption}
                self._client.upload_file(str(task.file), self._bucket, task.key, ExtraArgs=extra)
            else:
                with task.file.open("rb") as opened:
                    self._send(task, opened)
        except Exception:
            compare(task.file, task.sha256)  # the reason, more often than not
            raise

    def _send(self, task: _Task, body: Any) -> None:
        if self._fast is not None:
            self._fast.put(task.key, task.sha256, body, task.size, **self._encryption)
            return
        checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(task.sha256)}
        self._client.put_object(Bucket=self._bucket, Key=task.key, Body=body, **checksum, **self._encryption)

    def _note(self, task: _Task, how: str) -> None:
        with self._lock:
            self._index[self._own(task.key)] = f"{task.sha256} {self._kms_key}".strip()
            if task.file is not None:  # pictures count, manifests do not
                self._kept += how == "kept"
                self._copied += how == "copied"
                self._sent += how == "sent"
                self._bytes += task.size if how == "sent" else 0
            self._noted = True
            self._work += task.size
            save = time.monotonic() - self._saved > self.save_every_s
            if save:
                self._saved = time.monotonic()
        if save:
            self._save_index()
        self._tell()

    def _tell(self, force: bool = False) -> None:
        now = time.monotonic()
        if now - self._told < _REPORT_EVERY_S and not force:
            return
        self._told = now
        done = min(self._kept + self._sent + self._copied, self._total)
        rate = self._work / max(now - self._started, 1e-6)
        left = (self._total_bytes - self._work) / rate if rate else 0.0
        words = (
            f"Uploading, {_mb(self._work)} of {_mb(self._total_bytes)} MB, {_mb(rate)} MB/s, {max(left, 0):.0f} s left"
        )
        self._report(Progress(done, self._total, words, "files"))

    def _own(self, key: str) -> str:
        return key.removeprefix(f"{self._prefix}/") if self._prefix else key

    def _listing(self) -> set[str]:
        below = f"{self._base}/"
        if self._fast is not None:
            return self._fast.keys(below)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=below)
        return {item["Key"] for page in pages for item in page.get("Contents", ())}

    def _load_index(self) -> dict[str, str]:
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=join(self._prefix, INDEX))["Body"].read()
            data = json.loads(gzip.decompress(body))
            return {str(key): str(value) for key, value in data["objects"].items()} if data["format"] == 1 else {}
        except self._client.exceptions.NoSuchKey:
            return {}
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # a damaged index costs an upload, nothing more

    def _save_index(self) -> None:
        with self._lock:
            data = {"format": 1, "objects": dict(self._index)}
        body = gzip.compress(json.dumps(data, ensure_ascii=False).encode("utf-8"), compresslevel=1)
        self._client.put_object(Bucket=self._bucket, Key=join(self._prefix, INDEX), Body=body, **self._encryption)


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _mb(count: float) -> str:
    return f"{count / 1e6:.1f}"
