from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.predict.protocol import MAX_HEADER, ProtocolError, read_frame, write_frame

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)
_HEADERS = st.dictionaries(st.text(max_size=8), _VALUES, max_size=4)


@given(st.lists(st.tuples(_HEADERS, st.binary(max_size=200)), max_size=4))
def test_frames_come_back_as_they_were_written(frames):
    stream = io.BytesIO()
    for header, payload in frames:
        write_frame(stream, header, payload)
    stream.seek(0)
    assert [read_frame(stream) for _ in frames] == frames
    assert read_frame(stream) is None


def test_a_stream_that_ends_in_the_middle_of_a_frame_is_at_its_end():
    whole = io.BytesIO()
    write_frame(whole, {"op": "load"}, b"abc")
    for length in range(len(whole.getvalue())):
        assert read_frame(io.BytesIO(whole.getvalue()[:length])) is None


def test_names_that_are_no_unicode_survive():
    stream = io.BytesIO()
    write_frame(stream, {"path": "cat\udcff.jpg"})
    stream.seek(0)
    frame = read_frame(stream)
    assert frame is not None
    assert frame[0]["path"] == "cat\udcff.jpg"


@pytest.mark.parametrize("text", [b"[1]", b"nonsense", b"\xff\xfe"])
def test_what_is_no_header_is_refused(text):
    with pytest.raises(ProtocolError):
        read_frame(io.BytesIO(struct.pack(">II", len(text), 0) + text))


def test_a_length_beyond_reason_is_refused_before_it_is_read():
    with pytest.raises(ProtocolError, match="claims"):
        read_frame(io.BytesIO(struct.pack(">II", MAX_HEADER + 1, 0)))
