"""Whose the processes are that use a GPU: real processes, listed by a driver that is a stub."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.metrics.processes import Processes
from dllab_hub.specs import Gpu, GpuProcess, GpuReport, GpuState, Holder
from dllab_hub.testing.nvml import FakeNvml

UUIDS = tuple(f"GPU-00000000-0000-0000-0000-00000000000{i}" for i in range(2))
JOB = Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")
LAB = Holder(kind="lab", owner="grace", name="default", id="grace-1", lent_to=JOB)
HELD = {UUIDS[0]: JOB}
AS_JOB = {"DLLAB_LEASE": JOB.id, "DLLAB_ROLE": "worker", "DLLAB_REPLICA": "1"}
#: Says when it is there, with its own environment; ends with whoever has started it.
HERE = ("/bin/sh", "-c", "echo here; read line")
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process with this environment and nothing else."""
    started: list[subprocess.Popen[bytes]] = []

    def start(env: Mapping[str, str], **more: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            HERE, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _report(*pids: int, uuid: str = UUIDS[0]) -> GpuReport:
    processes = tuple(GpuProcess(pid=pid, memory=5) for pid in pids)
    gpu = Gpu(index=0, uuid=uuid, name="H100", processes=processes)
    return GpuReport(state=GpuState.OK, time=1.0, gpus=(gpu,))


def _found(
    pid: int, holders: Mapping[str, Holder] = HELD, *, processes: Processes | None = None
) -> GpuProcess:
    processes = processes or Processes(machine=True)
    (found,) = processes.with_owners(_report(pid), holders).gpus[0].processes or ()
    return found


def test_a_replica_is_known_by_its_mark(nvml: Nvml, fake: FakeNvml, start: Start) -> None:
    """From the driver's list to the job and the replica, with the name of the program."""
    worker = start(AS_JOB)
    fake.set(gpu=0, processes=f"{worker.pid}:1000")

    report = Processes(machine=True).with_owners(nvml.read(), HELD)

    assert report.gpus[0].processes == (
        GpuProcess(
            pid=worker.pid,
            memory=1000,
            name="sh",
            holder=JOB,
            replica="worker-1",
        ),
    )
    assert report.gpus[1].processes == ()


def test_a_lab_is_known_by_its_mark(start: Start) -> None:
    """The mark of a lab also says where its hub is; what it has lent is nothing of the process."""
    kernel = start({"DLLAB_LEASE": f"{LAB.id}@0123456789ab"})

    found = _found(kernel.pid, {UUIDS[0]: LAB})

    assert (LAB.model_copy(update={"lent_to": None}), "") == (found.holder, found.replica)


def test_a_deployments_replica_is_known_by_its_mark(start: Start) -> None:
    """The mark begins with the id of the deployment, which holds the GPU, and names the replica."""
    served = Holder(kind="deployment", owner="ada", name="digits", id="0123456789abcdef")
    replica = start({"DLLAB_LEASE": f"{served.id}-replica-2"})
    found = _found(replica.pid, {UUIDS[0]: served})

    assert (served, "replica-2") == (found.holder, found.replica)
    balancer = start({"DLLAB_LEASE": f"{served.id}-balancer"})
    assert _found(balancer.pid, {UUIDS[0]: served}).holder is None


def test_a_job_on_a_lent_gpu(start: Start) -> None:
    """It is the borrower's, not the lab's that has lent it."""
    assert _found(start(AS_JOB).pid, {UUIDS[0]: LAB}).holder == JOB


def test_a_process_that_says_nothing_is_its_parents(start: Start) -> None:
    """A program that has cleared its environment still was started by somebody."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], env={})\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=AS_JOB, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        found = _found(child)
    finally:
        parent.communicate()

    assert (JOB, "worker-1") == (found.holder, found.replica)


def test_a_process_of_nobody_here(start: Start) -> None:
    """It is shown with its id and program, and without a holder."""
    found = _found(start({}).pid)

    assert (None, "") == (found.holder, found.replica)
    assert found.name == "sh"


def test_a_mark_of_somebody_who_holds_nothing(start: Start) -> None:
    """A job that has ended, or never was, is the holder of nothing."""
    assert _found(start({"DLLAB_LEASE": "other-bcdfghj"}).pid).holder is None
    assert _found(start(AS_JOB).pid, {}).holder is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts processes of other accounts")
@pytest.mark.parametrize(("owner", "is_hers"), [("ada", False), ("nobody", True)])
def test_a_mark_that_is_a_lie(start: Start, owner: str, is_hers: bool) -> None:
    """Another account's process is a person's only if it is that person's account."""
    process = start(AS_JOB, user="nobody")
    holder = JOB.model_copy(update={"owner": owner})

    assert _found(process.pid, {UUIDS[0]: holder}).holder == (holder if is_hers else None)


def test_a_process_of_another_namespace() -> None:
    """An id that is nobody's here is not shown; what it uses is."""
    assert _found(2**22 + 1) == GpuProcess(memory=5)


def test_ids_of_the_machine_in_a_container(start: Start, tmp_path: Path) -> None:
    """A process that happens to have the id here counts only if it has a GPU open."""
    (tmp_path / "nvidia0").touch()
    process = start(AS_JOB)
    proc = tmp_path / "proc"
    for name in ("environ", "status", "cgroup", "stat"):
        (proc / str(process.pid)).mkdir(parents=True, exist_ok=True)
        text = Path(f"/proc/{process.pid}/{name}").read_bytes()
        (proc / str(process.pid) / name).write_bytes(text)
    fds = proc / str(process.pid) / "fd"
    fds.mkdir()
    (fds / "0").symlink_to("/dev/null")
    inside = Processes(proc, machine=False)
    assert _found(process.pid, processes=inside) == GpuProcess(memory=5)
    (fds / "7").symlink_to("/dev/nvidiactl")

    assert _found(process.pid, processes=Processes(proc, machine=False)).holder == JOB


def test_it_knows_whether_it_is_in_a_container(start: Start) -> None:
    """As the kernel says of the namespace."""
    machine = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"

    found = _found(start(AS_JOB).pid, processes=Processes())

    assert (found.holder == JOB) is machine


@pytest.mark.parametrize(
    "group",
    [
        "0::/kubepods/burstable/pod5f1c1a52-7d2c-4b6a-9b0e-3f6a2f1d9c10/3c0ffee",
        "4:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
        "pod5f1c1a52_7d2c_4b6a_9b0e_3f6a2f1d9c10.slice/cri-containerd-3c0ffee.scope",
    ],
)
def test_a_pod_is_known_by_its_control_group(tmp_path: Path, group: str) -> None:
    """Whatever the process says of itself, the kernel knows its pod."""
    pod = Holder(kind="job", owner="ada", name="digits", id="5f1c1a52-7d2c-4b6a-9b0e-3f6a2f1d9c10")
    process = tmp_path / "42"
    process.mkdir()
    (process / "stat").write_text("42 (tritonserver) S 0 " + "0 " * 17 + "777 0 0")
    (process / "cgroup").write_text(group + "\n")
    (process / "environ").write_bytes(b"DLLAB_LEASE=somebody-else\0")

    found = _found(42, {UUIDS[0]: pod}, processes=Processes(tmp_path, machine=True))

    assert (pod, "tritonserver") == (found.holder, found.name)


def test_an_id_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """What was read of one process is never said of the next with its id."""
    process = tmp_path / "42"
    process.mkdir()

    def is_now(ticks: int, name: str, mark: str) -> None:
        (process / "stat").write_text(f"42 ({name}) S 0 " + "0 " * 17 + f"{ticks} 0 0")
        (process / "environ").write_bytes(f"DLLAB_LEASE={mark}\0".encode())
        (process / "status").write_text(f"Uid:\t{os.getuid()}\t0\t0\t0\n")

    processes = Processes(tmp_path, machine=True)
    is_now(100, "python (x)", JOB.id)
    assert (JOB, "python (x)") == (
        (found := _found(42, processes=processes)).holder,
        found.name,
    )
    is_now(200, "python (x)", "somebody-else")
    assert _found(42, processes=processes).holder is None
    is_now(200, "bash", JOB.id)

    assert _found(42, processes=processes).holder == JOB


def test_a_process_that_has_ended(start: Start) -> None:
    """It is nobody's, also while its parent has not fetched it yet."""
    process = start(AS_JOB)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert _found(process.pid) == GpuProcess(memory=5)


def test_looking_again_is_cheap(start: Start) -> None:
    """What was read once of a process is not read again: 32 of them take milliseconds."""
    workers = [start(AS_JOB) for _ in range(4)]
    report = _report(*[worker.pid for worker in workers])
    processes = Processes(machine=True)
    first = processes.with_owners(report, HELD)
    began = time.perf_counter()
    for _ in range(50):
        again = processes.with_owners(report, HELD)
    took = (time.perf_counter() - began) / 50

    assert first == again
    assert took < 0.01


def test_what_uses_no_gpu_is_not_looked_at(tmp_path: Path) -> None:
    """Without processes the report is the same one."""
    report = _report()

    assert Processes(tmp_path).with_owners(report, HELD) is report
