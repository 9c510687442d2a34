"""Files that travel with jobs: the same wherever jobs run."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from remote_place import remote_backend
from workspace_files import archive, sha, workspace

from dllab_hub.backends.local.workspaces import LocalWorkspaces
from dllab_hub.errors import InvalidRequest, NotFound, TooLarge
from dllab_hub.specs import Upload, Workspace, WorkspaceFile
from dllab_hub.state import StateDir
from dllab_hub.testing.memory_workspaces import MemoryWorkspaces

_A, _B = b"print('a')\n", b"b" * 70_000


class Shelf:
    """Workspaces of one place, and a way to see what a job would find."""

    def __init__(self, there: Any, root: Path, far: Any = None) -> None:
        self.there, self.root, self.far = there, root, far or there
        self.count = 0

    async def files(self, owner: str, id: str) -> dict[str, bytes]:
        if isinstance(self.far, MemoryWorkspaces):
            return self.far.files(owner, id)
        assert isinstance(self.far, LocalWorkspaces)
        self.count += 1
        into = self.root / f"job-{self.count}"
        into.mkdir()
        self.far.materialise(owner, id, into)
        found = {path for path in into.rglob("*") if path.is_file()}
        return {path.relative_to(into).as_posix(): path.read_bytes() for path in found}

    async def fill(self, owner: str, id: str, *contents: bytes, **more: Any) -> Upload:
        path = archive(self.root / "sent.tar", *contents, **more)
        return await self.there.fill(owner, id, path)


@pytest.fixture(params=["local", "memory", "remote"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    """Each place."""
    if request.param == "local":
        yield Shelf(LocalWorkspaces(StateDir(tmp_path / "s", tmp_path / "e")), tmp_path)
    elif request.param == "memory":
        yield Shelf(MemoryWorkspaces(), tmp_path)
    else:
        async with remote_backend() as (backend, memory):
            mine = backend.backends  # type: ignore[attr-defined]

            class Theirs:
                async def announce(self, owner: str, wish: Workspace) -> Upload:
                    return await mine[owner].workspaces.announce("somebody", wish)

                async def fill(self, owner: str, id: str, path: Path) -> Upload:
                    return await mine[owner].workspaces.fill("somebody", id, path)

            yield Shelf(Theirs(), tmp_path, memory.workspaces)


async def test_files_travel(shelf: Shelf) -> None:
    """A job finds what was sent, under its paths; one content is sent once."""
    wish = workspace({"train.py": _A, "lib/a.py": _A, "data/b": _B, "empty": b""})
    told = await shelf.there.announce("ada", wish)
    filled = await shelf.fill("ada", told.id, _A, _B, b"")

    assert (wish.id, tuple(sorted(map(sha, (_A, _B, b""))))) == (told.id, told.missing)
    assert Upload(id=wish.id) == filled
    assert {"train.py": _A, "lib/a.py": _A, "data/b": _B, "empty": b""} == await shelf.files(
        "ada", wish.id
    )


async def test_only_what_is_new_is_missing(shelf: Shelf) -> None:
    """Of a second workspace only what has changed has to be sent."""
    first = workspace({"a": _A, "b": _B})
    await shelf.there.announce("ada", first)
    await shelf.fill("ada", first.id, _A, _B)
    again = await shelf.there.announce("ada", first)
    second = await shelf.there.announce("ada", workspace({"a": _A, "b": _B + b"!"}))

    assert ((), (sha(_B + b"!"),)) == (again.missing, second.missing)


async def test_an_upload_that_was_interrupted(shelf: Shelf) -> None:
    """What came before the end is kept; the rest is missing, and a job cannot have it yet."""
    wish = workspace({"a": _A, "b": _B})
    await shelf.there.announce("ada", wish)
    half = await shelf.fill("ada", wish.id, _A)
    again = await shelf.there.announce("ada", wish)
    with pytest.raises(InvalidRequest) as caught:
        await shelf.far.check("ada", wish.id)
    with pytest.raises(InvalidRequest):
        await shelf.files("ada", wish.id)
    whole = await shelf.fill("ada", wish.id, _B)
    await shelf.far.check("ada", wish.id)

    assert ((sha(_B),), (sha(_B),), ()) == (half.missing, again.missing, whole.missing)
    assert "workspace" == caught.value.field
    assert {"a": _A, "b": _B} == await shelf.files("ada", wish.id)


async def test_nobody_learns_what_others_have(shelf: Shelf) -> None:
    """What ada has sent is missing for grace, and her workspace is unknown."""
    wish = workspace({"a": _A})
    await shelf.there.announce("ada", wish)
    await shelf.fill("ada", wish.id, _A)
    with pytest.raises(NotFound):
        await shelf.fill("grace", wish.id, _A)
    with pytest.raises(InvalidRequest):
        await shelf.files("grace", wish.id)
    told = await shelf.there.announce("grace", wish)

    assert (sha(_A),) == told.missing
    with pytest.raises(InvalidRequest):
        await shelf.files("grace", wish.id)


@pytest.mark.parametrize("id", ["0" * 64, "nosuch", "../lists", "", ".."])
async def test_a_workspace_of_nobody(shelf: Shelf, id: str) -> None:
    """What was not announced cannot be filled or named."""
    with pytest.raises(NotFound):
        await shelf.fill("ada", id, _A)
    with pytest.raises(InvalidRequest):
        await shelf.files("ada", id)


async def test_more_than_may_travel(shelf: Shelf) -> None:
    """Too large a workspace is refused with its largest files; nothing is kept of it."""
    big = [
        WorkspaceFile(path=f"data/{n}.bin", sha256=sha(bytes([n])), size=n << 27) for n in range(5)
    ]
    with pytest.raises(TooLarge) as caught:
        await shelf.there.announce("ada", Workspace(files=tuple(big)))

    assert "1280 MB and 512 MB may travel" in caught.value.message
    assert "data/4.bin (512 MB), data/3.bin (384 MB)" in caught.value.message
    assert ".dllabignore" in caught.value.hint
    with pytest.raises(NotFound):
        await shelf.fill("ada", Workspace(files=tuple(big)).id, b"\0")


@pytest.fixture(scope="module")
def many() -> Workspace:
    """As many files as may travel."""
    return Workspace(
        files=tuple(
            WorkspaceFile(
                path=f"some/deep/folder-{n % 100}/file-{n}.txt", sha256=f"{n:064x}", size=n % 9999
            )
            for n in range(50_000)
        )
    )


async def test_fifty_thousand_files(shelf: Shelf, many: Workspace) -> None:
    """The longest list is announced within seconds."""
    start = time.monotonic()
    told = await shelf.there.announce("ada", many)
    took = time.monotonic() - start

    assert 50_000 == len(told.missing)
    assert took < 30, f"{took:.1f} s"  # About one on a machine with nothing else to do.


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def _info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, **pax: str):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.pax_headers = kind, link, size, pax
    return info


def _hostile(name: str, path: Path) -> Path:
    good = sha(_A)
    if name == "up":
        return archive(path, _A, names=(f"../../{good}",))
    if name == "absolute":
        return archive(path, _A, names=(f"/tmp/{good}",))
    if name == "upper case":
        return archive(path, _A, names=(good.upper(),))
    if name == "newline":
        return archive(path, _A, names=(good + "\n",))
    if name == "link":
        return _tar(path, (_info(good, tarfile.SYMTYPE, "/etc/passwd"), b""))
    if name == "hard link":
        return _tar(path, (_info(good, tarfile.LNKTYPE, "/etc/passwd"), b""))
    if name == "device":
        return _tar(path, (_info(good, tarfile.CHRTYPE), b""))
    if name == "pipe":
        return _tar(path, (_info(good, tarfile.FIFOTYPE), b""))
    if name == "folder":
        return _tar(path, (_info(good, tarfile.DIRTYPE), b""))
    if name == "a name in an extension":
        return _tar(path, (_info(good, size=len(_A), path=f"../{good}"), _A))
    if name == "not asked for":
        return archive(path, b"something else")
    if name == "a lie":
        return archive(path, _A[::-1], names=(good,))
    if name == "longer":
        return archive(path, _A * 2, names=(good,))
    if name == "shorter":
        return archive(path, _A[:-1], names=(good,))
    whole = archive(path, _A).read_bytes()
    if name == "huge":
        header = _info(good, size=1 << 60).tobuf(tarfile.GNU_FORMAT)
        path.write_bytes(header)
    elif name == "negative":
        header = bytearray(whole[:512])
        header[124:136] = b"\xff" * 12
        header[148:156] = f"{sum(header[:148]) + 256 + sum(header[156:]):06o}\0 ".encode()
        path.write_bytes(bytes(header) + whole[512:])
    elif name == "breaks off":
        path.write_bytes(whole[:515])
    elif name == "no end":
        path.write_bytes(whole[:1024])
    elif name == "no tar":
        path.write_bytes(b"<html>" * 500)
    elif name == "compressed":
        import gzip

        path.write_bytes(gzip.compress(whole + os.urandom(4096)))
    else:
        raise AssertionError(name)
    return path


_NAME, _KIND = "64 hexadecimal digits", "no regular file"
_HOSTILE = {
    "up": _NAME, "absolute": _NAME, "upper case": _NAME, "newline": _NAME,
    "link": _KIND, "hard link": _KIND, "device": _KIND, "pipe": _KIND, "folder": _KIND,
    "a name in an extension": _KIND, "not asked for": "not a content that was announced",
    "a lie": "not what its name says", "longer": "22 bytes, and 11 were announced",
    "shorter": "10 bytes, and 11 were announced", "huge": "1152921504606846976 bytes",
    "negative": _KIND, "breaks off": "breaks off", "no tar": "no tar file",
    "compressed": "no tar file",
}  # fmt: skip


async def test_archives_that_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    """Whatever an archive holds beside the contents it should, nothing of it is kept."""
    wish = workspace({"a": _A})
    await shelf.there.announce("ada", wish)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    for name, why in _HOSTILE.items():
        sent = _hostile(name, tmp_path / "sent.tar")
        with pytest.raises(InvalidRequest) as caught:
            await shelf.there.fill("ada", wish.id, sent)
        sent.unlink()

        assert "archive" == caught.value.field, name
        assert why in caught.value.message, name
        assert (sha(_A),) == (await shelf.there.announce("ada", wish)).missing, name
    assert before == {path for path in tmp_path.rglob("*") if path.is_file()}


async def test_what_came_before_is_kept(shelf: Shelf, tmp_path: Path) -> None:
    """An archive that breaks off after a content leaves that content."""
    wish = workspace({"a": _A, "b": _B})
    await shelf.there.announce("ada", wish)
    with pytest.raises(InvalidRequest):
        await shelf.there.fill("ada", wish.id, _hostile("no end", tmp_path / "sent.tar"))
    with pytest.raises(InvalidRequest):
        await shelf.there.fill("ada", wish.id, _hostile("no end", tmp_path / "sent.tar"))

    assert (sha(_B),) == (await shelf.there.announce("ada", wish)).missing
