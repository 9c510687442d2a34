"""`members`: the contents in an archive that somebody has sent, read with suspicion.

An archive is a tar file whose members are regular files named by the SHA-256 of their bytes. Its
headers are looked at one by one: the extensions of the format (long names, sparse files) are not
followed, so nothing that a sender writes decides how much memory is used or where a file goes.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import InvalidRequest

__all__ = ("Member", "members", "opened")

_BLOCK = tarfile.BLOCKSIZE
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """One content.

    Attributes:
        sha256: What its name says; whoever reads the bytes finds out whether it is true.
        size: Bytes.
        offset: Of its first byte in the archive.
    """

    sha256: str
    size: int
    offset: int


def members(archive: BinaryIO, wanted: Mapping[str, int]) -> Iterator[Member]:
    """The members of an open archive, in their order. Blocks.

    Args:
        archive: A regular file; where it is read does not matter between two members.
        wanted: Size of each content that may be in it, by its SHA-256.

    Raises:
        InvalidRequest: it is no such archive, breaks off, or holds what was not announced.
    """
    size = os.fstat(archive.fileno()).st_size
    offset = 0
    while offset + _BLOCK <= size:
        archive.seek(offset)
        block = archive.read(_BLOCK)
        if block.count(0) == _BLOCK:  # The end; what follows is padding.
            return
        member = _read(block, offset + _BLOCK)
        if member.sha256 not in wanted:
            raise _wrong(f"{member.sha256[:12]}... is not a content that was announced")
        if member.size != wanted[member.sha256]:
            raise _wrong(
                f"{member.sha256[:12]}... has {member.size} bytes, "
                f"and {wanted[member.sha256]} were announced"
            )
        offset = member.offset + -(-member.size // _BLOCK) * _BLOCK
        if member.offset + member.size > size:
            break
        yield member
    raise _wrong("it breaks off")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """An archive, open.

    Raises:
        InvalidRequest: it is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _wrong("it is no regular file")
        yield file


def _read(block: bytes, offset: int) -> Member:
    try:
        # Not a method that reads on: what a header of an extension promises is not looked for.
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise _wrong("it is no tar file") from None
    if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or header.size < 0:
        raise _wrong("it has a member that is no regular file")
    if not _NAME.fullmatch(header.name):
        raise _wrong("it has a member that is not named by 64 hexadecimal digits")
    return Member(header.name, header.size, offset)


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"the archive is not taken: {what}.",
        hint="Send an uncompressed tar file of the missing contents, each named by its SHA-256.",
        field="archive",
    )
