"""`LocalWorkspaces`: the files that travel with jobs, on this machine. See `vault`."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from ...errors import InvalidRequest, NotFound
from ...names import slug
from ...specs import MAX_WORKSPACE_BYTES, Upload, Workspace, WorkspaceFile
from ...state import StateDir
from ..workspaces import Workspaces
from .disk import disk_errors
from .vault import Entry, Vault

__all__ = ("LocalWorkspaces",)

_ID = re.compile(r"[0-9a-f]{64}")
#: Bytes that are kept of each person; beyond it goes what has not been used for the longest time.
_KEPT = 2 * 1024 * 1024 * 1024
#: Bytes of one text, and of all of a workspace, that are kept for longer: code, not data.
_TEXT, _TEXTS = 64 * 1024, 1024 * 1024


class LocalWorkspaces(Workspaces):
    """Keeps everything in threads; nothing is written before somebody sends something.

    Args:
        state: Where they lie.
        limit: Most bytes of one workspace; asked each time, in a thread.
        kept: Bytes that are kept of each person, at least two workspaces.
    """

    def __init__(
        self,
        state: StateDir,
        *,
        limit: Callable[[], int] = lambda: MAX_WORKSPACE_BYTES,
        kept: int = _KEPT,
    ) -> None:
        self._root = state.workspaces
        self._limit = limit
        self._kept = kept
        self._vaults: dict[str, Vault] = {}
        self._one_at_a_time = threading.Lock()

    async def limit(self) -> int:
        return await asyncio.to_thread(self._limit)

    async def check(self, owner: str, id: str) -> None:
        """Nothing when a job of the owner may name the workspace.

        Raises:
            InvalidRequest: it is unknown, or contents of it are missing.
        """
        await asyncio.to_thread(self._whole, owner, id)

    def listing(self, owner: str, id: str) -> bytes:
        """`Workspace.listing` of a workspace that `check` has passed. Blocks.

        Raises:
            InvalidRequest: there is no such workspace any more.
        """
        return json.dumps(self._whole(owner, id), separators=(",", ":")).encode()

    def texts(self, owner: str, files: Iterable[WorkspaceFile]) -> dict[str, str]:
        """Those of these files that are short texts, small ones first, by SHA-256. Blocks."""
        vault = self._vault(owner)
        found: dict[str, str] = {}
        room = _TEXTS
        for file in sorted(files, key=lambda file: file.size):
            if file.size > min(_TEXT, room):
                break
            data = vault.read(file.sha256, _TEXT)
            if data is not None and b"\0" not in data and file.sha256 not in found:
                with suppress(UnicodeDecodeError):
                    found[file.sha256] = data.decode()
                    room -= len(data)
        return found

    def materialise(self, owner: str, id: str, into: Path) -> None:
        """Copy the files into a directory. Blocks.

        Args:
            owner: Person.
            id: Of the workspace.
            into: Exists, is empty, and nobody else can write there.

        Raises:
            InvalidRequest: there is no such workspace, or contents of it are missing.
            OSError: there is no room, for example.
        """
        files = self._whole(owner, id)
        missing = self._vault(owner).copy(id, files, into)
        if missing:
            raise _incomplete(len(missing))

    async def _announce(self, owner: str, workspace: Workspace) -> Upload:
        limit = await self.limit()

        def announce() -> Upload:
            with disk_errors():
                vault = self._vault(owner)
                missing = vault.announce(workspace, max(self._kept, 2 * limit))
            return Upload(id=workspace.id, missing=missing)

        return await asyncio.to_thread(announce)

    async def _fill(self, owner: str, id: str, archive: Path) -> Upload:
        def fill() -> Upload:
            with disk_errors():
                vault = self._vault(owner)
                files = vault.find(id) if _ID.fullmatch(id) else None
                if files is None:
                    raise NotFound("there is no such workspace.", hint="Announce it first.")
                return Upload(id=id, missing=vault.fill(id, files, archive))

        return await asyncio.to_thread(fill)

    def _whole(self, owner: str, id: str) -> tuple[Entry, ...]:
        vault = self._vault(owner)
        files = vault.find(id) if _ID.fullmatch(id) else None
        if files is None:
            raise InvalidRequest(
                "there is no such workspace (any more).", hint="Upload it again.", field="workspace"
            )
        if missing := vault.missing(files):
            raise _incomplete(len(missing))
        return files

    def _vault(self, owner: str) -> Vault:
        key = slug(owner)
        with self._one_at_a_time:
            if key not in self._vaults:
                self._vaults[key] = Vault(self._root / key)
            return self._vaults[key]


def _incomplete(count: int) -> InvalidRequest:
    return InvalidRequest(
        f"{count} of the workspace's contents have not been sent.",
        hint="Upload it again: only what is missing is sent.",
        field="workspace",
    )
