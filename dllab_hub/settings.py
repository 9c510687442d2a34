"""What an administrator has written: read from a file, and named when it is wrong."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .errors import DLLabError, InvalidRequest

__all__ = ("named", "only", "read", "size", "tables")

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def read(path: Path) -> dict[str, Any]:
    """What a TOML file says; nothing when it is not there. An unchanged file is not parsed again.

    Raises:
        DLLabError: it cannot be read; the message names it.
    """
    try:
        found = path.stat()
        return _parsed(path, found.st_mtime_ns, found.st_size, found.st_ino)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise DLLabError(f"{path} cannot be read: {exc}") from exc


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, *stamp: int) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def named(field: str, settings: Mapping[str, Any], lists: Collection[str]) -> str:
    """A field of `Catalog` as the settings say it: ``volumes.1.path`` is ``volumes.imagenet.path``.

    Args:
        field: What is wrong, by its place.
        settings: Where it is.
        lists: Keys whose entries have names.
    """
    top, _, rest = field.partition(".")
    if top == "group_limits":
        return f"groups.{rest}"
    limits = settings.get("limits")
    if isinstance(limits, Mapping) and top in limits:
        return f"limits.{field}"
    index, dot, tail = rest.partition(".")
    entries = settings.get(top)
    if top in lists and index.isdigit() and isinstance(entries, list | tuple):
        entry = entries[int(index)] if int(index) < len(entries) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and re.fullmatch(r"[\w.-]{1,80}", name):
            return f"{top}.{name}{dot}{tail}"
    return field


def tables(value: object, field: str) -> None:
    """Refuse what is no list of tables.

    Raises:
        InvalidRequest: naming the entry.
    """
    if not isinstance(value, list | tuple):
        raise InvalidRequest("must be a list of tables.", field=field)
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise InvalidRequest("must be a table.", field=f"{field}.{index}")


def only(known: set[str], table: object, field: str) -> None:
    """Refuse what is not a table, and a key that means nothing: it is a typing error.

    Raises:
        InvalidRequest: naming the key.
    """
    if not isinstance(table, Mapping):
        raise InvalidRequest("must be a table.", field=field)
    for key in sorted(set(table) - known):
        raise InvalidRequest(
            "there is no such key.",
            hint=f"Known keys: {', '.join(sorted(known))}.",
            field=f"{field}.{key}".lstrip("."),
        )


def size(value: object, field: str) -> int:
    """Bytes of ``8589934592``, ``"8G"`` or ``"512M"``; the units are powers of 1024.

    Raises:
        InvalidRequest: it is nothing of that kind.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text)
    if not found:
        raise InvalidRequest("must be a size, such as 8G.", field=field)
    return int(found[1]) << (10 * _UNITS[found[2]])
