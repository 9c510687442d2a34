"""Saving and restoring the state of a training."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dllab_hub
from dllab_hub.runtime.checkpoint import Checkpointer, latest, load

PACKAGE = str(Path(dllab_hub.__file__).parents[1])


@pytest.fixture(autouse=True)
def _own_sigterm() -> Iterator[None]:
    """A Checkpointer listens to SIGTERM; the test run must not keep that."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Counter:
    """A state of one number, saved the way any framework could."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.value = 0
        self.checkpointer = Checkpointer(
            dir=directory, every=2, save=self.save, load=self.load, **options
        )

    def save(self, path: str) -> None:
        Path(path).write_text(str(self.value))

    def load(self, path: str) -> None:
        self.value = int(Path(path).read_text())

    def run(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            self.value += 10
            self.checkpointer.step(step, epoch=step // 4)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_every_so_many_steps_and_the_newest_three(tmp_path: Path) -> None:
    """A save is made every N steps; three are kept; the newest is restored with its extras."""
    Counter(tmp_path).run(1, 9)
    again = Counter(tmp_path)

    assert ["step-00000004", "step-00000006", "step-00000008"] == names(tmp_path)
    assert (8, 80, {"epoch": 2}) == (
        again.checkpointer.restore(),
        again.value,
        again.checkpointer.extra,
    )


def test_nothing_to_restore(tmp_path: Path) -> None:
    """Without a checkpoint training starts at step 0."""
    assert 0 == Counter(tmp_path / "new").checkpointer.restore()


def test_a_damaged_checkpoint_falls_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one before is used, and it is said which one was damaged; it is out of the way then."""
    Counter(tmp_path).run(1, 6)
    (tmp_path / "step-00000006" / "state").write_text("99")
    again = Counter(tmp_path)

    assert (4, 40) == (again.checkpointer.restore(), again.value)
    said = capsys.readouterr().err
    assert "damaged checkpoint step-00000006: state is not what was written" in said
    assert latest(tmp_path) == tmp_path / "step-00000004"
    again.run(5, 6)
    assert latest(tmp_path) == tmp_path / "step-00000006"


def test_only_rank_0_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ranks restore and never save, whatever happens."""
    Counter(tmp_path).run(1, 2)
    monkeypatch.setenv("RANK", "1")
    other = Counter(tmp_path)
    assert (2, 20) == (other.checkpointer.restore(), other.value)
    other.run(3, 4)
    assert other.checkpointer.save(5) is None
    os.kill(os.getpid(), signal.SIGTERM)
    other.run(5, 6)

    assert ["step-00000002"] == names(tmp_path)


def test_sigterm_saves_and_exits(tmp_path: Path) -> None:
    """After SIGTERM the next step is saved, whatever its number, and the program ends with 143."""
    counter = Counter(tmp_path)
    counter.run(1, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        counter.run(3, 3)

    assert 143 == caught.value.code
    assert ["step-00000002", "step-00000003"] == names(tmp_path)


def test_a_forked_child_still_ends_by_sigterm(tmp_path: Path) -> None:
    """Data loaders that are forked from the training can be ended, even in their first moment."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        from dllab_hub.runtime.checkpoint import Checkpointer
        for _ in range(2):  # Two of them in one program agree.
            Checkpointer(dir=sys.argv[1], save=print, load=print)
        for _ in range(200):
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                signal.pause()
                os._exit(0)
            os.kill(pid, signal.SIGTERM)
            assert os.waitpid(pid, 0)[1] == signal.SIGTERM
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        capture_output=True,
        text=True,
    )

    assert ("set()\n", "") == (done.stdout, done.stderr)


def test_where_and_how_often_come_from_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments the job's own directory and interval count."""
    monkeypatch.setenv("DLLAB_CHECKPOINT_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("DLLAB_CHECKPOINT_EVERY", "3")
    state = Checkpointer(save=lambda path: Path(path).touch(), load=lambda path: None)
    for step in range(1, 8):
        state.step(step)

    assert ["step-00000003", "step-00000006"] == names(tmp_path / "here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to save"),
        ({"save": print}, "give both"),
        ({"epoch": 3}, r"epoch has no state_dict\(\)"),
    ],
)
def test_what_cannot_be_saved_is_said_at_once(arguments: dict[str, Any], message: str) -> None:
    """A mistake is an error when training starts, not when the first save is due."""
    with pytest.raises(TypeError, match=message):
        Checkpointer(**arguments)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """It is said when training starts, with the directory and the way out; other ranks go on."""
    (tmp_path / "file").touch()
    with pytest.raises(
        OSError, match=r"no checkpoint can be written \(File exists\); make"
    ) as caught:
        Counter(tmp_path / "file")
    assert str(tmp_path / "file") == caught.value.filename
    with pytest.raises(NotADirectoryError, match="choose another one with dir="):
        Counter(tmp_path / "file" / "below")


