"""What stands before moto: names every call, counts it, breaks what is planned, answers what moto does not know."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.cloud.account import JSON_CALLS, QUERY_CALLS, Account
from tests.cloud.calls import QUERY_SERVICES, Call, identify, read_body
from tests.cloud.faults import LOST_ANSWER, LOST_CONNECTION, SLOW, AwsError, Faults, spelled

Environ = dict[str, Any]
Start = Callable[..., Any]
Invoke = Callable[[str, bytes, str, str], tuple[bytes, str]]
"""An endpoint's name, the request's body, its type and the accepted type, to the answer and its type."""
_JSON = "application/x-amz-json-1.1"


class Front:
    """A WSGI application in front of moto's.

    Attributes:
        calls: how often each operation was called, as "service:Operation".
        requests: every SageMaker call in order, as (operation, request), refused ones too.
    """

    def __init__(self, account: Account, faults: Faults, invoke: Invoke) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._account, self._faults, self._invoke = account, faults, invoke
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer one request."""
        call = identify(environ)
        with self._lock:
            self.calls[f"{call.service}:{call.operation}"] += 1
            if call.service == "sagemaker":
                self.requests.append((call.operation, dict(call.request)))
        try:
            self._check(call)
            _compare(environ)
            own = self._own(call, environ)
            if own is not None:
                return _send(start, 200, *own)
        except AwsError as error:
            if error.code in (LOST_CONNECTION[0], LOST_ANSWER[0]):
                return self._broken(environ, start, is_done=error.code == LOST_ANSWER[0])
            return _refuse(start, environ, call, spelled(error, call.service))
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def _check(self, call: Call) -> None:
        try:
            self._faults.check(call.service, call.operation, call.request)
        except AwsError as error:
            if error.code != SLOW[0]:
                raise
            time.sleep(1.0)

    def _own(self, call: Call, environ: Environ) -> tuple[bytes, str] | None:
        """The answer to what moto does not know, with its content type; None for the rest."""
        key = (call.service, call.operation)
        if key in JSON_CALLS:
            return json.dumps(JSON_CALLS[key](self._account, call.request)).encode(), _JSON
        if key in QUERY_CALLS:
            return QUERY_CALLS[key](self._account, call.request).encode(), "text/xml"
        if call.operation == "InvokeEndpoint":
            asked = call.request
            return self._invoke(asked["EndpointName"], read_body(environ), asked["ContentType"], asked["Accept"])
        return None

    def _broken(self, environ: Environ, start: Start, is_done: bool) -> Iterator[bytes]:
        """Send or receive half of what was to be, or do all but answer; then the connection ends."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        connection: socket.socket = environ["werkzeug.socket"]
        if is_done:
            b"".join(self._moto(environ, start))
        elif length:
            environ["wsgi.input"].read(length // 2)
        else:
            answer = b"".join(self._moto(environ, start))
            yield answer[: len(answer) // 2]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("by plan")


class _QuietHandler(MotoRequestHandler):
    """Nothing of what is asked goes to stderr."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class Server:
    """Serves an application on a free port of the loopback address, until `close`."""

    def __init__(self, application: Callable[[Environ, Start], Iterable[bytes]]) -> None:
        self._server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="cloud", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening; serve_forever closes the socket."""
        self._server.shutdown()
        self._thread.join(30)


def _compare(environ: Environ) -> None:
    """Refuse a body that is not what its checksum says, as S3 does and moto does not."""
    told = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    if not told or environ["REQUEST_METHOD"] != "PUT":
        return
    if base64.b64encode(hashlib.sha256(read_body(environ)).digest()).decode() != told:
        raise AwsError("BadDigest", "The SHA256 you specified did not match the calculated checksum.")


def _refuse(start: Start, environ: Environ, call: Call, error: AwsError) -> list[bytes]:
    """An error in the protocol of the service; what the client still sends is read first."""
    stream = environ["wsgi.input"]
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left > 0 and (chunk := stream.read(min(left, 1 << 20))):
        left -= len(chunk)
    told = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if call.service == "s3":
        text = "" if environ["REQUEST_METHOD"] == "HEAD" else f"<?xml version='1.0'?><Error>{told}</Error>"
        return _send(start, error.status, text.encode(), "application/xml")
    if call.service in QUERY_SERVICES:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error></ErrorResponse>"
        return _send(start, error.status, text.encode(), "text/xml")
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.members}
    return _send(start, error.status, json.dumps(body).encode(), _JSON, [("x-amzn-errortype", error.code)])


def _send(start: Start, status: int, body: bytes, kind: str, headers: Iterable[tuple[str, str]] = ()) -> list[bytes]:
    start(f"{status} -", [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [body]
