"""A file that grows as it arrives."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest, StorageFull, TooLarge, Unavailable
from dllab_hub.server import upload as upload_module
from dllab_hub.server.upload import Upload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where uploads go; not there yet."""
    return tmp_path / "uploads"


async def test_pieces_become_a_file(folder: Path) -> None:
    """All pieces in their order, whatever their sizes, for nobody else to read."""
    upload = Upload(folder)
    pieces = [b"a" * 10, b"b" * 3_000_000, b"", b"c" * 700_000]
    await upload.expect(0)
    for piece in pieces:
        await upload.add(piece)
    file = await upload.finish()

    assert b"".join(pieces) == file.read_bytes()
    assert (0o600, 0o700) == (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777)
    await upload.discard()
    assert [] == list(folder.iterdir())


async def test_a_file_that_was_moved_away(folder: Path, tmp_path: Path) -> None:
    """Whoever moves the file has it; what was to be removed is not there any more."""
    upload = Upload(folder)
    await upload.add(b"model")
    (await upload.finish()).rename(tmp_path / "kept")
    await upload.discard()
    await upload.discard()

    assert b"model" == (tmp_path / "kept").read_bytes()


async def test_limits(folder: Path) -> None:
    """More than the limit is refused when it is announced, when it comes, and when it is copied."""
    upload = Upload(folder, limit=100)
    with pytest.raises(TooLarge):
        await upload.expect(101)
    await upload.expect(100)
    await upload.add(b"x" * 100)
    with pytest.raises(TooLarge):
        await upload.add(b"x")
    await upload.discard()
    folder.with_name("file").write_bytes(b"x" * 101)
    with pytest.raises(TooLarge):
        await Upload(folder, limit=100).copy(folder.parent, "file")

    assert [] == list(folder.iterdir())


async def test_nothing_has_come(folder: Path) -> None:
    """An empty file is no model."""
    upload = Upload(folder)
    await upload.expect(0)
    with pytest.raises(InvalidRequest, match="empty"):
        await upload.finish()
    await upload.discard()


async def test_a_disk_in_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told apart from a broken one."""

    def fail(number: int):
        def write(*_):
            raise OSError(number, os.strerror(number))

        return write

    for number, kind in ((28, StorageFull), (122, StorageFull), (5, Unavailable)):
        upload = Upload(folder)
        monkeypatch.setattr(upload_module.os, "write", fail(number))
        await upload.add(b"x")
        with pytest.raises(kind):
            await upload.finish()
        await upload.discard()
    monkeypatch.undo()
    folder.with_name("plain").write_bytes(b"")
    with pytest.raises(Unavailable):
        await Upload(folder.with_name("plain") / "uploads").expect(1)

    assert [] == list(folder.iterdir())


async def test_discarded_while_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is closed only when the thread that writes it is through; nothing comes after."""
    begun, go_on, write = threading.Event(), threading.Event(), os.write

    def slowly(file: int, data: bytes) -> int:
        begun.set()
        assert go_on.wait(10)
        return write(file, data)

    monkeypatch.setattr(upload_module.os, "write", slowly)
    upload = Upload(folder)
    adding = asyncio.create_task(upload.add(b"x" * 2_000_000))
    await asyncio.to_thread(begun.wait, 10)
    upload.drop()
    await asyncio.sleep(0)
    there = list(folder.iterdir())
    go_on.set()
    await adding
    await upload.add(b"x" * 2_000_000)
    await upload.discard()

    assert (1, []) == (len(there), list(folder.iterdir()))


@pytest.mark.parametrize("folded", [False, True])
async def test_cancelled_while_it_is_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    """A thread that copies for nobody writes into nobody else's file, stops, and leaves nothing,
    also when it has not begun to write.
    """
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    make = Upload._make

    def slowly(upload: Upload, size: int) -> int:
        begun.set()
        assert go_on.wait(10)
        try:
            return make(upload, size)
        finally:
            ended.set()

    monkeypatch.setattr(Upload, "_make", slowly)
    source = folder.with_name("files")
    source.mkdir()
    (source / "model").write_bytes(b"x" * 3_000_000)
    upload = Upload(folder)
    copying = asyncio.create_task(upload.copy(folder.parent, "files" if folded else "files/model"))
    await asyncio.to_thread(begun.wait, 10)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    asyncio.get_running_loop().call_later(0.2, go_on.set)
    await upload.discard()

    assert ended.is_set()
    assert [] == list(folder.iterdir())
