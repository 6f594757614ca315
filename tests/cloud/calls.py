"""Which call of which service an HTTP request is: AWS's protocols, read from the outside."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

QUERY_SERVICES = ("iam", "sts")


@dataclass(frozen=True)
class Call:
    """One call: the signing name of the service, the operation's name, and the request as far as it is known.

    S3: Bucket, Key and the query parameters; its bodies stay unread.
    """

    service: str
    operation: str
    request: Mapping[str, Any] = field(default_factory=dict)


def identify(environ: dict[str, Any]) -> Call:
    """Name a call; a body that had to be read is put back."""
    service = _service(environ)
    path, query = environ.get("PATH_INFO", "/"), dict(parse_qsl(environ.get("QUERY_STRING", ""), True))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        body = read_body(environ)
        return Call(service, target.rpartition(".")[2], json.loads(body) if body.startswith(b"{") else {})
    if "/operation/" in path:  # the CBOR protocol of CloudWatch
        return Call(service, path.rpartition("/")[2])
    if service == "sagemaker":
        kind, accept = environ.get("CONTENT_TYPE", ""), environ.get("HTTP_ACCEPT", "")
        request = {"EndpointName": unquote(path.split("/")[2]), "ContentType": kind, "Accept": accept}
        return Call(service, "InvokeEndpoint", request)
    if service in QUERY_SERVICES:
        form = {**query, **dict(parse_qsl(read_body(environ).decode(), True))}
        return Call(service, form.get("Action", ""), form)
    bucket, _, key = path.lstrip("/").partition("/")
    request = {**query, "Bucket": bucket, "Key": key.encode("latin-1").decode("utf-8", "replace")}
    return Call("s3", _s3_operation(environ, bucket, key, query), request)


def _service(environ: Mapping[str, Any]) -> str:
    # Authorization: AWS4-HMAC-SHA256 Credential=KEY/20261122/us-east-1/sagemaker/aws4_request, …
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
    return scope[3] if len(scope) == 5 else "s3"


def read_body(environ: dict[str, Any]) -> bytes:
    """The whole body, which is put back."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _s3_operation(environ: Mapping[str, Any], bucket: str, key: str, query: Mapping[str, str]) -> str:
    method = environ["REQUEST_METHOD"]
    if not bucket:
        return "ListBuckets"
    if key:
        if "uploadId" in query:
            names = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
            return names.get(method, "ListParts")
        if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
            return "CopyObject"
        return "CreateMultipartUpload" if "uploads" in query else f"{_S3_VERBS.get(method, method)}Object"
    for name, kind in _BUCKET_SETTINGS.items():
        if name in query:
            return f"{_S3_VERBS.get(method, method)}{kind}"
    if method == "GET":
        return {"2": "ListObjectsV2"}.get(query.get("list-type", ""), "ListObjects")
    return {"PUT": "CreateBucket", "POST": "DeleteObjects"}.get(method, f"{_S3_VERBS.get(method, method)}Bucket")


_S3_VERBS = {"GET": "Get", "PUT": "Put", "HEAD": "Head", "DELETE": "Delete", "POST": "Post"}
_BUCKET_SETTINGS = {
    "location": "BucketLocation",
    "encryption": "BucketEncryption",
    "publicAccessBlock": "PublicAccessBlock",
    "policy": "BucketPolicy",
    "versioning": "BucketVersioning",
    "tagging": "BucketTagging",
}
