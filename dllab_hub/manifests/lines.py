"""The last lines of what something said, as a `Diagnosis` carries them."""

from __future__ import annotations

__all__ = ("lines",)

_LINES, _LONGEST = 20, 300


def lines(text: str) -> tuple[str, ...]:
    r"""The last twenty that are not blank, none longer than 300 characters.

    >>> lines("one\n\n  two")
    ('one', 'two')
    """
    found = [line.strip()[:_LONGEST] for line in text.splitlines() if line.strip()]
    return tuple(found[-_LINES:])
