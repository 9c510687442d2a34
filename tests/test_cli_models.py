"""The commands about published models, as a program of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from served import ONNX, Host, lab_host

from dllab_hub.backends.calls import Download
from dllab_hub.cli.published import _ENDS
from dllab_hub.specs import Artefact, ModelFormat

_Dllab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab() -> Iterator[Host]:
    """A lab without processes."""
    with lab_host() as host:
        yield host


@pytest.fixture
def dllab(tmp_path: Path, lab: Host) -> _Dllab:
    """Run the command in an empty directory, in a terminal of a lab."""

    def run(*words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            input=said,
            cwd=tmp_path,
            env={**os.environ, "DLLAB_API_URL": lab.url, "DLLAB_API_TOKEN": lab.token},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def net(dllab: _Dllab, tmp_path: Path) -> bytes:
    """What ``net:1`` is made of."""
    data = ONNX + bytes(200_000)
    (tmp_path / "net.onnx").write_bytes(data)
    assert 0 == dllab("publish", "net", "net.onnx").returncode
    return data


@pytest.fixture
def left(lab: Host, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of what any training has left."""
    found = lab.backend.history.record
    left: list[str] = []

    async def record(owner: str, id: str) -> Any:
        artefacts = tuple(Artefact(path=path, size=1, time=1.0) for path in left)
        return (await found(owner, id)).model_copy(update={"artefacts": artefacts})

    monkeypatch.setattr(lab.backend.history, "record", record)
    return left


