"""AWS's C client against the stand-in's S3: what arrives, and what it says when something goes wrong."""

from __future__ import annotations

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from core.engines.sagemaker import fast_s3
from core.engines.sagemaker.fast_s3 import FastS3
from tests.cloud.faults import LOST_CONNECTION, SERVER_ERROR, THROTTLED, access_denied

NAME = "set/naïve+blue cars/猫 1.jpg"


@pytest.fixture
def s3(aws):
    return aws.client("s3")


@pytest.fixture
def fast(fresh_cloud, aws, s3, bucket):
    return FastS3(aws.session, s3, bucket)


def put(fast, key, content, **arguments):
    fast.put(key, hashlib.sha256(content).hexdigest(), content, len(content), **arguments)


def test_an_object_arrives_under_its_name_with_its_checksum_and_headers(fast, s3, bucket, aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    put(fast, NAME, b"content", ServerSideEncryption="aws:kms", SSEKMSKeyId=key, BucketKeyEnabled=True)
    head = s3.head_object(Bucket=bucket, Key=NAME, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    assert (head["SSEKMSKeyId"], head["BucketKeyEnabled"]) == (key, True)
    assert s3.get_object(Bucket=bucket, Key=NAME)["Body"].read() == b"content"


def test_a_large_file_goes_in_parts(fast, aws, s3, bucket, tmp_path, monkeypatch):
    smallest = 5 * 2**20
    monkeypatch.setattr(fast_s3, "PART_BYTES", smallest)
    monkeypatch.setattr(fast_s3, "MULTIPART_BYTES", smallest)
    fast = FastS3(aws.session, s3, bucket)
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(range(256)) * (smallest // 256) + b"end")
    fast.put("large", hashlib.sha256(file.read_bytes()).hexdigest(), file, file.stat().st_size)
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ETag"].endswith('-2"')
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == file.read_bytes()


def test_every_page_of_a_listing_is_read(fast, cloud, bucket):
    names = {f"set/{number} ü+%.jpg" for number in range(1005)}
    for name in (*names, "other"):
        cloud.storage.write(f"s3://{bucket}/{name}", b"")
    assert fast.keys("set/") == names
    assert fast.keys("nothing/") == set()


@pytest.mark.parametrize("fault", [THROTTLED, SERVER_ERROR, LOST_CONNECTION])
def test_what_passes_is_tried_again(fast, cloud, s3, bucket, fault):
    cloud.faults.add("s3:PutObject", fault)
    put(fast, NAME, b"content")
    assert s3.get_object(Bucket=bucket, Key=NAME)["Body"].read() == b"content"


def test_errors_are_those_of_botocore(fast, aws, s3, cloud, tmp_path):
    cloud.faults.add("s3:PutObject", access_denied("s3:PutObject"))
    with pytest.raises(ClientError, match="AccessDenied"):
        put(fast, NAME, b"content")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        FastS3(aws.session, s3, "nobody-has-this-bucket").keys("")
    with pytest.raises(OSError, match="Invalid file path"):
        fast.put(NAME, "0" * 64, tmp_path / "gone", 7)
    fast._host = "127.0.0.2:9"  # loopback, where nobody listens
    with pytest.raises(EndpointConnectionError):
        fast.keys("")


def test_credentials_that_were_renewed_are_used(fast, monkeypatch):
    first = fast._signature()
    assert fast._signature() is first
    fresh = fast._credentials.get_frozen_credentials()._replace(access_key="AKIAOTHER")
    monkeypatch.setattr(fast._credentials, "get_frozen_credentials", lambda: fresh)
    assert fast._signature() is not first
    put(fast, NAME, b"content")


def test_a_proxy_is_left_to_boto3(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert FastS3.usable()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert not FastS3.usable()
