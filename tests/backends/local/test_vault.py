"""Workspaces on the disk: what is kept, for how long, and what happens when the disk fails."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from workspace_files import archive, sha, workspace

from dllab_hub.backends.local import blobs as blobs_module
from dllab_hub.backends.local import vault as vault_module
from dllab_hub.backends.local.workspaces import LocalWorkspaces
from dllab_hub.errors import InvalidRequest, StorageFull, TooLarge
from dllab_hub.specs import Workspace
from dllab_hub.state import StateDir

_BIG = os.urandom(3 << 20)


class Keeper:
    """Workspaces of ada's."""

    def __init__(self, state: StateDir, root: Path, **options) -> None:
        self.state, self.root = state, root
        self.there = LocalWorkspaces(state, **options)
        self.count = 0

    async def send(self, files: dict[str, bytes], executable: tuple[str, ...] = ()) -> Workspace:
        wish = workspace(files, executable)
        await self.there.announce("ada", wish)
        sent = archive(self.root / "sent.tar", *set(files.values()))
        assert () == (await self.there.fill("ada", wish.id, sent)).missing
        return wish

    def materialise(self, wish: Workspace) -> Path:
        self.count += 1
        into = self.root / f"job-{self.count}"
        into.mkdir()
        self.there.materialise("ada", wish.id, into)
        return into

    def blob(self, data: bytes) -> Path:
        digest = sha(data)
        return self.state.workspaces / "ada" / "blobs" / digest[:2] / digest

    def files(self) -> list[Path]:
        return [path for path in self.state.workspaces.rglob("*") if path.is_file()]


@pytest.fixture
def keeper(a_state: StateDir, tmp_path: Path) -> Keeper:
    return Keeper(a_state, tmp_path)


async def test_a_job_gets_files_of_its_own(keeper: Keeper) -> None:
    """Modes are right, large and small files whole, and what a job writes changes nothing here."""
    files = {"a/b/run.sh": b"#!/bin/sh\n", "big": _BIG, "small": b"small"}
    wish = await keeper.send(files, executable=("a/b/run.sh",))
    into = keeper.materialise(wish)
    modes = {str(p.relative_to(into)): stat.S_IMODE(p.stat().st_mode) for p in into.rglob("*")}
    for path in files:
        with (into / path).open("r+b") as file:
            file.write(b"X")
    again = keeper.materialise(wish)

    assert {"a": 0o700, "a/b": 0o700, "a/b/run.sh": 0o700, "big": 0o600, "small": 0o600} == modes
    assert files == {path: (again / path).read_bytes() for path in files}