@pytest.fixture
def job(dllab: _Dllab, lab: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a training whose files lie in ``run``."""
    (tmp_path / "train.py").write_text("pass")
    id = str(json.loads(dllab("submit", "train.py", "--name", "digits", "--json").stdout)["id"])
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "workspace").mkdir()
    (run / "workspace" / "best.onnx").write_bytes(ONNX)
    (run / "checkpoints" / "step-00000020").write_bytes(ONNX)
    lab.backend.save_checkpoint(id, 20)
    found = lab.backend.get

    async def get(owner: str, id: str) -> Any:
        there = await found(owner, id)
        return there.model_copy(update={"workspace": str(run / "workspace")})

    monkeypatch.setattr(lab.backend, "get", get)
    return id


def test_a_file_of_this_machine(dllab: _Dllab, lab: Host, net: bytes, tmp_path: Path) -> None:
    """It becomes the next version, with what was measured and an example; the list shows it."""
    (tmp_path / "row.json").write_text("[[1, 2]]")
    words = ("--metric", "accuracy=0.98", "--metric", "loss=1e-3", "--example", "row.json")
    said = dllab("publish", "net", "net.onnx", *words)
    assert (0, "") == (said.returncode, said.stderr)
    assert "published net:2, onnx, 195.3 KiB; accuracy 0.98, loss 0.001\n" == said.stdout
    made = json.loads(dllab("publish", "net", "net.onnx", "--json").stdout)
    assert (3, {}) == (made["version"], made["metrics"])

    listed = json.loads(dllab("models", "--json").stdout)
    assert [3, 2, 1] == [one["version"] for one in listed]
    assert {"instances": [[1, 2]]} == json.loads(listed[1]["example"])
    lines = dllab("models", "net").stdout.splitlines()
    assert ["MODEL", "FORMAT", "SIZE", "AGE", "FROM", "METRICS"] == lines[0].split()
    assert ["net:2", "onnx", "195.3", "KiB"] == lines[2].split()[:4]
    assert lines[2].endswith(" s  -     accuracy 0.98, loss 0.001")


def test_a_file_of_a_volume(dllab: _Dllab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read where it lies; the version says from where it is."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "net.onnx").write_bytes(ONNX)
    monkeypatch.setenv("DLLAB_VOLUMES", json.dumps({"data": {"path": str(tmp_path / "data")}}))
    said = dllab("publish", "net", "net.onnx", "--volume", "data")
    assert "published net:1, onnx, 10 B, from volume data, net.onnx\n" == said.stdout

    wrong = dllab("publish", "net", "other.onnx", "--volume", "data")
    assert (2, "") == (wrong.returncode, wrong.stdout)
    assert "there is no file here that can be read" in wrong.stderr


def test_a_file_of_a_training(dllab: _Dllab, job: str, left: list[str]) -> None:
    """By its path, by its step, or without either when it is the only one that looks like a model;
    an id may be cut short.
    """
    said = dllab("publish", "net", "best.onnx", "--job", "digits")
    assert f"published net:1, onnx, 10 B, from job {job}, best.onnx\n" == said.stdout
    said = dllab("publish", "net", "--job", job, "--step", "20")
    assert f"net:2, onnx, 10 B, from job {job}, checkpoints/step-00000020, step 20" in said.stdout
    left += ["workspace/best.onnx", "workspace/log.txt"]
    made = json.loads(dllab("publish", "net", "--job", job, "--json").stdout)
    assert {
        "kind": "job",
        "job": job,
        "path": "workspace/best.onnx",
        "volume": "",
        "step": None,
    } == (made["source"])

    for words, message in (
        (("--step", "7"), "has no checkpoint of this step. It has 20."),
        ((), "has left 2 files that may be one. Name one: workspace/best.onnx, workspace/b.pt2."),
    ):
        left += ["workspace/b.pt2"]
        wrong = dllab("publish", "net", "--job", job, *words)
        left.pop()
        assert (2, "") == (wrong.returncode, wrong.stdout)
        assert message in wrong.stderr
    left.clear()
    assert "no file that looks like a model" in dllab("publish", "net", "--job", job).stderr


def test_downloads(dllab: _Dllab, net: bytes, tmp_path: Path) -> None:
    """The newest version, or another, comes back as it was under its own name or the one wished
    for; for devices with a manifest.
    """
    said = dllab("download", "net")
    assert (0, "net:1 is in net-1.onnx\n") == (said.returncode, said.stdout)
    assert net == (tmp_path / "net-1.onnx").read_bytes()
    (tmp_path / "out").mkdir()
    about = json.loads(dllab("download", "net", "1", "-o", "out", "--json").stdout)
    data = (tmp_path / "out" / "net-1.onnx").read_bytes()
    assert about["sha256"] == hashlib.sha256(data).hexdigest()
    assert 0 == dllab("download", "net", "1", "--packed", "-o", "a.zip").returncode
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert ["manifest.json", "model.onnx"] == sorted(packed.namelist())
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_every_format_has_an_end() -> None:
    """A format that is published can be downloaded under a name of its own."""
    assert set(get_args(ModelFormat)) == set(_ENDS)


def test_nothing_is_written_over(dllab: _Dllab, net: bytes, tmp_path: Path) -> None:
    """A file that is there stays, unless ``--force`` says otherwise."""
    (tmp_path / "net-1.onnx").write_text("mine")
    said = dllab("download", "net")
    assert (2, "") == (said.returncode, said.stdout)
    assert "net-1.onnx is there already. Add --force to replace it, or name another: -o" in (
        said.stderr
    )
    assert "mine" == (tmp_path / "net-1.onnx").read_text()
    assert 0 == dllab("download", "net", "--force").returncode
    assert net == (tmp_path / "net-1.onnx").read_bytes()


def test_a_download_that_breaks_off(
    dllab: _Dllab, lab: Host, net: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is left, and what was there before still is."""

    async def half() -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise OSError("the disk went away")

    async def broken(*_: object) -> Download:
        return Download("net-1.onnx", 2000, half())

    monkeypatch.setattr(lab.backend.serving, "_download", broken)
    (tmp_path / "net-1.onnx").write_text("mine")
    before = sorted(tmp_path.iterdir())
    for words in (("--force",), ("-o", "half.onnx")):
        said = dllab("download", "net", *words)
        assert (1, "") == (said.returncode, said.stdout)
        assert "broke off" in said.stderr
    assert (before, "mine") == (sorted(tmp_path.iterdir()), (tmp_path / "net-1.onnx").read_text())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["publish"], 2, "NAME"),
        (["publish", "A b", "x.onnx"], 2, "NAME: a name has"),
        (["publish", "net"], 2, "PATH is missing. Or say --job ID."),
        (["publish", "net", "--volume", "v"], 2, "PATH is missing."),
        (["publish", "net", "x.onnx"], 2, "x.onnx cannot be read: no such file"),
        (["publish", "net", "x", "--step", "1"], 2, "--step: is of a training: say --job ID."),
        (["publish", "net", "x", "--job", "a", "--volume", "b"], 2, "not allowed with"),
        (["publish", "net", "x", "--job", "nothing"], 1, "you have no job nothing"),
        (["publish", "net", "x", "--volume", "nothing"], 2, "volume"),
        (
            ["publish", "net", "x", "--metric", "a=nan"],
            2,
            "--metric: must be such as accuracy=0.98",
        ),
        (["publish", "net", "x", "--metric", "0.5"], 2, "--metric: must be such as accuracy=0.98"),
        (["publish", "net", "x", "--example", "y.json"], 2, "y.json cannot be read: No such file"),
        (["models", "nothing"], 1, "there is no such model"),
        (["download", "nothing"], 1, "there is no such model"),
        (["download", "net", "0"], 2, "VERSION: must be a whole number from 1 up"),
        (["download", "net", "7"], 1, "net has no version 7. It has 1."),
        (["download", "net", "-o", "no/such/file"], 2, "file cannot be written: no such file"),
    ],
)
def test_what_is_wrong_is_one_line(
    dllab: _Dllab, net: bytes, words: list[str], code: int, message: str
) -> None:
    """2 for the command line itself, else 1; nothing is left behind."""
    said = dllab(*words)

    assert (code, "") == (said.returncode, said.stdout)
    assert 1 == len(said.stderr.splitlines())
    assert said.stderr.startswith("dllab: ")
    assert message in said.stderr
