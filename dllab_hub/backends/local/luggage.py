"""What a job finds in its run directory when it starts: its code, and checkpoints of another job.

All is written into a directory that only the service can enter yet. What is read of another job was
written by a person: it is read as `RunDir` reads it, and never through a link.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from ...errors import InvalidRequest, StorageFull
from ...specs import Code
from .checkpoints import checkpoints, files_of
from .rundir import RunDir, Unreadable
from .shimdir import sync_folder, write_file

__all__ = ("copy_checkpoints", "write_code")

#: What the system says when a file of the code cannot have the name it asks for.
_BAD_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ}
#: Of another job's checkpoints: the newest, and one more in case that this one is damaged.
_KEPT = 2
_PIECE = 16 * 1024 * 1024
#: Bytes of the disk that are left alone: the lab itself needs some to go on.
_LEFT = 64 * 1024 * 1024
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_code(workspace: Path, code: Code) -> None:
    """Write what the wish itself carries, over what is there.

    Raises:
        InvalidRequest: a file cannot be written under its name.
        OSError: there is no room, for example.
    """
    own = {code.filename: code.source} if code.source else {}
    for name, text in {**code.files, **own}.items():
        path = workspace / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # Its mode would stay.
            write_file(path, text.encode())
        except (OSError, UnicodeEncodeError) as exc:
            if isinstance(exc, OSError) and exc.errno not in _BAD_NAMES:
                raise
            raise InvalidRequest(
                "a file cannot be written under its name beside the others.", field="code.files"
            ) from exc


def copy_checkpoints(begin: RunDir, run: Path) -> None:
    """Copy the newest whole checkpoints of another job.

    Args:
        begin: The run directory of that job.
        run: The new run directory.

    Raises:
        InvalidRequest: there is none.
        StorageFull: there is no room; nothing was copied.
        OSError: there is none meanwhile, for example.
    """
    found = checkpoints(begin)[:_KEPT]
    # Two may have a file in common, such as one that says which is the newest.
    files = {parts for checkpoint in found for parts in files_of(begin, checkpoint)}
    if not files:
        raise InvalidRequest("that job has no whole checkpoint.", field="checkpoint_from")
    # A file with holes is larger than what it takes there, and would take all of it here.
    size = sum(begin.size_of(*parts) or 0 for parts in files)
    if size > shutil.disk_usage(run).free - _LEFT:
        raise StorageFull(
            "the disk of the lab has no room for the checkpoints of that job.",
            hint="Delete what is not needed there.",
        )
    try:
        for parts in sorted(files):
            _copy(begin, parts, run)
    except Unreadable as exc:  # It runs, and has made room for newer ones.
        raise InvalidRequest(
            f"a checkpoint of that job changed while it was copied: {exc}",
            hint="Try again.",
            field="checkpoint_from",
        ) from exc
    sync_folder(run / "checkpoints")


def _copy(begin: RunDir, parts: tuple[str, ...], run: Path) -> None:
    if any("/" in part or part in ("", ".", "..") for part in parts):
        raise Unreadable(f"{'/'.join(parts)} is no file of a checkpoint.")
    path = run.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with begin.opened(*parts) as (source, left), open(os.open(path, _NEW, 0o600), "wb") as target:
        # No more than that: somebody may go on writing.
        while left and (piece := os.sendfile(target.fileno(), source, None, min(left, _PIECE))):
            left -= piece
        times = os.fstat(source)
        os.utime(target.fileno(), ns=(times.st_atime_ns, times.st_mtime_ns))
        os.fsync(target.fileno())
