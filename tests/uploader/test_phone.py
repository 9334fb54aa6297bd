"""Frames of a phone's control port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.uploader.phone import FrameWrong, unframed


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(0, 20))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    messages: list[bytes], cut: int
) -> None:
    whole = b"".join(b"%d:%s," % (len(one), one) for one in messages)
    heard, found = b"", []
    for at in range(0, len(whole), cut + 1):
        heard += whole[at : at + cut + 1]
        while (one := unframed(heard)) is not None:
            found.append(one[0])
            heard = one[1]
    assert found == messages
    assert heard == b""


@pytest.mark.parametrize("heard", [b"HTTP/1.1 200", b"9999999:", b"3:abcd", b"-1:,", b"123456789"])
def test_what_is_no_frame_is_refused(heard: bytes) -> None:
    with pytest.raises(FrameWrong):
        unframed(heard)
