"""Whole checkpoints of every format are shown, and whatever else lies there costs nothing."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path

import pytest
from checkpoint_files import MAKERS, cut, dllab, hdf5, safetensors

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.checkpoints import checkpoints, files_of, newest_checkpoint
from dllab_hub.backends.local.rundir import RunDir

FORMATS = sorted(MAKERS)


@pytest.fixture
def run(tmp_path) -> RunDir:
    """An empty directory, and a secret beside it."""
    path = tmp_path / "run"
    (path / "checkpoints").mkdir(parents=True)
    dllab(tmp_path / "secret", 99)
    return RunDir(path, Account(None, os.geteuid(), os.getegid(), "/"))


def folder(run: RunDir) -> Path:
    return run.path / "checkpoints"


def steps(run: RunDir) -> list[int]:
    return [checkpoint.step for checkpoint in checkpoints(run)]


def save(run: RunDir, number: int, **manifest) -> None:
    """One of ours, with a manifest that says something else."""
    path = dllab(folder(run), number).with_name("MANIFEST.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **manifest}))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_newest_first(run, format):
    """The steps, newest first, with the format, and sizes of files that are there."""
    for step in (20, 100, 3):
        MAKERS[format](folder(run), step)

    assert [100, 20, 3] == steps(run)
    newest = newest_checkpoint(run)
    assert (format, 100) == (newest.format, newest.step)
    known = {run.path.joinpath(*parts) for one in checkpoints(run) for parts in files_of(run, one)}
    assert newest.size > 9
    assert {path for path in folder(run).rglob("*") if path.is_file()} == known
    assert () == files_of(run, newest.model_copy(update={"path": "/elsewhere"}))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_was_cut_short(run, format):
    """Half a checkpoint is never shown; the one before is."""
    MAKERS[format](folder(run), 1)
    cut(MAKERS[format](folder(run), 7))

    assert [1] == steps(run)
    assert 1 == newest_checkpoint(run).step


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("torch-distributed", "step_7/__1_0.distcp"),
        ("torch-distributed", "step_7/__0_0.distcp"),
        ("torch-distributed", "step_7/.metadata"),
        ("huggingface", "checkpoint-7/trainer_state.json"),
        ("huggingface", "checkpoint-7/model-00001-of-00002.safetensors"),
        ("huggingface", "checkpoint-7/model.safetensors.index.json"),
        ("tensorflow", "ckpt-7.data-00001-of-00002"),
        ("tensorflow", "ckpt-7.index"),
    ],
)
def test_a_file_that_is_missing(run, format, name):
    """A save that had not come to its last file is not shown."""
    MAKERS[format](folder(run), 1)
    MAKERS[format](folder(run), 7)
    (folder(run) / name).unlink()

    assert [1] == steps(run)


@pytest.mark.parametrize(
    "manifest",
    [
        {"files": {"state.pt": {"size": 11}}},
        {"files": {"gone.pt": {"size": 10}}},
        {"files": {"../step-00000001/state.pt": {"size": 10}}},
        {"files": {"..": {"size": 4096}}},
        {"files": ["state.pt"]},
        {"files": {"state.pt": 10}},
        {"step": "7"},
        {"time": None},
        {"time": float("nan")},
    ],
)
def test_a_manifest_that_does_not_hold(run, manifest):
    """A checkpoint that is not what its manifest says is never shown; the one before is."""
    save(run, 1)
    save(run, 7, **manifest)

    assert [1] == steps(run)


def test_shards_that_are_newer_than_their_metadata(run):
    """A second save into the same folder that had not come to its end is not shown."""
    shard = MAKERS["torch-distributed"](folder(run), 7)
    later = time.time() + 5
    os.utime(shard, (later, later))

    assert [] == steps(run)


def test_shards_with_a_manifest(run):
    """What the runtime saved sharded is told by its manifest."""
    save(run, 5, format="torch-distributed")

    assert "torch-distributed" == newest_checkpoint(run).format


def test_the_folder_that_keras_restores_from(run):
    """The newer pair of BackupAndRestore, or the one before when the newer one is torn."""
    backup = folder(run) / "backup"
    backup.mkdir()
    for end, epoch in ((".bkp", 3), ("", 4)):
        hdf5(backup / f"latest.weights.h5{end}")
        (backup / f"training_metadata.json{end}").write_text(json.dumps({"epoch": epoch}))
    assert [4] == steps(run)
    cut(backup / "latest.weights.h5")

    assert [3] == steps(run)


def test_files_deeper_down(run):
    """Legacy Keras saves two folders down; that is found too, and no deeper."""
    for place in ("backup/chief", "a/b/c"):
        MAKERS["tensorflow"](folder(run) / place, 2)

    assert [str(folder(run) / "backup/chief/ckpt-2")] == [c.path for c in checkpoints(run)]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("epoch=1-step=20.ckpt", 20),
        ("epoch=1-step=20-v1.ckpt", 20),
        ("loss=0.25-step=7-x.ckpt", 7),
        ("last.ckpt", 0),
        ("03-0.25.weights.h5", 3),
        ("model_12.keras", 12),
    ],
)
def test_steps_in_names(run, name, step):
    """A step is what the name says, and 0 when it says nothing."""
    made = MAKERS["keras" if name.endswith(".h5") else "lightning"](folder(run), 1)
    made.rename(made.with_name(name))

    assert [step] == steps(run)


def test_nothing_is_unpickled(run, tmp_path):
    """The service never loads the pickle of a person, whatever it would do."""

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    shard = MAKERS["torch-distributed"](folder(run), 7)
    (shard.parent / ".metadata").write_bytes(pickle.dumps([Bomb(), "__0_0.distcp", "__1_0.distcp"]))

    assert [7] == steps(run)
    assert not (tmp_path / "exploded").exists()


def plant_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def plant_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def plant_giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**12)


def plant_depth(path: Path) -> None:
    path.write_text('{"files":' + "[" * 100_000)


def plant_header(path: Path) -> None:
    """A safetensors header that says it has 2^62 bytes."""
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")


PLANTS = {
    "fifo": os.mkfifo,
    "link": plant_link,
    "device": plant_device,
    "folder": os.mkdir,
    "giant": plant_giant,
    "depth": plant_depth,
    "header": plant_header,
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize(
    "name",
    [
        "step-00000007/MANIFEST.json",
        "x/.metadata",
        "checkpoint-7/trainer_state.json",
        "checkpoint-7/model.safetensors",
        "step=7.ckpt",
        "ckpt-7.index",
        "7.weights.h5",
        "7.keras",
        "backup/training_metadata.json",
        "checkpoint",
    ],
)
@pytest.mark.timeout(20)
def test_planted_files(run, plant, name):
    """Whatever lies in the place of a file: nothing is followed, nothing hangs, nothing raises."""
    path = folder(run) / name
    path.parent.mkdir(exist_ok=True)
    if path.parent.name == "checkpoint-7":
        safetensors(path.with_name("model.safetensors"))
        path.with_name("trainer_state.json").write_text('{"global_step": 7}')
        path.unlink()
    (path.parent / "__0_0.distcp").touch()
    (path.parent / "latest.weights.h5").touch()
    PLANTS[plant](path)
    MAKERS["dllab"](folder(run), 1)

    assert [1] == steps(run)


def test_links_are_not_followed(run, tmp_path):
    """A link in the place of the folder, or of a checkpoint in it, leads nowhere."""
    (folder(run) / "step-00000099").symlink_to(tmp_path / "secret" / "step-00000099")
    (folder(run) / "more").symlink_to(tmp_path / "secret")
    assert [] == steps(run)
    for path in folder(run).iterdir():
        path.unlink()
    folder(run).rmdir()
    folder(run).symlink_to(tmp_path / "secret")

    assert [] == steps(run)


def test_a_folder_full_of_traps(run):
    """Thousands of large manifests cannot make the service read more than a bounded amount."""
    big = b'{"files": {"x": {"size": 1}}, "pad": "' + b"x" * 3_900_000 + b'"}'
    for n in range(300):
        path = folder(run) / f"step-{n + 1:08d}"
        path.mkdir()
        if n == 0:
            (path / "MANIFEST.json").write_bytes(big)
        else:
            os.link(folder(run) / "step-00000001" / "MANIFEST.json", path / "MANIFEST.json")
    before = _read_bytes()

    assert None is newest_checkpoint(run)
    assert _read_bytes() - before < 20 * 2**20  # It is asked for twice a second.
    assert () == checkpoints(run)
    assert _read_bytes() - before < 300 * 2**20


def test_a_folder_full_of_folders(run, monkeypatch):
    """Thousands of nested folders are not all looked into to find the newest checkpoint."""
    for n in range(60):
        for m in range(60):
            (folder(run) / f"a{n}" / f"b{m}").mkdir(parents=True)
    seen, names = [], RunDir.names
    monkeypatch.setattr(RunDir, "names", lambda *parts: seen.append(parts) or names(*parts))

    assert None is newest_checkpoint(run)
    assert 60 < len(seen) <= 1000


def _read_bytes() -> int:
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar: ")[1].split()[0])
