"""Who holds which GPU."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dllab_hub import leases as module
from dllab_hub.errors import NoCapacity, StorageFull, Unavailable
from dllab_hub.leases import LeaseDir

GPUS = [f"GPU-{n}" for n in range(4)]
ADA = {"kind": "job", "owner": "ada", "name": "digits", "id": "digits-1"}


@pytest.fixture
def leases(tmp_path: Path) -> LeaseDir:
    return LeaseDir(tmp_path / "leases")


def test_the_first_free_ones_are_taken(leases: LeaseDir) -> None:
    """GPUs are taken in the machine's order, and shown with their holder."""
    with leases.take(GPUS, 2, ADA) as one, leases.take(GPUS, 1, {"kind": "lab"}) as two:
        held = leases.held(GPUS)

    assert (("GPU-0", "GPU-1"), ("GPU-2",)) == (one.uuids, two.uuids)
    assert {"GPU-0": ADA, "GPU-1": ADA, "GPU-2": {"kind": "lab"}, "GPU-3": None} == held
    assert [None] * 4 == list(leases.held(GPUS).values())


@pytest.mark.parametrize(
    ("taken", "wanted", "message"),
    [
        (3, 2, "2 GPUs are needed and only 1 of 4 is free."),
        (4, 1, "1 GPU is needed and none of 4 is free."),
        (2, 3, "3 GPUs are needed and only 2 of 4 are free."),
        (0, 5, "5 GPUs are needed and this machine has 4."),
    ],
)
def test_too_few_is_none(leases: LeaseDir, taken: int, wanted: int, message: str) -> None:
    """When fewer are free than needed none is taken, and the message says how many are."""
    with leases.take(GPUS, taken, ADA):
        with pytest.raises(NoCapacity, match=message):
            leases.take(GPUS, wanted, ADA)

        assert taken == sum(holder is not None for holder in leases.held(GPUS).values())


def test_nothing_needs_nothing(leases: LeaseDir) -> None:
    """A job without GPUs has an empty lease, also on a machine without any."""
    with leases.take([], 0, ADA) as lease:
        assert ((), ()) == (lease.uuids, lease.fds)


def test_files_are_private(leases: LeaseDir, tmp_path: Path) -> None:
    """Nobody else may open the lock files, and no child inherits them unasked."""
    with leases.take(GPUS, 1, ADA) as lease:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}

        assert {"leases": 0o700, ".mutex": 0o600, "GPU-0.lock": 0o600} == modes
        assert not any(os.get_inheritable(fd) for fd in lease.fds)


def test_a_lease_that_was_handed_over_lives_with_its_new_holder(leases: LeaseDir) -> None:
    """The taker lets go without unlocking; kill -9 of the holder ends the lease."""
    with leases.take(GPUS, 1, ADA) as lease:
        holder = subprocess.Popen(["sleep", "60"], pass_fds=lease.fds)
    try:
        assert leases.held(GPUS)["GPU-0"] == ADA
    finally:
        holder.kill()
        holder.wait()

    assert leases.held(GPUS)["GPU-0"] is None


def test_an_unreadable_holder_is_still_a_holder(leases: LeaseDir, tmp_path: Path) -> None:
    """The lock says that a GPU is held; the text only says by whom."""
    with leases.take(GPUS, 1, ADA):
        (tmp_path / "leases" / "GPU-0.lock").write_bytes(b"\xff{")

        assert leases.held(GPUS)["GPU-0"] == {}


LAB = {"kind": "lab", "owner": "ada", "name": "lab", "id": "lab-1", "lend": True}


def test_a_lab_lends(leases: LeaseDir) -> None:
    """What is free goes first; then a job of the same owner gets what their lab lends, once."""
    with leases.take(GPUS, 3, LAB), leases.take(GPUS, 2, ADA, borrow=True) as lease:
        held = leases.held(GPUS)
        with pytest.raises(NoCapacity):
            leases.take(GPUS, 3, ADA, borrow=True)

        assert (("GPU-0", "GPU-3"), ("GPU-0",)) == (lease.uuids, lease.loans)
        assert [{**LAB, "lent_to": ADA}, LAB, LAB, ADA] == list(held.values())
        assert not any(os.get_inheritable(fd) for fd in lease.fds)
    assert [None] * 4 == list(leases.held(GPUS).values())


def test_a_loan_outlives_its_lab(leases: LeaseDir) -> None:
    """A GPU whose lab has ended is free when its borrower has ended too."""
    lab = leases.take(GPUS[:1], 1, LAB)
    with leases.take(GPUS[:1], 1, ADA, borrow=True):
        lab.release()
        with pytest.raises(NoCapacity, match="none of 1 is free"):
            leases.take(GPUS[:1], 1, {**ADA, "id": "other"}, borrow=True)

        assert {"GPU-0": ADA} == leases.held(GPUS[:1])
    with leases.take(GPUS[:1], 1, LAB) as again:
        assert ("GPU-0",) == again.uuids


