"""Uploading a dataset to the stand-in's S3."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from core.dataset import scan, split
from core.engines.sagemaker.connection.bucket_layout import channel_keys, join, split_uri
from core.engines.sagemaker.upload import staging
from core.engines.sagemaker.upload import upload as upload_module
from core.engines.sagemaker.upload.upload import upload
from core.errors import Cancelled, DatasetError, EngineError, UsageError
from core.progress import CancelToken
from tests.cloud.faults import EXPIRED

CLASSES = ("red cars", "naïve+blue", "猫")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for number, (channel, label, name) in enumerate(
        (channel, label, f"{name} {i}+ü.png")
        for channel in ("train", "valid", "test")
        for label in CLASSES
        for i, name in enumerate(("a b", "c"))
    ):
        place = root / channel / label
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 100, 40)).save(place / name)
    return root


@pytest.fixture
def manifest(folder):
    return split(scan(folder), (0.5, 0.25, 0.25), 0)


@pytest.fixture
def s3(aws):
    return aws.client("s3")


@pytest.fixture(params=["AWS's C client", "boto3"])
def send(request, aws):
    """Both ways that objects go."""
    return partial(upload, session=aws.session if request.param != "boto3" else None)


def keys_of(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))


def test_the_tree_arrives_exactly(manifest, folder, s3, bucket, send):
    seen = []
    result = send(manifest, s3, bucket, "my pictures/set", seen.append)
    base = f"my pictures/set/{manifest.version}"
    expected = {f"{base}/{file.relative_to(folder).as_posix()}" for file in folder.rglob("*.png")}
    expected |= {f"{base}/{channel}/manifest.json" for channel in ("train", "valid", "test")}
    assert set(keys_of(s3, bucket, base)) == expected
    assert (result.files, result.sent, result.copied, result.kept) == (18, 18, 0, 0)
    assert result.channels["train"] == f"s3://{bucket}/{base}/train"
    for file in folder.rglob("*.png"):
        key = f"{base}/{file.relative_to(folder).as_posix()}"
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == file.read_bytes()
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (18, 18, "files")
    assert "MB/s" in seen[-1].message


def test_the_channel_manifest_is_what_a_job_reads(manifest, s3, bucket, tmp_path):
    from training_scripts.data import load_channel

    result = upload(manifest, s3, bucket)
    _, prefix = split_uri(result.channels["train"])
    for key in keys_of(s3, bucket, f"{prefix}/"):
        target = tmp_path / "train" / key.removeprefix(f"{prefix}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
    samples = load_channel(tmp_path / "train")
    assert samples.classes == manifest.classes
    assert samples.dataset_version == manifest.version
    assert [hashlib.sha256(samples.file(i).read_bytes()).hexdigest() for i in range(6)] == list(samples.hashes)


def test_nothing_is_sent_twice(manifest, s3, bucket, send):
    send(manifest, s3, bucket, "p")
    again = send(manifest, s3, bucket, "p")
    assert (again.sent, again.copied, again.kept, again.bytes_sent) == (0, 0, 18, 0)


def test_a_new_version_sends_only_what_is_new(manifest, folder, s3, bucket):
    upload(manifest, s3, bucket, "p")
    Image.new("RGB", (9, 9), "white").save(folder / "train" / CLASSES[0] / "new.png")
    newer = split(scan(folder), (0.5, 0.25, 0.25), 0)
    result = upload(newer, s3, bucket, "p")
    assert newer.version != manifest.version
    assert (result.sent, result.copied) == (1, 18)
    assert len(keys_of(s3, bucket, f"p/{newer.version}/")) == 19 + 3
    assert len(keys_of(s3, bucket, f"p/{manifest.version}/")) == 18 + 3


def test_what_was_removed_in_s3_is_sent_again(manifest, s3, bucket):
    upload(manifest, s3, bucket, "p")
    gone = keys_of(s3, bucket, f"p/{manifest.version}/train/猫")[0]
    s3.delete_object(Bucket=bucket, Key=gone)
    result = upload(manifest, s3, bucket, "p")
    assert (result.sent + result.copied, result.kept) == (1, 17)
    assert gone in keys_of(s3, bucket)


def test_a_cancelled_upload_goes_on_where_it_was(manifest, s3, bucket):
    cancel = CancelToken()
    counted = Counting(s3, after=5, then=cancel.cancel)
    with pytest.raises(Cancelled):
        upload(manifest, counted, bucket, "p", cancel=cancel, threads=1)
    result = upload(manifest, s3, bucket, "p")
    assert result.kept >= 5
    assert result.sent == 18 - result.kept


def test_an_upload_that_was_killed_goes_on_from_the_last_saved_index(manifest, s3, bucket, monkeypatch):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    counted = Counting(s3, after=5, then=die)
    # kill -9 runs no `finally`
    monkeypatch.setattr(upload_module._Upload, "_send_all", _unguarded(upload_module._Upload._send_all, counted))
    with pytest.raises(Killed):
        upload(manifest, counted, bucket, "p", threads=1, save_every_s=0.0)
    monkeypatch.undo()
    assert upload(manifest, s3, bucket, "p").kept >= 4


def test_what_the_index_does_not_know_is_asked_for_its_checksum(manifest, s3, bucket):
    """A crash between two saves of the index costs no picture."""
    first = upload(manifest, s3, bucket, "p")
    s3.delete_object(Bucket=bucket, Key=f"p/{upload_module.INDEX}")
    key = f"p/{manifest.version}/train/{CLASSES[0]}/a b 0+ü.png"
    s3.put_object(Bucket=bucket, Key=key, Body=b"half", ChecksumAlgorithm="SHA256")
    again = Counting(s3)
    result = upload(manifest, again, bucket, "p")
    assert (first.sent, result.sent, result.kept) == (18, 1, 17)
    assert [item["Key"] for item in again.arguments if not item["Key"].endswith(".gz")] == [key]


def test_a_key_encrypts_what_is_sent_and_what_lies_there_already(manifest, s3, bucket, aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    upload(manifest, s3, bucket, "p")
    result = upload(manifest, s3, bucket, "p", kms_key=key)
    assert (result.sent, result.copied, result.kept) == (0, 18, 0)
    for name in keys_of(s3, bucket, "p/"):
        head = s3.head_object(Bucket=bucket, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key), name
    again = upload(manifest, s3, bucket, "p", kms_key=key)
    assert (again.sent, again.copied, again.kept) == (0, 0, 18)
    fresh = Counting(s3)
    upload(manifest, fresh, bucket, "q", kms_key=key)
    assert all(item["SSEKMSKeyId"] == key and item["BucketKeyEnabled"] for item in fresh.arguments)


def test_a_login_that_ends_on_the_way_is_waited_for(manifest, aws, bucket, cloud, monkeypatch):
    said = []
    cloud.faults.add("s3:PutObject", EXPIRED, times=40, after=5)

    def wait(cancel, seconds):
        if seconds == staging.LOGIN_PAUSE_S:
            cloud.faults.clear()  # the user has logged in again
        return cancel.cancelled

    monkeypatch.setattr(CancelToken, "wait", wait)
    result = staging.send(manifest, aws, bucket, "p", on_progress=lambda progress: said.append(progress.message))
    assert result.sent + result.kept == 18
    assert result.kept >= 1
    assert any("aws sso login" in message and "The upload waits" in message for message in said)
    cloud.faults.expire()
    with pytest.raises(EngineError, match="session has ended"):
        staging.send(manifest, aws, bucket, "q")
    cloud.faults.renew()


def test_paused_means_that_nothing_is_sent(manifest, s3, bucket):
    pause, cancel = threading.Event(), CancelToken()
    pause.set()
    counted = Counting(s3)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(
            upload(manifest, counted, bucket, "p", cancel=cancel, paused=pause.is_set, threads=2)
        )
    )
    thread.start()
    thread.join(0.6)
    assert thread.is_alive()
    assert counted.puts == 0
    pause.clear()
    thread.join(30)
    assert results[0].sent == 18


def test_throttling_is_waited_out(manifest, s3, bucket, monkeypatch):
    monkeypatch.setattr(CancelToken, "wait", lambda self, seconds: self.cancelled)
    broken = Counting(s3, fail=[_error("SlowDown"), _error("InternalError"), _error("SlowDown")])
    assert upload(manifest, broken, bucket, "p").sent == 18
    assert broken.fail == []


def test_a_refusal_is_said_at_once(manifest, s3, bucket):
    with pytest.raises(EngineError, match="denied"):
        upload(manifest, Counting(s3, fail=[_error("AccessDenied")] * 50), bucket, "p")
    with pytest.raises(EngineError, match="no such bucket"):
        upload(manifest, s3, "nobody-has-this-bucket", "p")


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_picture_that_changed_since_the_scan_is_not_sent(manifest, s3, bucket, send, in_parts):
    send = partial(send, multipart_bytes=1) if in_parts else send
    victim = manifest.path_of(manifest.pictures[0])
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    with pytest.raises(DatasetError, match="has changed since"):
        send(manifest, s3, bucket, "p")
    sent = keys_of(s3, bucket, "p/")
    assert not any(key.endswith(f"/{victim.relative_to(manifest.root).as_posix()}") for key in sent)
    victim.unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        send(manifest, s3, bucket, "q")


def test_a_picture_that_changes_while_it_is_sent_is_refused(manifest, s3, bucket, send, monkeypatch):
    victim = manifest.path_of(manifest.pictures[0])
    whole = upload_module._Upload._picture_task

    def picture_task(self, key, entry):
        task = whole(self, key, entry)
        if task.file == victim:
            victim.write_bytes(b"shorter")
        return task

    monkeypatch.setattr(upload_module._Upload, "_picture_task", picture_task)
    monkeypatch.setattr(CancelToken, "wait", lambda self, seconds: self.cancelled)
    with pytest.raises(DatasetError, match="has changed since"):
        send(manifest, s3, bucket, "p")


def test_every_object_is_sent_with_its_checksum(manifest, s3, bucket):
    counted = Counting(s3)
    upload(manifest, counted, bucket, "p")
    pictures = [item for item in counted.arguments if not item["Key"].endswith(".gz")]
    assert len(pictures) == 21
    for item in pictures:
        arrived = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        assert item["ChecksumSHA256"] == _base64(hashlib.sha256(arrived).digest())


def test_a_large_file_is_not_read_at_once(manifest, s3, bucket, send):
    result = send(manifest, s3, bucket, "p", multipart_bytes=1)
    assert result.sent == 18
    assert len(keys_of(s3, bucket, f"p/{manifest.version}")) == 21


def test_two_pictures_of_one_name_get_two_keys(manifest):
    first = manifest.of("train")[0]
    twin = dataclasses.replace(first, path=first.path.replace("train/", "elsewhere/"), sha256="f" * 64)
    keys = channel_keys(dataclasses.replace(manifest, pictures=(first, twin)), "train")
    assert len(keys) == 2


def test_what_is_no_address_is_refused():
    assert split_uri("s3://b/a b/c") == ("b", "a b/c")
    # What AWS or another program has written may have slashes of its own; what is written here has not.
    assert split_uri("s3://b//out//job/model.tar.gz") == ("b", "/out//job/model.tar.gz")
    assert join("/pets//2026/", "", "train/") == "pets/2026/train"
    with pytest.raises(UsageError):
        split_uri("/tmp/x")


class Counting:
    """An S3 client that counts, fails or interferes."""

    def __init__(self, client, after=None, then=lambda: None, fail=()):
        self.client, self.after, self.then, self.fail = client, after, then, list(fail)
        self.puts, self.arguments, self.lock = 0, [], threading.Lock()

    def __getattr__(self, name):
        return getattr(self.client, name)

    def put_object(self, **arguments):
        index = arguments["Key"].endswith(".gz")
        with self.lock:
            if self.fail and not index:
                raise self.fail.pop()
            self.puts += not index
            if self.puts == self.after and not index:
                self.then()
            self.arguments.append(arguments)
        return self.client.put_object(**arguments)


def _unguarded(method, counted):
    def run(self, tasks, threads):
        try:
            method(self, tasks, threads)
        except BaseException:
            self._sent = self._copied = 0
            raise

    return run


def _error(code):
    return ClientError({"Error": {"Code": code, "Message": code}}, "PutObject")


def _base64(data):
    import base64

    return base64.b64encode(data).decode()


def test_the_index_is_readable(manifest, s3, bucket):
    import gzip

    upload(manifest, s3, bucket, "p")
    body = s3.get_object(Bucket=bucket, Key=f"p/{upload_module.INDEX}")["Body"].read()
    objects = json.loads(gzip.decompress(body))["objects"]
    assert len(objects) == 21
