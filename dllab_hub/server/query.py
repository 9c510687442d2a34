"""`Query`: the part of an address behind the question mark, read strictly."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from ..errors import InvalidRequest

__all__ = ("Query",)

# JupyterLab appends the time to every address so that no cache answers.
_CACHE_BUSTER = re.compile(r"[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_SHOWABLE = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class Query:
    """What was asked for.

    Args:
        arguments: As tornado has them: key -> values, not decoded yet.
        known: Keys that may be there once.
        repeatable: Keys that may be there several times.

    Raises:
        InvalidRequest: another key is there, or one is there twice.
    """

    def __init__(
        self,
        arguments: Mapping[str, Sequence[bytes]],
        known: Collection[str] = (),
        repeatable: Collection[str] = (),
    ) -> None:
        self._values: dict[str, list[str]] = {}
        for key, values in arguments.items():
            # `token` belongs to Jupyter Server, which has looked at it already.
            if key == "token" or (_CACHE_BUSTER.fullmatch(key) and not any(values)):
                continue
            if key not in known and key not in repeatable:
                names = ", ".join([*known, *repeatable])
                raise InvalidRequest(
                    "there is no such query parameter.",
                    hint=f"Known here: {names}." if names else "None is known here.",
                    field=key if _SHOWABLE.fullmatch(key) else "",
                )
            if len(values) > 1 and key not in repeatable:
                raise InvalidRequest("is there twice.", field=key)
            try:
                self._values[key] = [value.decode() for value in values]
            except UnicodeDecodeError:
                raise InvalidRequest("is not UTF-8.", field=key) from None

    def text(self, key: str) -> str | None:
        """The value, or None when the key is not there."""
        found = self._values.get(key)
        return found[0] if found else None

    def texts(self, key: str) -> list[str]:
        """All values of a repeatable key."""
        return self._values.get(key, [])

    def number(self, key: str) -> int | None:
        """The value as a decimal whole number, or None when the key is not there.

        Raises:
            InvalidRequest: it is no such number, or has more than 19 digits.
        """
        text = self.text(key)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text):
            raise InvalidRequest("must be a decimal whole number.", field=key)
        return int(text)