@pytest.mark.parametrize(
    ("lab", "borrower"),
    [
        (LAB, {**ADA, "owner": "grace"}),
        ({**LAB, "lend": False}, ADA),
        ({**LAB, "lend": "yes"}, ADA),
        ({**LAB, "kind": "job"}, ADA),
        ({"kind": "lab", "lend": True}, {"kind": "job"}),
        ({"kind": "lab", "owner": "", "lend": True}, {"kind": "job", "owner": ""}),
    ],
)
def test_what_nobody_borrows(leases: LeaseDir, lab: dict, borrower: dict) -> None:
    """Only a lab lends, only when it says so, and only to its own owner's."""
    with leases.take(GPUS, 4, lab), pytest.raises(NoCapacity):
        leases.take(GPUS, 1, borrower, borrow=True)


def test_lending_begins_and_ends(leases: LeaseDir, tmp_path: Path) -> None:
    """Its owner switches it while the lab runs; of another's lab, or one that is gone, nothing."""
    with leases.take(GPUS, 2, {**LAB, "lend": False}), leases.take(GPUS, 1, ADA):
        assert (2, 0, 0) == (
            leases.lend("ada", "lab-1", True),
            leases.lend("grace", "lab-1", True),
            leases.lend("ada", "digits-1", True),
        )
        assert [LAB, LAB, ADA, None] == list(leases.held(GPUS).values())
        with leases.take(GPUS[:2], 1, {**ADA, "id": "two"}, borrow=True) as loan:
            assert 2 == leases.lend("ada", "lab-1", False)
            assert loan.loans == ("GPU-0",)
            with pytest.raises(NoCapacity):
                leases.take(GPUS[:2], 1, {**ADA, "id": "three"}, borrow=True)
    assert 0 == leases.lend("ada", "lab-1", True)


def test_a_limit_for_one_person(leases: LeaseDir) -> None:
    """The labs of one person hold so many together, of whatever GPUs; jobs do not count."""
    with (
        leases.take(GPUS[:2], 1, LAB, most=2),
        leases.take(GPUS, 1, ADA),
        leases.take(GPUS, 1, {**LAB, "owner": "grace"}, most=2),
    ):
        with pytest.raises(NoCapacity, match="your labs may hold 1 GPU at most, and they hold 1"):
            leases.take(GPUS[3:], 1, LAB, most=1)
        with pytest.raises(NoCapacity, match="your labs may hold 2 GPUs at most, and they hold 1"):
            leases.take(GPUS, 2, LAB, most=2)
        with leases.take(GPUS[3:], 1, LAB, most=2) as second:
            assert ("GPU-3",) == second.uuids
    with pytest.raises(NoCapacity, match="may hold 0 GPUs at most") as caught:
        leases.take(GPUS, 1, LAB, most=0)
    assert "gpus" == caught.value.field


def test_names_of_loans_are_no_gpus(leases: LeaseDir) -> None:
    """What would be the lock of a loan is never taken for a GPU."""
    with leases.take(GPUS, 1, LAB), leases.take(GPUS[:1], 1, ADA, borrow=True):
        assert 1 == leases.lend("ada", "lab-1", False)
    for name in ("GPU-0.loan", "../x", ".x", ""):
        with pytest.raises(ValueError, match="not a GPU"):
            leases.take([name], 1, ADA)


