"""The server: SageMaker's protocol and the page, over the standard library's HTTP server, a thread per connection."""

from __future__ import annotations

import importlib.resources
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np

from core.errors import PictureError, UserFacingError
from core.models.model import Model
from core.models.serve.admission import Access, Limits, Rates, is_loopback
from core.models.serve.batching import Batcher, TooMany
from core.predict.records import Prediction, Unreadable
from core.translation import tr
from training_scripts import inference

PAGE = {
    "/": ("serve/index.html", "text/html; charset=utf-8"),
    "/page.js": ("serve/page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("serve/page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icons/sagehound.svg", "image/svg+xml"),
}
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class ModelServer:
    """Serves one model until it is closed.

    Args:
        model: what answers.
        host: the address to listen at; this machine alone can reach 127.0.0.1.
        port: 0 for any that is free.
        token: what a request must have, "" for none.
        limits: what it bears.

    Raises:
        UserFacingError: the port is taken or may not be used.
    """

    def __init__(
        self, model: Model, host: str = "127.0.0.1", port: int = 0, token: str = "", limits: Limits | None = None
    ) -> None:
        self.model, self.limits = model, limits or Limits()
        self.access, self.rates = Access(host, token), Rates(self.limits)
        self.batcher = Batcher(model, self.limits.waiting)
        self._explaining = ThreadPoolExecutor(1, "serve-explain")
        try:
            self._http = _Server((host, port), self)
        except OSError as error:
            self.batcher.close()
            raise UserFacingError(
                tr("The model cannot be served at {host}, port {port}.").format(host=host, port=port),
                f"{error.strerror or error}.",
                tr("Choose another port with --port, or end what uses this one."),
            ) from error
        self._thread = threading.Thread(target=self._http.serve_forever, name="serve", daemon=True)
        self._host, self._token = host, token

    @property
    def port(self) -> int:
        """Return the port that it listens at."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Return the page's address; with the token, which the page takes out of it."""
        host = "127.0.0.1" if self._host in ("", "0.0.0.0", "::") else self._host
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{self.port}/" + (f"#{quote(self._token)}" if self._token else "")

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self._host)

    def start(self) -> ModelServer:
        """Begin to answer, on threads of its own; returns itself."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering and end its threads."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self.batcher.close()
        self._explaining.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invoke(self, body: bytes, kind: str, accept: str) -> tuple[str, str]:
        """Return the answer to one request of SageMaker's protocol and its content type, as an endpoint gives them.

        Raises:
            ValueError: the content type or the JSON is not understood.
            PictureError: a picture cannot be read.
            TooMany: too many wait already.
        """
        asked = inference.input_fn(body, kind)
        answers = self.batcher.classify([asked] if isinstance(asked, bytes) else asked)
        rows: list[dict[str, float]] = []
        strangeness: list[float] = []
        for answer in answers:
            if isinstance(answer, Unreadable):
                raise answer.error
            rows.append(dict(answer.classes))
            strangeness += [] if answer.strangeness is None else [answer.strangeness]
        classes = self.model.classes or tuple(rows[0])
        values = np.array([[row[label] for label in classes] for row in rows], np.float32)
        found = inference.Probabilities(classes, values)
        if len(strangeness) == len(rows):
            unknown = [isinstance(answer, Prediction) and answer.unknown for answer in answers]
            found = replace(found, strangeness=np.array(strangeness, np.float32), unknown=np.array(unknown))
        return inference.output_fn(found, accept)

    def explain(self, body: bytes, label: str | None) -> tuple[bytes, str]:
        """Return a PNG that shows where the model looked, and the class that was explained."""
        found = self._explaining.submit(self.model.explain, body, label).result()
        return found.png, found.label


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: ModelServer) -> None:
        self.owner = owner
        self.slots = threading.BoundedSemaphore(owner.limits.connections)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection on a thread; one more than may be open is closed at once."""
        if not self.slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection, then free its slot."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that broke."""


