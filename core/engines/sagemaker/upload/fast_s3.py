"""PutObject and ListObjectsV2 through AWS's C client (the CRT), for uploads: botocore spends about a millisecond of
processor time on each request, the CRT a tenth of that.

Where requests go and what their headers are called is asked of boto3's client, so that both mean the same bucket;
errors come as botocore's.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode, urlsplit
from urllib.request import getproxies
from xml.etree import ElementTree

PART_BYTES = 8 * 2**20
MULTIPART_BYTES = 32 * 2**20
CONNECTIONS, PART_CONNECTIONS = 256, 32
_UNREACHABLE = ("AWS_IO_DNS_", "AWS_IO_SOCKET_", "AWS_ERROR_HTTP_CHANNEL_THROUGHPUT")


class FastS3:
    """One bucket, for one upload. Thread-safe: a call blocks its thread, as with boto3's client.

    Args:
        session: a boto3 session with credentials; they are asked for before each request, so that they can be renewed.
        client: its S3 client, which knows the endpoint.
        bucket: the bucket, in whatever region it is.

    Raises:
        BotoCoreError: there are no credentials.
    """

    def __init__(
        self,
        session: Any,
        client: Any,
        bucket: str,
        part_bytes: int = PART_BYTES,
        multipart_bytes: int = MULTIPART_BYTES,
    ) -> None:
        from awscrt.io import ClientBootstrap
        from awscrt.s3 import S3Client, S3RequestTlsMode, S3RetryConfig
        from botocore.exceptions import NoCredentialsError

        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise NoCredentialsError
        self._region = _region_of(client, bucket)
        # The one public way to have botocore resolve a bucket's address, with whatever is configured about endpoints.
        url = urlsplit(client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
        self._host, self._path = url.netloc, url.path.removesuffix("k")
        self._headers = {
            name: member.serialization["name"]
            for name, member in client.meta.service_model.operation_model("PutObject").input_shape.members.items()
            if member.serialization.get("location") == "header"
        }
        secure = url.scheme == "https"
        self._client = S3Client(
            bootstrap=ClientBootstrap.get_or_create_static_default(),
            region=self._region,
            tls_mode=S3RequestTlsMode.ENABLED if secure else S3RequestTlsMode.DISABLED,
            tls_connection_options=_trust(session) if secure else None,
            part_size=part_bytes,
            multipart_upload_threshold=multipart_bytes,
            throughput_target_gbps=CONNECTIONS * 0.4,  # the client takes that for what one connection can do
            # The least there is: the upload itself counts failures, to ask for less where S3 is overloaded.
            retry_config=S3RetryConfig(max_retries=1),
            connect_timeout_ms=10_000,
        )
        self._multipart_bytes = multipart_bytes
        self._signed_with: Any = None
        self._signing: Any = None

    @classmethod
    def open(cls, session: Any, client: Any, bucket: str) -> FastS3 | None:
        """Connect; None where the CRT is missing or would not reach AWS as botocore does.

        It does not know every system's proxies, and takes no bundle of certificates with anything else in it.
        """
        if getproxies().keys() & {"http", "https", "all"}:
            return None
        try:
            return cls(session, client, bucket)
        except (ImportError, RuntimeError):
            return None

    def put(self, key: str, sha256: str, body: bytes | Path, size: int, **arguments: Any) -> None:
        """Send one object; S3 compares it with the SHA-256 (hex). From `multipart_bytes` on it goes in parts.

        Args:
            arguments: of PutObject, those that are headers.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 was not reached.
            OSError: the file cannot be read.
        """
        from awscrt.s3 import S3ChecksumAlgorithm, S3ChecksumConfig, S3ChecksumLocation, S3RequestType

        headers = [(self._headers[name], _text(value)) for name, value in arguments.items()]
        options: dict[str, Any] = {}
        if size >= self._multipart_bytes:  # each part has its own checksum
            trailer = S3ChecksumConfig(S3ChecksumAlgorithm.SHA256, S3ChecksumLocation.TRAILER)
            options |= {"checksum_config": trailer, "max_active_connections_override": PART_CONNECTIONS}
        else:
            headers.append(("x-amz-sdk-checksum-algorithm", "SHA256"))
            headers.append(("x-amz-checksum-sha256", base64.b64encode(bytes.fromhex(sha256)).decode()))
        headers.append(("Content-Length", str(size)))
        stream = None
        if isinstance(body, bytes):
            stream = io.BytesIO(body)
        else:
            options["send_filepath"] = str(body)
        target = self._path + quote(key, safe="/~")
        self._ask("PUT", target, "PutObject", headers, stream, type=S3RequestType.PUT_OBJECT, **options)

    def keys(self, prefix: str) -> set[str]:
        """Return the keys below a prefix.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 was not reached.
        """
        from awscrt.s3 import S3RequestType

        found: set[str] = set()
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        while True:
            parts: list[bytes] = []
            target = f"{self._path}?{urlencode(query, quote_via=quote, safe='~')}"
            operation = "ListObjectsV2"
            self._ask(
                *("GET", target, operation, [], None),
                type=S3RequestType.DEFAULT,
                operation_name=operation,
                on_body=lambda chunk, parts=parts, **_: parts.append(bytes(chunk)),
            )
            page = ElementTree.fromstring(b"".join(parts))
            keys = [item.text or "" for item in page.iter(f"{page.tag.partition('ListBucketResult')[0]}Key")]
            encoded = page.findtext("{*}EncodingType") == "url"
            found.update(unquote_plus(key) if encoded and ("%" in key or "+" in key) else key for key in keys)
            query["continuation-token"] = page.findtext("{*}NextContinuationToken", "")
            if not query["continuation-token"]:
                return found

    def _ask(
        self, method: str, target: str, operation: str, headers: list[tuple[str, str]], stream: Any, **options: Any
    ) -> None:
        from awscrt.exceptions import AwsCrtError
        from awscrt.http import HttpHeaders, HttpRequest

        request = HttpRequest(method, target, HttpHeaders([("Host", self._host), *headers]), stream)
        try:
            asked = self._client.make_request(request=request, signing_config=self._signature(), **options)
        except RuntimeError as error:  # nothing is sent yet: the file cannot be read
            raise OSError(str(error)) from error
        try:
            asked.finished_future.result()
        except AwsCrtError as error:
            raise _translated(error, operation, self._host) from error

    def _signature(self) -> Any:
        """Return how requests are signed now; botocore renews credentials that are about to run out."""
        from awscrt.auth import AwsCredentialsProvider
        from awscrt.s3 import create_default_s3_signing_config

        current = self._credentials.get_frozen_credentials()
        if current != self._signed_with:
            provider = AwsCredentialsProvider.new_static(current.access_key, current.secret_key, current.token)
            self._signing = create_default_s3_signing_config(region=self._region, credential_provider=provider)
            self._signed_with = current
        return self._signing


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _region_of(client: Any, bucket: str) -> str:
    """Return where the bucket is, if S3 says it; else where the client is, and the first request says what is wrong."""
    from botocore.exceptions import ClientError

    try:
        return str(client.head_bucket(Bucket=bucket).get("BucketRegion") or client.meta.region_name)
    except ClientError:
        return str(client.meta.region_name)


def _trust(session: Any) -> Any:
    """Return TLS that trusts whom botocore trusts: the configured bundle, else the one that comes with it."""
    from awscrt.io import ClientTlsContext, TlsContextOptions
    from botocore.httpsession import get_cert_path

    options = TlsContextOptions()
    bundle = session._session.get_config_variable("ca_bundle") or get_cert_path(True)
    options.override_default_trust_store_from_path(None, bundle)
    return ClientTlsContext(options).new_connection_options()


def _translated(error: Any, operation: str, host: str) -> Any:
    """Return botocore's error for the CRT's."""
    from awscrt.s3 import S3ResponseError
    from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, SSLError

    if isinstance(error, S3ResponseError):
        answered = {"Code": str(error.status_code), "Message": error.message}
        try:
            answer = ElementTree.fromstring(error.body or b"")
            answered = {name: answer.findtext(f"{{*}}{name}") or answered[name] for name in answered}
        except ElementTree.ParseError:
            pass  # a proxy's page, or nothing at all
        return ClientError({"Error": answered, "ResponseMetadata": {"HTTPStatusCode": error.status_code}}, operation)
    if error.name.startswith("AWS_IO_TLS_"):
        return SSLError(endpoint_url=host, error=error.message)
    if error.name.startswith(_UNREACHABLE):
        return EndpointConnectionError(endpoint_url=host, error=error.message)
    return ConnectionClosedError(endpoint_url=host)