def test_nobody_waits_for_a_stopped_taker(
    leases: LeaseDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped inside a take makes others say so, not hang."""
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    (tmp_path / "leases").mkdir()
    script = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2);"
        "print('ok', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "leases" / ".mutex")],
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    try:
        other.stdout.readline()
        os.kill(other.pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="does not move"):
            leases.held(GPUS)
    finally:
        other.kill()
        other.communicate()


def test_twenty_takers_never_share_a_gpu(tmp_path: Path) -> None:
    """Under 20 processes that take and give back, each GPU has one holder at a time."""
    script = textwrap.dedent(
        """
        import os, pathlib, random, sys, time
        from dllab_hub.errors import NoCapacity
        from dllab_hub.leases import LeaseDir
        root = pathlib.Path(sys.argv[1])
        gpus = [f"GPU-{n}" for n in range(4)]
        leases, taken, until = LeaseDir(root / "leases"), 0, time.monotonic() + 1.5
        while time.monotonic() < until:
            try:
                lease = leases.take(gpus, random.choice([1, 1, 2]), {"kind": "job"})
            except NoCapacity:
                time.sleep(0.002)
                continue
            for uuid in lease.uuids:  # Fails when somebody else has it.
                os.close(os.open(root / uuid, os.O_CREAT | os.O_EXCL))
            time.sleep(0.001)
            for uuid in lease.uuids:
                os.unlink(root / uuid)
            lease.release()
            taken += 1
        print(taken)
        """
    )
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[1])},
        )
        for _ in range(20)
    ]
    said = [taker.communicate(timeout=60) for taker in takers]

    assert [""] * 20 == [error for _, error in said]
    assert sum(int(taken) for taken, _ in said) > 20
    assert [None] * 4 == list(LeaseDir(tmp_path / "leases").held(GPUS).values())


@pytest.mark.long
def test_fifty_rounds_of_twenty(tmp_path: Path) -> None:
    """Of 20 who ask at once for one of 4 GPUs exactly 4 get one, 50 times; of 20 who would borrow
    two of them exactly 2 do."""
    script = textwrap.dedent(
        """
        import json, pathlib, sys
        from dllab_hub.errors import NoCapacity
        from dllab_hub.leases import LeaseDir
        leases = LeaseDir(pathlib.Path(sys.argv[1]))
        for line in sys.stdin:
            ask = json.loads(line)
            try:
                lease = leases.take(ask["gpus"], 1, ask["holder"], borrow=ask["borrow"])
            except NoCapacity:
                lease = None
            print(json.dumps(lease and lease.uuids), flush=True)
            sys.stdin.readline()
            if lease:
                lease.release()
            print("done", flush=True)
        """
    )
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[1])},
        )
        for _ in range(20)
    ]

    def round_of(**ask: object) -> list[str]:
        for taker in takers:
            taker.stdin.write(json.dumps(ask) + "\n")
            taker.stdin.flush()
        took = [json.loads(taker.stdout.readline()) for taker in takers]
        for taker in takers:
            taker.stdin.write("\n")
            taker.stdin.flush()
        assert ["done\n"] * 20 == [taker.stdout.readline() for taker in takers]
        return sorted(uuid for uuids in took if uuids for uuid in uuids)

    leases = LeaseDir(tmp_path)
    try:
        for _ in range(50):
            assert GPUS == round_of(gpus=GPUS, holder=ADA, borrow=False)
            with leases.take(GPUS, 4, LAB):
                assert GPUS[:2] == round_of(gpus=GPUS[:2], holder=ADA, borrow=True)
            with leases.take(GPUS[:2], 2, LAB):  # Two are lent and two are free.
                assert GPUS == round_of(gpus=GPUS, holder=ADA, borrow=True)
    finally:
        for taker in takers:
            taker.communicate(timeout=10)
    assert [None] * 4 == list(leases.held(GPUS).values())


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """Without room for the holder's name nothing is taken."""
    root = tmp_path / "small"
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(root)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        leases = LeaseDir(root)
        leases.held(GPUS)
        (root / "filler").write_bytes(bytes(4096))
        with pytest.raises(StorageFull):
            leases.take(GPUS, 1, ADA)
        (root / "filler").unlink()

        assert leases.held(GPUS)["GPU-0"] is None
    finally:
        subprocess.run(["umount", str(root)], check=True)


def test_what_is_withdrawn_is_taken_by_nobody(leases: LeaseDir) -> None:
    """Any process passes it over, until it is given back; who holds it keeps it."""
    with leases.take(GPUS, 1, ADA):
        leases.withdraw("GPU-0", "It is lost.")
        leases.withdraw("GPU-1", "It is hot.")
        other = LeaseDir(leases.path)
        with other.take(GPUS, 2, ADA) as two:
            assert ("GPU-2", "GPU-3") == two.uuids
            with pytest.raises(NoCapacity, match="none of 4 is free; 2 GPUs are out of use") as no:
                other.take(GPUS, 1, ADA)
    assert "out of use" in str(no.value)
    assert {"GPU-0": "It is lost.", "GPU-1": "It is hot."} == other.withdrawn()

    other.give_back("GPU-0")
    other.give_back("GPU-0")
    with leases.take(GPUS, 1, ADA) as one:
        assert ("GPU-0",) == one.uuids


def test_what_is_withdrawn_is_not_borrowed(leases: LeaseDir) -> None:
    """A lab's GPU that is withdrawn is lent to no job."""
    lab = {"kind": "lab", "owner": "ada", "id": "lab-1", "lend": True}
    with leases.take(["GPU-0"], 1, lab):
        leases.withdraw("GPU-0", "It is lost.")
        with pytest.raises(NoCapacity):
            leases.take(["GPU-0"], 1, ADA, borrow=True)
        leases.give_back("GPU-0")
        with leases.take(["GPU-0"], 1, ADA, borrow=True) as loan:
            assert ("GPU-0",) == loan.loans
