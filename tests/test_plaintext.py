"""What a program prints gives a terminal no orders, whole or piece by piece."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dllab_hub.plaintext import Inert, inert

_ORDERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TEXT = st.text(st.sampled_from("ab \n\r\b\t\x1b[]0;31mKH\x07\\\x9b\x9c\x00ü学"), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 学\n\tx", "plain ü 学\n\tx"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone?", "gone?"),
        ("\x1b]0;title\x07shell$ ", "shell$ "),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]52;c;cm0gLXJm\x07paste", "paste"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x9b31mred", "red"),
        ("a\x00b\x07c\x7f", "abc"),
        ("safe\u202etxt.exe", "safetxt.exe"),
        ("\x1b]0;no end\nnext", "0;no end\nnext"),
        ("10 %\r50 %\r100 %\n", "100 %\n"),
        ("10 %\r", "10 %"),
        ("dos\r\nlines\r\n", "dos\nlines\n"),
        ("1/3\b\b\b2/3\b\b\b3/3\n", "3/3\n"),
        ("\b\bx", "x"),
        ("ends in half \x1b[3", "ends in half 3"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Titles, colours, links, the clipboard and moves are gone; what is left is what one reads."""
    assert shown == inert(text)


@given(_TEXT)
def test_nothing_is_left_that_gives_orders(text: str) -> None:
    """Whatever comes, only newlines and tabs of the control characters are shown."""
    assert not _ORDERS.search(inert(text))


@settings(max_examples=300)
@given(st.lists(_TEXT, max_size=6))
def test_pieces_give_no_orders_either(pieces: list[str]) -> None:
    """An order that is cut in two between pieces does not come together again."""
    shown = Inert()
    text = "".join(map(shown.feed, pieces)) + shown.end()

    assert not _ORDERS.search(text)


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab\n\x1b[31m\x07]0;"), max_size=60), st.data())
def test_pieces_are_the_whole(text: str, data: st.DataObject) -> None:
    """Without bars it is the same text, wherever it was cut."""
    at = data.draw(st.integers(0, len(text)))
    shown = Inert()

    assert inert(text) == shown.feed(text[:at]) + shown.feed(text[at:]) + shown.end()


def test_a_bar_in_pieces() -> None:
    """A progress bar is shown once, with what was last; what was shown already stays above it."""
    shown = Inert()

    assert "" == shown.feed("10 %\r")
    assert "" == shown.feed("50 %\r")
    assert "100 %\nnext" == shown.feed("100 %\nnext")
    assert "\nagain\n" == shown.feed("\ragain\n")
    assert "no newline" == shown.feed("no newline")
    assert "" == shown.feed("\r\x1b[K")
    assert "\nlast" == shown.feed("last") + shown.end()


def test_a_long_text_is_quick() -> None:
    """Text made to be slow to look at is not."""
    began = time.perf_counter()
    for evil in ("\x1b]" * 500_000, "\x1b[" + "1" * 1_000_000, "\b" * 1_000_000, "\r" * 1_000_000):
        inert(evil)
        Inert().feed(evil)

    assert time.perf_counter() - began < 5
