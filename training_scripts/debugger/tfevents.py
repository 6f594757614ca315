"""Reads tensors from tfevents records (tfevents_writer.py makes them), without smdebug, protobuf or TensorFlow.

Only the fields that smdebug writes are known here; others are skipped.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .tfevents_writer import DTYPE_NUMBERS, MODES, TensorRecord, masked_crc

Array = NDArray[Any]

_UNREADABLE = (IndexError, ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error)

_MODE_NAMES = {number: name for name, number in MODES.items()}
_DTYPES = {number: np.dtype(name) for name, number in DTYPE_NUMBERS.items()}
_FIXED_SIZES = {1: 8, 5: 4}
"""Bytes of a field, by its wire type."""
_TYPED_VALUES = {5: "float32", 6: "float64", 7: "int32", 10: "int64", 11: "bool"}


_LONGEST_RECORD = 1 << 31
"""Bytes that protobuf lets a message have."""
_LONGEST_NUMBER = 10
"""Bytes of 64 bits, 7 in each."""


class DamagedRecord(ValueError):
    """The bytes are not a record, or a torn one."""


def decode(data: bytes) -> Iterator[TensorRecord]:
    """Yield the tensors in the bytes of one or more whole records; events of other kinds are skipped.

    Raises:
        DamagedRecord: a record is cut short or is none.
    """
    for event in _events(io.BytesIO(data)):
        try:
            yield from _tensors(event)
        except _UNREADABLE as error:
            # A changed byte can turn a field into one of another kind.
            raise DamagedRecord(f"a record cannot be read: {error}") from None


def decode_scalars(file: BinaryIO) -> Iterator[tuple[str, int, float]]:
    """Yield (tag, step, value) of the scalars that TensorBoard shows, from an event file.

    A file that is still written may end in the middle of a record, whose scalars come later.

    Raises:
        DamagedRecord: a record is none.
    """
    for event in _events(file, unfinished=True):
        try:
            yield from _scalars(event)
        except _UNREADABLE as error:
            raise DamagedRecord(f"a record cannot be read: {error}") from None


def _events(file: BinaryIO, unfinished: bool = False) -> Iterator[bytes]:
    """Yield the messages of records."""
    while header := file.read(12):
        if len(header) < 12:
            if unfinished:
                return
            raise DamagedRecord("a record's header is cut short")
        length, checksum = struct.unpack("<QI", header)
        if checksum != masked_crc(header[:8]):
            raise DamagedRecord("a record's length does not fit its checksum")
        event = file.read(min(length, _LONGEST_RECORD))
        if len(event) != length:
            if unfinished:
                return
            raise DamagedRecord("a record is cut short")
        file.read(4)  # the checksum of the message
        yield event


def _scalars(event: bytes) -> Iterator[tuple[str, int, float]]:
    step, items = 0, []
    for number, value in message_fields(event):
        if number == 2:
            step = value
        elif number == 5:
            items += [item for key, item in message_fields(value) if key == 1]
    for item in items:
        tag, scalar = "", None
        for number, content in message_fields(item):
            if number == 1:
                tag = content.decode()
            elif number == 2:
                scalar = struct.unpack("<f", content)[0]
            elif number == 8 and (array := _array(content)).size == 1 and array.dtype.kind in "fiu":
                scalar = float(array.reshape(-1)[0])
        if scalar is not None:
            yield tag, step, scalar


def _tensors(event: bytes) -> Iterator[TensorRecord]:
    wall_time, step, summaries = 0.0, 0, []
    for number, value in message_fields(event):
        if number == 1:
            wall_time = struct.unpack("<d", value)[0]
        elif number == 2:
            step = value
        elif number == 5:
            summaries.append(value)
    for summary in summaries:
        for number, item in message_fields(summary):
            if number == 1:
                record = _tensor(item, step, wall_time)
                if record is not None:
                    yield record


def _tensor(item: bytes, step: int, wall_time: float) -> TensorRecord | None:
    name, mode, mode_step, value = "", "GLOBAL", step, None
    for number, content in message_fields(item):
        if number == 1:
            name = content.decode()
        elif number == 8:
            value = _array(content)
        elif number == 9:
            for _, plugin in message_fields(content):
                parts = {key: text.decode() for key, text in message_fields(plugin)}
                if parts.get(1) == "mode":
                    mode = _MODE_NAMES[int(parts[2])]
                elif parts.get(1) == "mode_step":
                    mode_step = int(parts[2])
    return None if value is None else TensorRecord(name, step, value, mode, mode_step, wall_time)


def _array(message: bytes) -> Array:
    dtype, shape, content, typed = np.dtype("float32"), [], b"", []
    for number, value in message_fields(message):
        if number == 1:
            dtype = _DTYPES[value]
        elif number == 2:
            shape = [dict(message_fields(dim)).get(1, 0) for key, dim in message_fields(value) if key == 2]
        elif number == 4:
            content = value
        elif number in _TYPED_VALUES:
            typed.append((number, value))
    if not content and typed:
        return _typed_array(typed, dtype).reshape(shape)
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _typed_array(parts: list[tuple[int, Any]], dtype: np.dtype[Any]) -> Array:
    """Return values in `float_val` and its kind, packed or one by one (other writers than smdebug's do that)."""
    values: list[float] = []
    for number, value in parts:
        kind = np.dtype(_TYPED_VALUES[number])
        if kind.kind == "f" and isinstance(value, bytes):
            values.extend(np.frombuffer(value, kind.newbyteorder("<")).tolist())
        elif isinstance(value, bytes):
            values.extend(_varints(value))
        else:
            values.append(value)
    return np.array(values, dtype)


def message_fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Return (field number, value) of a protobuf message: int for a varint, bytes for everything else.

    Raises:
        ValueError: it is none, or cut short.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = _short_varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _short_varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _short_varint(message, position)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise ValueError(f"a field is of no kind that is known ({kind})")
        if position + size > end:
            raise ValueError("a field is cut short")
        yield key >> 3, message[position : position + size]
        position += size


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _short_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number that is of one byte most of the time, and where the next field begins."""
    if position < len(data) and data[position] < 0x80:
        return data[position], position + 1
    return _varint(data, position)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = 0
    for at, byte in enumerate(data[position : position + _LONGEST_NUMBER]):
        result |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            signed = result if result < 1 << 63 else (result & (1 << 64) - 1) - (1 << 64)
            return signed, position + at + 1
    raise ValueError("a number is cut short or too long")
