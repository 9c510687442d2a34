"""A directory of checkpoints."""

import json
from pathlib import Path

import pytest

from dllab_hub.runtime.folder import DamagedCheckpoint, Folder, manifest, verify


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "checkpoints")


def write(folder: Folder, step: int, text: str = "state") -> Path:
    def fill(directory: Path) -> None:
        (directory / "state").write_text(text)
        (directory / "more").mkdir()
        (directory / "more" / "a").write_text("a")

    return folder.write(step, {"epoch": step}, fill)


def test_a_checkpoint_says_what_it_holds(folder: Folder) -> None:
    """The manifest has step, time, sizes, hashes and what the code added."""
    path = write(folder, 20)
    about = manifest(path)

    assert "step-00000020" == path.name
    assert (20, {"epoch": 20}) == (about["step"], about["extra"])
    assert {"more/a": 1, "state": 5} == {n: file["size"] for n, file in about["files"].items()}
    assert about == verify(path)
    assert [path] == folder.whole()


def test_newest_first_by_number(folder: Folder) -> None:
    """Steps are ordered as numbers, however many digits they have."""
    for step in (5, 100_000_000, 70):
        write(folder, step)

    assert [100_000_000, 70, 5] == [manifest(path)["step"] for path in folder.whole()]


def test_a_save_that_fails_changes_nothing(folder: Folder) -> None:
    """An error while saving leaves the checkpoints before, and no rest of its own."""
    before = write(folder, 1)

    def fill(directory: Path) -> None:
        (directory / "state").write_text("half")
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        folder.write(2, {}, fill)
    with pytest.raises(TypeError):
        folder.write(2, {"epoch": object()}, lambda _: None)

    assert [before] == folder.whole()
    assert [before] == list(folder.path.iterdir())


def test_a_step_is_saved_again(folder: Folder) -> None:
    """A checkpoint of the same step replaces the one there is."""
    write(folder, 1, "old")
    path = write(folder, 1, "new")

    assert "new" == (path / "state").read_text()
    assert [path] == list(folder.path.iterdir())


def test_the_oldest_go(folder: Folder) -> None:
    """Pruning keeps the newest whole ones; a torn one does not count as one of them."""
    paths = [write(folder, step) for step in range(1, 6)]
    (paths[4] / "state").unlink()
    folder.prune(2)

    assert [paths[3], paths[2]] == folder.whole()
    assert not paths[1].exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": {"state": 1}}', '{"step": "1", "files": {}, "extra": {}}']
)
def test_a_bad_manifest_is_no_checkpoint(folder: Folder, text: str) -> None:
    """Whatever the manifest holds, it is a damaged checkpoint and not a crash."""
    path = write(folder, 1)
    (path / "MANIFEST.json").write_text(text)

    assert [] == folder.whole()
    with pytest.raises(DamagedCheckpoint, match="step-00000001"):
        manifest(path)


def test_a_changed_byte_is_seen(folder: Folder) -> None:
    """A file of the right size with other bytes is found by its hash."""
    path = write(folder, 1)
    (path / "state").write_text("stale")

    assert [path] == folder.whole()
    with pytest.raises(DamagedCheckpoint, match="state is not what was written"):
        verify(path)


def test_work_of_a_killed_writer_is_removed(folder: Folder) -> None:
    """What a writer left that was killed half-way is never a checkpoint and goes with the next."""
    write(folder, 1)
    (folder.path / ".tmp-step-00000002").mkdir()
    (folder.path / ".tmp-step-00000002" / "state").write_text("half")
    (folder.path / ".tmp-step-00000002" / "MANIFEST.json").write_text(json.dumps({"step": 2}))
    assert 1 == len(folder.whole())

    write(folder, 3)

    names = sorted(path.name for path in folder.path.iterdir())
    assert ["step-00000001", "step-00000003"] == names