class _Refused(Exception):
    """A request that is not answered as it was meant; `status` and a sentence say why."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Sagehound", ""
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.owner.limits.silence_s)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep no record of who asked what."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, respond: Any) -> None:
        try:
            body = self._body()
            self._check()
            respond(urlsplit(self.path), body)
        except _Refused as refused:
            self._send_error(refused.status, str(refused))
        except ValueError as error:
            self._send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error))
        except PictureError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except TooMany as error:
            self._send_error(HTTPStatus.TOO_MANY_REQUESTS, str(error))
        except UserFacingError as error:
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _body(self) -> bytes:
        """Return the request's body, bounded; what cannot be read to its end closes the connection."""
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, tr("Send the length of the body as Content-Length."))
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdecimal():
            self.close_connection = True
            raise _Refused(HTTPStatus.BAD_REQUEST, tr("Content-Length is not a number."))
        most = self.server.owner.limits.body
        if int(length) > most:
            self.close_connection = True
            raise _Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                tr("A request has at most {most:.0f} MB.").format(most=most / 1000000.0),
            )
        return self.rfile.read(int(length))

    def _check(self) -> None:
        owner, headers = self.server.owner, _Headers(self.headers)
        if reason := owner.access.refusal(headers):
            raise _Refused(HTTPStatus.FORBIDDEN, reason)
        if not owner.rates.allows(self.client_address[0]):
            raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, tr("Too many requests; wait a second."))

    def _need_token(self) -> None:
        if not self.server.owner.access.knows(_Headers(self.headers)):
            raise _Refused(HTTPStatus.UNAUTHORIZED, tr("The token is missing or wrong."))

    def _get(self, url: Any, _body: bytes) -> None:
        if url.path == "/ping":
            self._send(b"", "text/plain")
        elif url.path in PAGE:
            name, kind = PAGE[url.path]
            self._send(importlib.resources.files("resources").joinpath(*name.split("/")).read_bytes(), kind)
        elif url.path == "/model":
            self._need_token()
            model = self.server.owner.model
            about = {"name": model.name, "classes": list(model.classes), "explains": model.explains}
            self._send(json.dumps(about).encode(), "application/json")
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, tr("There is nothing at this address."))

    def _post(self, url: Any, body: bytes) -> None:
        owner = self.server.owner
        parts = url.path.strip("/").split("/")
        # boto3 asks at /endpoints/NAME/invocations; a container is asked at /invocations.
        if parts == ["invocations"] or (len(parts) == 3 and (parts[0], parts[2]) == ("endpoints", "invocations")):
            self._need_token()
            accept = self.headers.get("Accept", "application/json")
            answer, kind = owner.invoke(body, self.headers.get("Content-Type", "application/x-image"), accept)
            self._send(answer.encode(), kind)
        elif parts == ["explain"] and owner.model.explains:
            self._need_token()
            png, _ = owner.explain(body, parse_qs(url.query).get("label", [None])[0])
            self._send(png, "image/png")
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, tr("There is nothing at this address."))

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, **more: str) -> None:
        self.send_response(status)
        for name, value in {**_SAFE, **more, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _send_error(self, status: HTTPStatus, sentence: str) -> None:
        """Say what is wrong, as SageMaker's clients and the page read it."""
        kind = {429: "ThrottlingException", 500: "ModelError"}.get(status, "ValidationError")
        self._send(json.dumps({"message": sentence}).encode(), "application/json", status, x_amzn_ErrorType=kind)


class _Headers(dict[str, str]):
    """The headers of a request by their usual names; of one that is given twice, the first counts for nothing."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        for name in ("Host", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Authorization"):
            values = message.get_all(name, [])
            if values:
                self[name] = values[0] if len(values) == 1 else ""
        custom = message.get("X-Amzn-SageMaker-Custom-Attributes")
        if custom is not None:
            self["X-Amzn-SageMaker-Custom-Attributes"] = custom
