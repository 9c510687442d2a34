"""`page`: a piece of a list of names."""

from __future__ import annotations

from collections.abc import Sequence

from ....names import check_name

__all__ = ("page",)


def page(names: Sequence[str], limit: int, after: str | None) -> tuple[list[str], str | None]:
    """The names that follow ``after``, and where the next page begins.

    Args:
        names: Sorted.
        limit: Most names.
        after: The last name of the page before.

    Raises:
        InvalidRequest: ``after`` is no name.
    """
    if after is not None:
        check_name(after, "next")
    left = [name for name in names if after is None or name > after]
    return left[:limit], left[limit - 1] if len(left) > limit else None
