"""`FileHandler`: a route whose body is a file, which goes to the disk as it comes."""

from __future__ import annotations

from collections.abc import Awaitable

from ..errors import DLLabError
from .handler import LabHandler
from .upload import Upload

__all__ = ("FileHandler",)

#: The upload has one, and refuses in our own words; the server's must not come before it.
_NO_LIMIT = 1 << 40


class FileHandler(LabHandler):
    """Takes the file in, and leaves nothing behind, however the request ends.

    A route calls `expect` when such a body is announced, and `arrived` when it is there.
    """

    _upload: Upload | None = None

    async def expect(self, upload: Upload, length: int) -> None:
        """From now on the body is a file.

        Args:
            upload: Where it goes.
            length: Bytes that are announced; 0 says nothing.

        Raises:
            TooLarge: they are more than may come.
            StorageFull: there is no room.
        """
        self.request.connection.set_max_body_size(_NO_LIMIT)
        self._upload = upload
        await upload.expect(length)

    def arrived(self) -> Upload | None:
        """The file; whoever has taken it looks after it, also when the sender goes away.

        Raises:
            DLLabError: it was refused while it came.
        """
        self.check_body()
        upload, self._upload = self._upload, None
        return upload

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the file, or of another body."""
        if self._upload is None or self._refused is not None:
            return super().data_received(chunk)
        return self._keep(self._upload, chunk)

    async def _keep(self, upload: Upload, chunk: bytes) -> None:
        self._arrived += len(chunk)
        try:
            await upload.add(chunk)
        except DLLabError as exc:
            await upload.discard()
            self.refuse(exc)

    def on_finish(self) -> None:
        """Leave nothing behind, however it went."""
        self._clean()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Leave nothing behind when the sender has gone."""
        self._clean()
        super().on_connection_close()

    def _clean(self) -> None:
        if self._upload is not None:
            self._upload.drop()
