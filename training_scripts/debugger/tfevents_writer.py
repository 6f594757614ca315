"""Writes tensors as tfevents records, the way smdebug does, without smdebug, protobuf, TensorFlow or numpy.

A record is: length (uint64), masked crc32c of the length, an `Event` message, and a checksum (smdebug writes a
constant one and checks for it). The field numbers are those of TensorFlow's event.proto, summary.proto, tensor.proto
and tensor_shape.proto. This is what runs inside a stranger's training, which may have neither numpy nor protobuf.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MODES = {"TRAIN": 1, "EVAL": 2, "PREDICT": 3, "GLOBAL": 4}
DTYPE_NUMBERS = {
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


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One saved tensor: its value (an array of numpy's, or a tensor of torch's on the CPU) at a global step."""

    name: str
    step: int
    value: Any
    mode: str
    mode_step: int
    wall_time: float


def encode(record: TensorRecord) -> bytes:
    """Return the bytes of one record, header and checksum included.

    Raises:
        KeyError: the value's dtype has no counterpart.
    """
    dtype = str(record.value.dtype).removeprefix("torch.")
    shape = b"".join(_field(2, _field(1, int(size)) + _field(2, b"")) for size in record.value.shape)
    tensor = _field(1, DTYPE_NUMBERS[dtype]) + _field(2, shape) + _field(4, _content(record.value))
    plugins = _plugin("mode_step", str(record.mode_step)) + _plugin("mode", str(MODES[record.mode]))
    item = _field(1, record.name.encode()) + _field(9, plugins) + _field(8, tensor)
    event = b"\x09" + struct.pack("<d", record.wall_time) + _field(2, record.step) + _field(5, _field(1, item))
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", masked_crc(length)) + event + _FOOTER


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
    return length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))


def _content(value: Any) -> bytes:
    """Return the numbers in C order; a tensor's without numpy, which need not be there."""
    if hasattr(value, "tobytes"):
        return bytes(value.tobytes())
    value = value.contiguous()
    return ctypes.string_at(value.data_ptr(), value.numel() * value.element_size()) if value.numel() else b""


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


def masked_crc(data: bytes) -> int:
    """Return TensorFlow's masked crc32c of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


_FOOTER = struct.pack("<I", masked_crc(b"0x12345678"))
"""smdebug's checksum of a record's content: that of a constant, unless asked for a true one."""
