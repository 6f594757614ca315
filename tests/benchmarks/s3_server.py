"""A small S3 server for the benchmark of the upload: it keeps objects in memory and costs as little as it can.

moto takes milliseconds per request, so that every client would wait for it. This one is a process of its own, checks no
signature and computes no hash; it speaks as much of S3 as clients need to put, list and fetch: single and multipart
uploads, `aws-chunked` bodies, copies, ListObjectsV2.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import cache
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

_PAGE = 1000
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_Headers = dict[bytes, bytes]
_Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def s3_server(delay: float = 0.0) -> Iterator[str]:
    """The address of a server that runs in a process of its own until the block ends.

    Args:
        delay: seconds by which each answer comes late, as from a place far away.
    """
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, delay), daemon=True)
    process.start()
    try:
        if not ours.poll(30):
            raise TimeoutError("The S3 server did not start.")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, delay: float) -> None:
    async def run() -> None:
        state = Buckets()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Http(state, delay), "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Buckets:
    """What is in S3: per bucket, objects by key, each its bytes, its time and its ETag."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, tuple[bytes, float, str]]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self._count = 0

    def answer(self, method: str, target: str, headers: _Headers, body: bytes) -> _Answer:
        """Status, headers and body for one request."""
        path, _, query_text = target.partition("?")
        query = dict(parse_qsl(query_text, keep_blank_values=True)) if query_text else {}
        bucket, _, key = unquote(path).removeprefix("/").partition("/")
        if not key:
            return self._bucket(method, bucket, query)
        if bucket not in self.buckets:
            return _error(404, "NoSuchBucket")
        if method == "PUT":
            return self._put(bucket, key, query, headers, body)
        if method == "POST":
            return self._multipart(bucket, key, query)
        if method == "DELETE":
            self.parts.pop(query.get("uploadId", ""), None) or self.buckets[bucket].pop(key, None)
            return 204, {}, b""
        if key not in self.buckets[bucket]:
            return _error(404, "NoSuchKey")
        content, when, etag = self.buckets[bucket][key]
        found = {"ETag": etag, "Last-Modified": formatdate(when, usegmt=True), "Content-Length": str(len(content))}
        return 200, found, b"" if method == "HEAD" else content

    def _bucket(self, method: str, bucket: str, query: dict[str, str]) -> _Answer:
        if method == "PUT":
            self.buckets.setdefault(bucket, {})
            return 200, {}, b""
        if bucket not in self.buckets:
            return _error(404, "NoSuchBucket")
        if method == "DELETE":
            del self.buckets[bucket]
            return 204, {}, b""
        if method == "HEAD":
            return 200, {"x-amz-bucket-region": "us-east-1"}, b""
        if "location" in query:
            return _xml("<LocationConstraint/>")
        return self._list(bucket, query)

    def _put(self, bucket: str, key: str, query: dict[str, str], headers: _Headers, body: bytes) -> _Answer:
        if source := headers.get(b"x-amz-copy-source"):
            from_bucket, _, from_key = unquote(source.decode()).removeprefix("/").partition("/")
            if from_key not in self.buckets.get(from_bucket, {}):
                return _error(404, "NoSuchKey")
            etag = self._store(bucket, key, self.buckets[from_bucket][from_key][0])
            return _xml(f"<CopyObjectResult><ETag>{escape(etag)}</ETag></CopyObjectResult>")
        if headers.get(b"content-encoding", b"").startswith(b"aws-chunked"):
            body = _unchunked(body)
        if upload := query.get("uploadId"):
            self.parts[upload][int(query["partNumber"])] = body
            return 200, {"ETag": f'"{query["partNumber"]}"'}, b""
        return 200, {"ETag": self._store(bucket, key, body)}, b""

    def _multipart(self, bucket: str, key: str, query: dict[str, str]) -> _Answer:
        names = f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
        if "uploads" in query:
            self._count += 1
            self.parts[f"upload{self._count}"] = {}
            started = f"{names}<UploadId>upload{self._count}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{started}</InitiateMultipartUploadResult>")
        parts = self.parts.pop(query["uploadId"])
        etag = self._store(bucket, key, b"".join(parts[number] for number in sorted(parts)))
        done = f"<CompleteMultipartUploadResult>{names}<ETag>{escape(etag)}</ETag></CompleteMultipartUploadResult>"
        return _xml(done)

    def _store(self, bucket: str, key: str, content: bytes) -> str:
        self._count += 1
        etag = f'"{self._count:032x}"'
        self.buckets[bucket][key] = (content, time.time(), etag)
        return etag

    def _list(self, bucket: str, query: dict[str, str]) -> _Answer:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = sorted(key for key in self.buckets[bucket] if key.startswith(prefix) and key > after)
        page, more = keys[:_PAGE], len(keys) > _PAGE
        items = "".join(self._item(bucket, key, "encoding-type" in query) for key in page)
        following = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        encoding = "<EncodingType>url</EncodingType>" if "encoding-type" in query else ""
        return _xml(
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
            f"<Prefix>{escape(quote(prefix) if encoding else prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{_PAGE}</MaxKeys>{encoding}<IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{following}{items}</ListBucketResult>"
        )

    def _item(self, bucket: str, key: str, encoded: bool) -> str:
        content, when, etag = self.buckets[bucket][key]
        return _listed(key, encoded, len(content), int(when), etag)


class _Http(asyncio.Protocol):
    """HTTP/1.1 with kept connections; one request after the other."""

    def __init__(self, state: Buckets, delay: float) -> None:
        self._state, self._delay = state, delay
        self._transport: asyncio.Transport
        self._received: list[bytes] = []
        self._have = 0
        self._need = 0  # of the body; 0 while the head is read
        self._request: tuple[str, str, _Headers] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._have += len(data)
        while self._have and self._have >= self._need and self._step():
            pass

    def _step(self) -> bool:
        """Take one head or one body off what has come; False when more is needed."""
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        if self._request is None:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._received = [data]
                return False
            first, *lines = head.split(b"\r\n")
            method, target, _ = first.decode("latin-1").split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            self._request, self._need = (method, target, headers), int(headers.get(b"content-length", b"0"))
            self._received, self._have = [rest], len(rest)
            if headers.get(b"expect") and not rest:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._have < self._need:
                return False
            data = rest
        body, rest = (data, b"") if len(data) == self._need else (data[: self._need], data[self._need :])
        (method, target, headers), self._request, self._need = self._request, None, 0
        self._received, self._have = [rest], len(rest)
        self._respond(method, self._state.answer(method, target, headers, body))
        return bool(rest)

    def _respond(self, method: str, answer: _Answer) -> None:
        status, headers, body = answer
        headers.setdefault("Content-Length", str(len(body)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        data = f"HTTP/1.1 {status} X\r\nServer: benchmark\r\n{lines}\r\n".encode() + body
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, data)
        else:
            self._transport.write(data)


def _unchunked(body: bytes) -> bytes:
    """The content of an `aws-chunked` body: size lines in hexadecimal, and a trailer that is not looked at."""
    parts, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


@cache  # each client lists the same objects again
def _listed(key: str, encoded: bool, size: int, when: int, etag: str) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))
    return (
        f"<Contents><Key>{escape(quote(key) if encoded else key)}</Key><LastModified>{stamp}</LastModified>"
        f"<ETag>{escape(etag)}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _xml(text: str) -> _Answer:
    return 200, {"Content-Type": "application/xml"}, (_XML + text).encode()


def _error(status: int, code: str) -> _Answer:
    return status, {"Content-Type": "application/xml"}, f"{_XML}<Error><Code>{code}</Code></Error>".encode()
