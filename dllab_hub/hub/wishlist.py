"""Packages that a lab gets on top of its image, as people list them."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

from ..errors import InvalidRequest

__all__ = ("read_requirements",)

_MOST, _LONGEST = 100, 200


def read_requirements(text: str, field: str) -> list[str]:
    """The packages of a ``requirements.txt``, one requirement (PEP 508) each.

    Only names and versions from the package index that pip uses: options (``-r``, ``--index-url``)
    and addresses are for ``%pip install`` in the lab, where their author alone is concerned.

    Args:
        text: Lines; comments and empty ones are left out.
        field: Named in complaints.

    Raises:
        InvalidRequest: naming the line.
    """
    found = []
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if not line:
            continue
        found.append(_read(line, number, field))
    if len(found) > _MOST:
        raise InvalidRequest(f"takes {_MOST} packages at most.", field=field)
    return found


def _read(line: str, number: int, field: str) -> str:
    if line.startswith("-"):
        raise InvalidRequest(
            f"line {number} is an option of pip.",
            hint="List packages only; use %pip install in the lab for the rest.",
            field=field,
        )
    if len(line) > _LONGEST:
        raise InvalidRequest(f"line {number} is too long.", field=field)
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        raise InvalidRequest(
            f"line {number} is no package.", hint="Write it as numpy or numpy>=2.", field=field
        ) from None
    if wanted.url:
        raise InvalidRequest(
            f"line {number} has an address.",
            hint="Install it in the lab with %pip install.",
            field=field,
        )
    return line
