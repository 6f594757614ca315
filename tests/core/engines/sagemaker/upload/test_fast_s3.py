"""AWS's C client against the stand-in's S3: what arrives, and what it says when something goes wrong."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.engines.sagemaker.upload import fast_s3
from core.engines.sagemaker.upload.fast_s3 import FastS3
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


def test_a_large_file_goes_in_parts(fast, aws, s3, bucket, tmp_path):
    smallest = 5 * 2**20
    fast = FastS3(aws.session, s3, bucket, part_bytes=smallest, multipart_bytes=smallest)
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


def test_what_the_c_client_cannot_do_is_left_to_boto3(aws, s3, bucket, tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert FastS3.open(aws.session, s3, bucket) is not None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert FastS3.open(aws.session, s3, bucket) is None
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setattr(fast_s3, "_region_of", lambda client, bucket: "us-east-1")
    (tmp_path / "bundle.pem").write_text("no certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    session = boto3.Session("key", "secret", region_name="us-east-1")
    assert FastS3.open(session, session.client("s3", endpoint_url="https://localhost:9"), bucket) is None


def test_tls_trusts_the_bundle_that_is_configured(tmp_path, monkeypatch):
    """boto3's first request refuses whom the bundle does not know; the C client must know whom it does."""
    ours = _certificate(tmp_path / "ours.pem")
    monkeypatch.setattr(fast_s3, "_region_of", lambda client, bucket: "us-east-1")
    with _tls_server(ours) as url:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(ours))
        session = boto3.Session("key", "secret", region_name="us-east-1")
        assert FastS3(session, session.client("s3", endpoint_url=url), "bucket").keys("set/") == {"set/a b"}


def _certificate(file):
    """A certificate for localhost that signs itself; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.with_suffix(".key").write_bytes(text)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def _tls_server(certificate):
    """A server that answers every request with a listing of one key."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            page = "<EncodingType>url</EncodingType><Contents><Key>set/a+b</Key></Contents>"
            body = (
                f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{page}</ListBucketResult>'.encode()
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True  # connections are kept

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
