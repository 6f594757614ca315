import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training_scripts.debugger.tfevents import DamagedRecord, decode
from training_scripts.debugger.tfevents_writer import TensorRecord, encode

DTYPES = st.sampled_from(["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, max_side=5)


@given(
    value=DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES)),
    name=st.text(min_size=1, max_size=40),
    step=st.integers(0, 2**40),
    mode=st.sampled_from(["TRAIN", "EVAL", "PREDICT", "GLOBAL"]),
    mode_step=st.integers(0, 2**31),
)
def test_what_is_written_is_read(value, name, step, mode, mode_step):
    record = TensorRecord(name, step, value, mode, mode_step, 1795353223.5)
    (read,) = decode(encode(record))
    np.testing.assert_array_equal(read.value, value)
    assert read.value.dtype == value.dtype
    assert (read.name, read.step, read.mode, read.mode_step, read.wall_time) == (
        name,
        step,
        mode,
        mode_step,
        1795353223.5,
    )


def test_records_follow_one_another():
    records = [TensorRecord(f"t{i}", i, np.full(3, i), "TRAIN", i, 0.0) for i in range(4)]
    assert [record.name for record in decode(b"".join(map(encode, records)))] == ["t0", "t1", "t2", "t3"]


@given(cut=st.integers(1, 200))
def test_a_torn_record_is_damaged_and_nothing_else(cut):
    data = encode(TensorRecord("name", 3, np.arange(40, dtype=np.float32), "TRAIN", 3, 0.0))
    with pytest.raises(DamagedRecord):
        # The checksum after the content is not needed to read it.
        list(decode(data[: -4 - cut]))


@given(st.binary(min_size=1, max_size=300))
def test_anything_else_is_damaged_or_empty(data):
    with contextlib.suppress(DamagedRecord):
        list(decode(data))


@given(st.binary(max_size=120), st.integers(0, 10_000))
def test_a_changed_byte_never_raises_anything_else(noise, position):
    data = bytearray(encode(TensorRecord("name", 3, np.arange(9.0), "EVAL", 3, 1.0)))
    place = 12 + position % (len(data) - 16)
    data[place : place + len(noise)] = noise[: len(data) - place]
    with contextlib.suppress(DamagedRecord):
        list(decode(bytes(data)))
