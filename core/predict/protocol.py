"""Frames between the predictor handle and its process: a JSON header and raw bytes. Never pickle.

A frame is two big-endian unsigned 32-bit lengths, the header (UTF-8 JSON object) and the payload.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from core.translation import tr

_LENGTHS = struct.Struct(">II")
MAX_HEADER = 64 * 1024 * 1024
MAX_PAYLOAD = 1024 * 1024 * 1024

Header = dict[str, Any]


class ProtocolError(Exception):
    """The other side sent something that is not a frame."""


def write_frame(stream: IO[bytes], header: Header, payload: bytes = b"") -> None:
    """Send one frame.

    Raises:
        OSError: the other side is gone.
        ProtocolError: the frame is larger than the other side would accept.
    """
    # ASCII keeps file names that are not valid Unicode (lone surrogates) readable on the other side.
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise ProtocolError(
            tr("A frame of {count} + {count_2} bytes is too large.").format(count=len(text), count_2=len(payload))
        )
    stream.write(_LENGTHS.pack(len(text), len(payload)) + text)
    if payload:
        stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[Header, bytes] | None:
    """Return the next frame, or None at the end of the stream (also when it ends in the middle of a frame).

    Raises:
        ProtocolError: the bytes are not a frame.
    """
    lengths = _read(stream, _LENGTHS.size)
    if lengths is None:
        return None
    header_size, payload_size = _LENGTHS.unpack(lengths)
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise ProtocolError(
            tr("A frame claims {header_size} + {payload_size} bytes.").format(
                header_size=header_size, payload_size=payload_size
            )
        )
    text = _read(stream, header_size)
    payload = _read(stream, payload_size)
    if text is None or payload is None:
        return None
    try:
        header = json.loads(text)
    except ValueError as error:
        raise ProtocolError(tr("A header is no JSON: {error}.").format(error=error)) from None
    if not isinstance(header, dict):
        raise ProtocolError(tr("A header is no JSON object."))
    return header, payload


def _read(stream: IO[bytes], count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
