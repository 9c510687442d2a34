"""`Workspaces`: the files that travel with jobs, kept by their content.

Whoever submits sends the list of files first, then the contents that are missing, and names the
workspace in the job's wish. The same file is sent once, however many jobs it travels with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from ..specs import MAX_WORKSPACE_BYTES, Upload, Workspace, check_size

__all__ = ("MAX_WORKSPACE_BYTES", "Workspaces")


class Workspaces(ABC):
    """Each person's are their own: nobody learns what others have."""

    async def limit(self) -> int:
        """Most bytes that one workspace may have."""
        return MAX_WORKSPACE_BYTES

    async def announce(self, owner: str, workspace: Workspace) -> Upload:
        """Keep the list of files, and say which contents are missing.

        Raises:
            TooLarge: it has more bytes than may travel; the message names the largest files.
            StorageFull: there is no room.
        """
        check_size({file.path: file.size for file in workspace.files}, await self.limit())
        return await self._announce(owner, workspace)

    async def fill(self, owner: str, id: str, archive: Path) -> Upload:
        """Take contents that were missing.

        Args:
            owner: Person.
            id: Of the workspace.
            archive: An uncompressed tar file whose members are named by their SHA-256. It may be
                moved away.

        Raises:
            NotFound: no such workspace was announced.
            InvalidRequest: it is no such archive, or a member is not what its name says.
            StorageFull: there is no room; what was taken before is kept.
        """
        return await self._fill(owner, id, archive)

    @abstractmethod
    async def _announce(self, owner: str, workspace: Workspace) -> Upload: ...

    @abstractmethod
    async def _fill(self, owner: str, id: str, archive: Path) -> Upload: ...
