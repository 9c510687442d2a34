"""Pieces of a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.specs import LogChunk

BYTES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=30).map(str.encode),
    st.lists(st.sampled_from([b"\xe5\xad", b"\xf0\x9f", "学".encode(), b"a", b"\xff"])).map(
        b"".join
    ),
)


@given(BYTES, st.lists(st.integers(4, 9), min_size=1))
def test_pieces_are_the_text(data: bytes, limits: list[int]) -> None:
    """However a log is cut, its pieces together are its text, garbage included."""
    text, offset, turn = "", 0, 0
    while True:
        limit = limits[turn % len(limits)]
        piece = LogChunk.cut(
            data[offset : offset + limit],
            replica="",
            attempt=1,
            offset=offset,
            size=len(data),
            over=True,
        )
        text, offset, turn = text + piece.text, piece.next_offset, turn + 1
        if piece.complete:
            break
        assert turn <= len(data) + 1

    assert data.decode("utf-8", "replace") == text


def test_a_character_that_is_still_being_written() -> None:
    """The first bytes of a character wait for the others while somebody writes."""
    begun = "a学".encode()[:3]
    piece = LogChunk.cut(begun, replica="", attempt=1, offset=0, size=3, over=False)

    assert ("a", 1, False) == (piece.text, piece.next_offset, piece.complete)