async def test_where_the_kernel_does_not_copy(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between file systems that cannot share, large files are copied by hand."""

    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(blobs_module.os, "copy_file_range", refuse)
    wish = await keeper.send({"big": _BIG})

    assert _BIG == (keeper.materialise(wish) / "big").read_bytes()


async def test_only_the_service_can_look(keeper: Keeper) -> None:
    """Other accounts cannot enter, whatever the umask is."""
    before = os.umask(0)
    try:
        await keeper.send({"a": b"secret"})
    finally:
        os.umask(before)
    folders = [keeper.state.workspaces, *keeper.state.workspaces.rglob("*")]

    assert all(stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600) for path in folders)


async def test_the_oldest_goes(a_state: StateDir, tmp_path: Path) -> None:
    """Above the total, what was not used for the longest time goes; shared contents stay."""
    keeper = Keeper(a_state, tmp_path, limit=lambda: 1000, kept=2000)
    common = b"c" * 300
    first = await keeper.send({"common": common, "a": b"a" * 500})
    second = await keeper.send({"common": common, "b": b"b" * 500})
    _age(keeper, second, 50)
    _age(keeper, first, 100)
    keeper.materialise(first)  # Used now: it is the newer of the two.
    third = await keeper.send({"c": b"d" * 600})

    assert b"a" * 500 == (keeper.materialise(first) / "a").read_bytes()
    assert b"d" * 600 == (keeper.materialise(third) / "c").read_bytes()
    with pytest.raises(InvalidRequest, match="no such workspace"):
        keeper.materialise(second)
    assert (True, False) == (keeper.blob(common).exists(), keeper.blob(b"b" * 500).exists())


async def test_many_small_ones(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of workspaces is limited as well: their lists need room."""
    monkeypatch.setattr(vault_module, "_MOST_LISTS", 3)
    wishes = [await keeper.send({"a": bytes([n])}) for n in range(5)]
    for n, wish in enumerate(wishes):
        if n < 2:
            with pytest.raises(InvalidRequest):
                keeper.materialise(wish)
        else:
            assert bytes([n]) == (keeper.materialise(wish) / "a").read_bytes()
    assert 6 == len(keeper.files())


async def test_what_a_job_is_made_of_stays(
    a_state: StateDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace that is being copied is not removed, however old it is."""
    keeper = Keeper(a_state, tmp_path, limit=lambda: 1000, kept=2000)
    old = await keeper.send({"a": b"a" * 900, "b": b"b" * 90})
    begun, go_on = threading.Event(), threading.Event()
    put = blobs_module.Blobs.put

    def slowly(self: blobs_module.Blobs, sha256: str, *more, **options) -> bool:
        begun.set()
        go_on.wait(20)
        return put(self, sha256, *more, **options)

    monkeypatch.setattr(blobs_module.Blobs, "put", slowly)
    made: list[Path] = []
    job = threading.Thread(target=lambda: made.append(keeper.materialise(old)))
    job.start()
    assert begun.wait(20)
    _age(keeper, old, 100)
    for n in range(3):
        await keeper.send({"x": bytes([n]) * 900})
    go_on.set()
    job.join(20)

    assert b"a" * 900 == (made[0] / "a").read_bytes()
    assert b"b" * 90 == (made[0] / "b").read_bytes()


async def test_no_room_to_begin_with(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk has no room for is refused before it is sent; nothing is kept."""
    monkeypatch.setattr(vault_module, "_LEFT", 1 << 60)
    with pytest.raises(StorageFull, match="no room for the workspace"):
        await keeper.there.announce("ada", workspace({"a": b"a"}))

    assert [] == keeper.files()


async def test_no_room_in_the_middle(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the disk fills up, what came before stays, and the rest goes on when there is room."""
    wish = workspace({"a": b"first", "b": b"second"})
    await keeper.there.announce("ada", wish)
    sent = archive(tmp_path / "sent.tar", b"first", b"second")
    write = blobs_module.write_all

    def full(file, piece: bytes) -> None:
        if piece == b"second":
            raise OSError(28, "No space left on device")
        write(file, piece)

    with monkeypatch.context() as patch:
        patch.setattr(blobs_module, "write_all", full)
        with pytest.raises(StorageFull):
            await keeper.there.fill("ada", wish.id, sent)
    left = list((keeper.state.workspaces / "ada" / "incoming").iterdir())
    half = (await keeper.there.announce("ada", wish)).missing

    assert ([], (sha(b"second"),)) == (left, half)
    assert () == (await keeper.there.fill("ada", wish.id, sent)).missing


async def test_after_the_service_was_killed(keeper: Keeper) -> None:
    """The next one has all that was sent, and removes what was only half there."""
    wish = await keeper.send({"a": b"a"})
    half = keeper.state.workspaces / "ada" / "incoming" / "tmphalf"
    half.write_bytes(b"half")
    after = Keeper(keeper.state, keeper.root / "after")
    after.root.mkdir()
    told = await after.there.announce("ada", wish)

    assert ((), False) == (told.missing, half.exists())
    assert b"a" == (after.materialise(wish) / "a").read_bytes()


@pytest.mark.parametrize("damage", [b"b", b"", b"longer"], ids=["other", "empty", "longer"])
async def test_a_damaged_content(keeper: Keeper, damage: bytes) -> None:
    """A small content that a power failure has damaged is noticed, and can be sent again."""
    wish = await keeper.send({"a": b"a"})
    keeper.blob(b"a").write_bytes(damage)
    with pytest.raises(InvalidRequest, match="have not been sent"):
        keeper.materialise(wish)
    told = await keeper.there.announce("ada", wish)
    await keeper.send({"a": b"a"})

    assert (sha(b"a"),) == told.missing
    assert b"a" == (keeper.materialise(wish) / "a").read_bytes()


async def test_a_damaged_list(keeper: Keeper) -> None:
    """A list that is not what was announced is unknown, never followed."""
    wish = await keeper.send({"a": b"a"})
    path = keeper.state.workspaces / "ada" / "lists" / f"{wish.id}.json"
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"../../a"'))
    with pytest.raises(InvalidRequest, match="no such workspace"):
        keeper.materialise(wish)

    assert () == (await keeper.there.announce("ada", wish)).missing
    assert b"a" == (keeper.materialise(wish) / "a").read_bytes()


async def test_the_administrators_limit(a_state: StateDir, tmp_path: Path) -> None:
    """The limit is asked each time: a change of it counts at once."""
    limits = [10, 100]
    keeper = Keeper(a_state, tmp_path, limit=lambda: limits[0])
    with pytest.raises(TooLarge):
        await keeper.there.announce("ada", workspace({"a": bytes(50)}))
    limits.pop(0)

    assert (sha(bytes(50)),) == (
        await keeper.there.announce("ada", workspace({"a": bytes(50)}))
    ).missing


async def test_a_job_of_very_many_files(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they are many, they are on the disk all together."""
    monkeypatch.setattr(vault_module, "_FEW", 2)
    wish = await keeper.send({str(n): bytes([n]) for n in range(5)})
    into = keeper.materialise(wish)

    assert {str(n): bytes([n]) for n in range(5)} == {
        p.name: p.read_bytes() for p in into.iterdir()
    }


def _age(keeper: Keeper, wish: Workspace, seconds: float) -> None:
    """Say that a workspace was last used so long ago."""
    path = keeper.state.workspaces / "ada" / "lists" / f"{wish.id}.json"
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))