def test_a_read_only_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 says so before the first step; a rank that only reads still restores."""
    Counter(tmp_path / "here").run(1, 2)
    mount = ["mount", "--bind", "-o", "ro", str(tmp_path), str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting something read-only needs root")
    try:
        with pytest.raises(
            OSError, match=r"no checkpoint can be written \(Read-only file system\)"
        ):
            Counter(tmp_path / "here")
        monkeypatch.setenv("RANK", "1")

        assert 2 == Counter(tmp_path / "here").checkpointer.restore()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_does_not_end_training(tmp_path: Path) -> None:
    """Old checkpoints make room; else the save is given up aloud and the one before is kept."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    script = textwrap.dedent(
        """
        import sys
        from dllab_hub.runtime.checkpoint import Checkpointer
        size = 60_000
        state = Checkpointer(
            dir=sys.argv[1], every=1, keep=5, load=print,
            save=lambda path: open(path, "wb").write(bytes(size)) and None,
        )
        for step in range(1, 9):
            state.step(step)
        size = 300_000
        state.step(9)
        try:
            state.save(10)
        except OSError as exc:
            print(exc.errno, exc.filename)
        """
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(small / "here")],
            env={**os.environ, "PYTHONPATH": PACKAGE},
            capture_output=True,
            text=True,
        )

        assert f"28 {small / 'here'}\n" == done.stdout
        assert "step 9 was NOT saved" in done.stderr
        assert "Traceback" not in done.stderr
        assert ["step-00000008"] == names(small / "here")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_torch(tmp_path: Path) -> None:
    """Modules, optimizers and schedulers come back, also from a wrapped and a compiled module."""
    python = os.environ.get("DLLAB_TEST_PYTHON")
    if not python:
        pytest.fail("DLLAB_TEST_PYTHON must name a Python that has torch; `make test` sets it.")
    script = textwrap.dedent(
        """
        import os, sys, torch
        from dllab_hub.runtime.checkpoint import Checkpointer, DamagedCheckpoint, latest, load
        def make():
            model = torch.nn.Linear(4, 4)
            optimizer = torch.optim.AdamW(model.parameters())
            return model, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 100)
        model, optimizer, scheduler = make()
        for _ in range(3):
            model(torch.ones(4)).sum().backward()
            optimizer.step()
            scheduler.step()
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0,
                                             world_size=1)
        wrapped = torch.compile(torch.nn.parallel.DistributedDataParallel(model))
        state = Checkpointer(
            model=wrapped, optimizer=optimizer, scheduler=scheduler, dir=sys.argv[1]
        )
        state.save(3)
        model2, optimizer2, scheduler2 = make()
        again = Checkpointer(
            model=model2, optimizer=optimizer2, scheduler=scheduler2, dir=sys.argv[1]
        )
        assert again.restore() == 3
        assert torch.equal(model.weight, model2.weight)
        assert optimizer2.state_dict()["state"][0]["step"] == 3
        assert scheduler2.get_last_lr() == scheduler.get_last_lr()
        path = latest(sys.argv[1])
        assert set(load(path)["model"]) == {"weight", "bias"}
        data = bytearray((path / "state.pt").read_bytes())
        data[len(data) // 2] ^= 1
        (path / "state.pt").write_bytes(data)
        try:
            load(path)
        except DamagedCheckpoint as exc:
            print(exc)
        torch.distributed.fsdp.fully_shard(model2)
        try:
            Checkpointer(model=model2)
        except TypeError as exc:
            print(exc)
        torch.distributed.destroy_process_group()
        """
    )
    done = subprocess.run(
        [python, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": PACKAGE, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stderr
    damaged, sharded = done.stdout.splitlines()
    assert "step-00000003: state.pt is not what was written" == damaged
    assert "model is sharded over the ranks" in sharded


def test_a_checkpoint_of_another_kind_is_said(tmp_path: Path) -> None:
    """load() is for PyTorch's state and says so when there is none."""
    Counter(tmp_path).run(1, 2)

    with pytest.raises(ValueError, match=r"holds no state\.pt"):
        load(tmp_path / "step-00000002")
