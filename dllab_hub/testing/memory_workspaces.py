"""`MemoryWorkspaces`: the files that travel with jobs, kept in memory."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from ..backends.archive import members, opened
from ..backends.workspaces import MAX_WORKSPACE_BYTES, Workspaces
from ..errors import InvalidRequest, NotFound
from ..specs import Upload, Workspace

__all__ = ("MemoryWorkspaces",)


class MemoryWorkspaces(Workspaces):
    """Each person's workspaces and contents.

    Args:
        limit: Most bytes of one workspace.
    """

    def __init__(self, limit: int = MAX_WORKSPACE_BYTES) -> None:
        self._limit = limit
        self._announced: dict[tuple[str, str], Workspace] = {}
        self._contents: dict[str, dict[str, bytes]] = {}  # Of each person, by their SHA-256.

    async def limit(self) -> int:
        return self._limit

    async def check(self, owner: str, id: str) -> None:
        """Refuse a workspace that a job cannot have: see `files`."""
        self.files(owner, id)

    def files(self, owner: str, id: str) -> dict[str, bytes]:
        """Contents by path, as a job would find them.

        Raises:
            InvalidRequest: there is no such workspace, or something is missing of it.
        """
        try:
            upload = self._upload(owner, id)
        except NotFound as exc:
            raise InvalidRequest(exc.message, hint=exc.hint, field="workspace") from None
        if upload.missing:
            count = len(upload.missing)
            raise InvalidRequest(
                f"{count} of the workspace's contents have not been sent.", field="workspace"
            )
        mine = self._contents.get(owner, {})
        return {file.path: mine[file.sha256] for file in self._announced[owner, id].files}

    async def _announce(self, owner: str, workspace: Workspace) -> Upload:
        id = await asyncio.to_thread(lambda: workspace.id)
        self._announced[owner, id] = workspace
        return self._upload(owner, id)

    async def _fill(self, owner: str, id: str, archive: Path) -> Upload:
        self._upload(owner, id)
        wanted = {file.sha256: file.size for file in self._announced[owner, id].files}
        await asyncio.to_thread(_read, archive, wanted, self._contents.setdefault(owner, {}))
        return self._upload(owner, id)

    def _upload(self, owner: str, id: str) -> Upload:
        workspace = self._announced.get((owner, id))
        if workspace is None:
            raise NotFound("there is no such workspace.", hint="Announce it first.")
        there = self._contents.get(owner, {})
        return Upload(
            id=id, missing=tuple(sorted({f.sha256 for f in workspace.files} - there.keys()))
        )


def _read(archive: Path, wanted: dict[str, int], into: dict[str, bytes]) -> None:
    with opened(archive) as sent:
        for member in members(sent, wanted):
            sent.seek(member.offset)
            data = sent.read(member.size)
            if hashlib.sha256(data).hexdigest() != member.sha256:
                raise InvalidRequest(
                    f"the bytes of {member.sha256[:12]}... are not what its name says.",
                    hint="Send it again.",
                    field="archive",
                )
            into[member.sha256] = data
