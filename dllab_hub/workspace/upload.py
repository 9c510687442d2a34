"""`upload`: send the contents of a workspace that the lab does not have yet."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

from ..errors import Conflict, StorageFull, Unavailable
from ..specs import MAX_WORKSPACE_BYTES, Upload, Workspace, WorkspaceFile
from ..transport import Transport, path
from .scan import Snapshot, read, scan

__all__ = ("send", "upload")

#: Bytes of one archive, unless one file alone is larger.
_ARCHIVE = 16 * 1024 * 1024
#: How often a workspace is announced again when contents are missing after all was sent.
_ROUNDS = 3
_TAR = "application/x-tar"

Told = Callable[[int, int], None]


def send(
    transport: Transport,
    root: Path,
    *,
    limit: int = MAX_WORKSPACE_BYTES,
    progress: Told | None = None,
) -> Snapshot:
    """`scan` a directory and `upload` it, again from the start when a file changes meanwhile.

    Args:
        transport: To the lab.
        root: The directory.
        limit: Most bytes in all.
        progress: As with `upload`.
    """
    for _ in range(_ROUNDS - 1):
        snapshot = scan(root, limit=limit)
        try:
            upload(transport, snapshot.workspace, snapshot.root, progress=progress)
        except Conflict:
            continue
        return snapshot
    snapshot = scan(root, limit=limit)
    upload(transport, snapshot.workspace, snapshot.root, progress=progress)
    return snapshot


def upload(
    transport: Transport, workspace: Workspace, root: Path, *, progress: Told | None = None
) -> Upload:
    """Announce a workspace and send what is missing; then a job may name its id.

    One that was interrupted goes on where it was.

    Args:
        transport: To the lab.
        workspace: Of `scan`.
        root: The directory that was scanned.
        progress: Told the bytes that were sent, and how many there are to send.

    Raises:
        Conflict: a file is not what it was when it was scanned; the message names it.
        TooLarge: the lab does not take so much.
        StorageFull: there is no room, there or in this machine's directory of temporary files.
        Unavailable: the lab does not answer, or does not keep what it gets.
    """
    for _ in range(_ROUNDS):
        told = transport.ask("POST", "workspaces", Upload.from_wire, body=workspace.to_wire())
        if not told.missing:
            return told
        told = _send(transport, workspace, root, told, progress)
        if not told.missing:
            return told
    raise Unavailable(
        f"the lab still lacks {len(told.missing)} contents of the workspace.",
        hint="Try again; if it stays so, ask who runs the lab.",
    )


def _send(
    transport: Transport, workspace: Workspace, root: Path, told: Upload, progress: Told | None
) -> Upload:
    first: dict[str, WorkspaceFile] = {}
    for file in workspace.files:
        first.setdefault(file.sha256, file)
    wanted = [first[sha] for sha in told.missing if sha in first]
    done, total = 0, sum(file.size for file in wanted)
    for part in _parts(wanted):
        try:
            with tempfile.NamedTemporaryFile(prefix="dllab-", suffix=".tar") as archive:
                _pack(part, root, archive)
                told = transport.upload(
                    path("workspaces", told.id, "blobs"),
                    Path(archive.name),
                    Upload.from_wire,
                    method="PUT",
                    content_type=_TAR,
                )
        except OSError as exc:
            raise StorageFull(
                f"{tempfile.gettempdir()} cannot be written: {exc.strerror or exc}.",
                hint="Make room there, or name another directory in TMPDIR.",
            ) from exc
        done += sum(file.size for file in part)
        if progress is not None:
            progress(done, total)
    return told


def _parts(files: Collection[WorkspaceFile]) -> Iterator[list[WorkspaceFile]]:
    part: list[WorkspaceFile] = []
    size = 0
    for file in sorted(files, key=lambda file: file.path):
        if part and size + file.size > _ARCHIVE:
            yield part
            part, size = [], 0
        part.append(file)
        size += file.size
    if part:
        yield part


def _pack(files: Collection[WorkspaceFile], root: Path, archive: IO[bytes]) -> None:
    """Write contents under their SHA-256, and see that they still are what they were."""
    for file in files:
        header = tarfile.TarInfo(file.sha256)
        header.size = file.size
        archive.write(header.tobuf(tarfile.GNU_FORMAT))
        digest, left = hashlib.sha256(), file.size
        for piece in _pieces(root, file):
            digest.update(piece)
            left -= len(piece)
            if left < 0:
                break
            archive.write(piece)
        if digest.hexdigest() != file.sha256:
            raise _changed(file)
        archive.write(bytes(-file.size % tarfile.BLOCKSIZE))
    archive.write(bytes(2 * tarfile.BLOCKSIZE))
    archive.flush()


def _pieces(root: Path, file: WorkspaceFile) -> Iterator[bytes]:
    try:
        yield from read(root / file.path)
    except OSError as exc:
        raise _changed(file) from exc


def _changed(file: WorkspaceFile) -> Conflict:
    return Conflict(
        f"{file.path} has changed since it was looked at.",
        hint="Nothing was started. Try again.",
        field="workspace",
    )
