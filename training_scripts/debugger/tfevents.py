"""Tensors as tfevents records, the way smdebug writes and reads them, without smdebug, protobuf or TensorFlow.

A record is: length (uint64), masked crc32c of the length, an `Event` message, and a checksum (smdebug writes a
constant one and checks for it). The field numbers are those of TensorFlow's event.proto, summary.proto, tensor.proto
and tensor_shape.proto. Only the fields that smdebug writes are known here; others are skipped when reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MODES = {"TRAIN": 1, "EVAL": 2, "PREDICT": 3, "GLOBAL": 4}
_MODE_NAMES = {number: name for name, number in MODES.items()}
_DTYPE_NUMBERS = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_DTYPES = {number: np.dtype(name) for name, number in _DTYPE_NUMBERS.items()}
_TYPED_VALUES = {5: "float32", 6: "float64", 7: "int32", 10: "int64", 11: "bool"}


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One saved tensor: its value at a global step, and the step of its mode."""

    name: str
    step: int
    value: Array
    mode: str
    mode_step: int
    wall_time: float


class DamagedRecord(ValueError):
    """The bytes are no record, or a torn one."""


def encode(record: TensorRecord) -> bytes:
    """The bytes of one record, header and checksum included.

    Raises:
        KeyError: the array's dtype has no counterpart.
    """
    value = np.asarray(record.value, order="C")
    shape = b"".join(_field(2, _field(1, int(size)) + _field(2, b"")) for size in value.shape)
    tensor = _field(1, _DTYPE_NUMBERS[value.dtype.name]) + _field(2, shape) + _field(4, value.tobytes())
    plugins = _plugin("mode_step", str(record.mode_step)) + _plugin("mode", str(MODES[record.mode]))
    item = _field(1, record.name.encode()) + _field(9, plugins) + _field(8, tensor)
    event = b"\x09" + struct.pack("<d", record.wall_time) + _field(2, record.step) + _field(5, _field(1, item))
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", _masked_crc(length)) + event + _FOOTER


def encode_version(wall_time: float) -> bytes:
    """Return the record that TensorBoard expects a file of scalars to begin with."""
    return _scalar_record(wall_time, _field(3, b"brain.Event:2"))


def encode_scalars(values: Mapping[str, float], step: int, wall_time: float) -> bytes:
    """Return the record of some scalars at a step, by tag, as TensorBoard reads them."""
    items = b"".join(
        _field(1, _field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)) for tag, value in values.items()
    )
    return _scalar_record(wall_time, _field(2, step) + _field(5, items))


def _scalar_record(wall_time: float, body: bytes) -> bytes:
    event = b"\x09" + struct.pack("<d", wall_time) + body
    length = struct.pack("<Q", len(event))
    # TensorBoard checks the true sum of the content, where smdebug has a constant.
    return length + struct.pack("<I", _masked_crc(length)) + event + struct.pack("<I", _masked_crc(event))


def decode(data: bytes) -> Iterator[TensorRecord]:
    """The tensors in the bytes of one or more whole records; events of other kinds are skipped.

    Raises:
        DamagedRecord: a record is cut short or is none.
    """
    position = 0
    while position < len(data):
        if position + 12 > len(data):
            raise DamagedRecord("a record's header is cut short")
        (length,) = struct.unpack_from("<Q", data, position)
        if struct.unpack_from("<I", data, position + 8)[0] != _masked_crc(data[position : position + 8]):
            raise DamagedRecord("a record's length does not fit its checksum")
        event = data[position + 12 : position + 12 + length]
        if len(event) != length:
            raise DamagedRecord("a record is cut short")
        position += 12 + length + 4
        try:
            yield from _tensors(event)
        except (IndexError, ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
            # A changed byte can turn a field into one of another kind.
            raise DamagedRecord(f"a record cannot be read: {error}") from None


def _tensors(event: bytes) -> Iterator[TensorRecord]:
    wall_time, step, summaries = 0.0, 0, []
    for number, value in _fields(event):
        if number == 1:
            wall_time = struct.unpack("<d", value)[0]
        elif number == 2:
            step = value
        elif number == 5:
            summaries.append(value)
    for summary in summaries:
        for number, item in _fields(summary):
            if number == 1:
                record = _tensor(item, step, wall_time)
                if record is not None:
                    yield record


def _tensor(item: bytes, step: int, wall_time: float) -> TensorRecord | None:
    name, mode, mode_step, value = "", "GLOBAL", step, None
    for number, content in _fields(item):
        if number == 1:
            name = content.decode()
        elif number == 8:
            value = _array(content)
        elif number == 9:
            for _, plugin in _fields(content):
                parts = {key: text.decode() for key, text in _fields(plugin)}
                if parts.get(1) == "mode":
                    mode = _MODE_NAMES[int(parts[2])]
                elif parts.get(1) == "mode_step":
                    mode_step = int(parts[2])
    return None if value is None else TensorRecord(name, step, value, mode, mode_step, wall_time)


def _array(message: bytes) -> Array:
    dtype, shape, content, typed = np.dtype("float32"), [], b"", []
    for number, value in _fields(message):
        if number == 1:
            dtype = _DTYPES[value]
        elif number == 2:
            shape = [dict(_fields(dim)).get(1, 0) for key, dim in _fields(value) if key == 2]
        elif number == 4:
            content = value
        elif number in _TYPED_VALUES:
            typed.append((number, value))
    if not content and typed:
        return _typed_array(typed, dtype).reshape(shape)
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _typed_array(parts: list[tuple[int, Any]], dtype: np.dtype[Any]) -> Array:
    """Values in `float_val` and its kind, packed or one by one (other writers than smdebug's do that)."""
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


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protobuf message: int for a varint, bytes for everything else."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _varint(message, position)
        else:
            size = {1: 8, 5: 4}[kind]
        if position + size > len(message):
            raise ValueError("a field is cut short")
        yield key >> 3, message[position : position + size]
        position += size


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return (result - (1 << 64) if result >= 1 << 63 else result), position
        shift += 7


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _to_varint(number << 3) + _to_varint(value)
    return _to_varint(number << 3 | 2) + _to_varint(len(value)) + value


def _to_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


@lru_cache(maxsize=64)
def _plugin(name: str, content: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, content.encode()))


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


_FOOTER = struct.pack("<I", _masked_crc(b"0x12345678"))
"""smdebug's checksum of a record's content: that of a constant, unless asked for a true one."""
