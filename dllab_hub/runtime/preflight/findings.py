"""`Findings`: what was found, each once."""

from __future__ import annotations

import os
from typing import Any

__all__ = ("Findings",)

#: Nobody reads more.
_MOST = 50
_LONGEST = 500


class Findings:
    """Collects findings as JSON objects; ``specs.Finding`` says what is in one.

    Args:
        root: Paths are shown relative to it: the directory the code runs in.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._all: dict[tuple[str, str, int | None, str], dict[str, Any]] = {}

    def add(
        self,
        check: str,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        hint: str = "",
        error: bool = False,
    ) -> None:
        """Keep a finding.

        Args:
            check: Of ``specs.Finding``.
            message: Without the place.
            file: Absolute path, or empty.
            line: From 1, or None.
            hint: What to do about it.
            error: Whether the job would fail for it without doubt.
        """
        shown = self.shown(file)
        key = (check, shown, line, message)
        if key in self._all and not error:
            return
        self._all[key] = {
            "check": check,
            "severity": "error" if error else "warning",
            "message": message if len(message) <= _LONGEST else f"{message[: _LONGEST - 4]} ...",
            "hint": hint,
            "file": shown,
            "line": line,
        }

    def shown(self, file: str) -> str:
        """A path as people know it."""
        if not file:
            return ""
        inside = os.path.relpath(file, self.root)
        return file if inside.startswith("..") else inside

    def has_error(self, check: str, file: str, line: int | None) -> bool:
        """Whether an error of this kind is known at this place."""
        shown = self.shown(file)
        return any(
            (one["check"], one["file"], one["line"], one["severity"])
            == (check, shown, line, "error")
            for one in self._all.values()
        )

    def listed(self) -> list[dict[str, Any]]:
        """All, errors first, each kind in order of place."""
        failing = {
            (one["check"], one["file"], one["line"])
            for one in self._all.values()
            if one["severity"] == "error"
        }
        found = sorted(
            (
                one
                for one in self._all.values()
                # Beside an error at the same place a guess says nothing more.
                if one["severity"] == "error"
                or (one["check"], one["file"], one["line"]) not in failing
            ),
            key=lambda one: (one["severity"], one["file"], one["line"] or 0),
        )
        return found[:_MOST]
