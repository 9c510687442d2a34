"""Words that people put on jobs, and where their code came from: `Tag`, `GitCommit`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ..errors import InvalidRequest
from .wire import Value

__all__ = ("GitCommit", "Tag")

_TAG = re.compile(r"\w[\w.:/=+-]{0,39}")


def _tag(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise InvalidRequest(
            "a tag has 1 to 40 letters, digits and characters of _.:/=+- and begins with a letter "
            "or digit."
        )
    return text


#: Such as ``baseline`` or ``lr/0.1``.
Tag = Annotated[str, AfterValidator(_tag)]


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text):
        raise InvalidRequest("must be the whole hash of a commit.")
    return text


class GitCommit(Value):
    """The commit that the submitted directory was at.

    Attributes:
        commit: Its hash.
        branch: Name; empty when none was checked out.
        dirty: Whether files differed from it.
        remote: Address of ``origin`` without a user name or password; may be empty.
    """

    commit: Annotated[str, AfterValidator(_commit)]
    branch: str = Field(default="", max_length=255)
    dirty: bool = False
    remote: str = Field(default="", max_length=500)
