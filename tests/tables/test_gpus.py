"""GPUs and the machine as plain text."""

from __future__ import annotations

import pytest
from gpu_values import BLIND, BUSY, DIVIDED, JOB, LAB, LOST, SLICE, report_of

from dllab_hub.specs import Disk, Gpu, GpuCondition, GpuReport, GpuState, GpuTotals, Holder, Host
from dllab_hub.specs.capacity import NOBODY
from dllab_hub.tables import gpu_holder, gpu_wrong, gpus_text, held_by, host_text, others_text

ALL = (BUSY, BLIND, DIVIDED, SLICE, LOST)


def test_a_line_for_each_gpu() -> None:
    """Load, memory, temperature and power with their limits, holder; a dash for what is unknown."""
    lines = gpus_text(report_of(BUSY, BLIND)).splitlines()

    assert lines[0].split() == ["GPU", "NAME", "LOAD", "MEMORY", "TEMP", "POWER", "HELD", "BY"]
    assert lines[1] == (
        "0    H100 <80GB>  42%   10.0 of 80.0 GiB  91/90 C  350/700 W  lab mine, which lends it"
    )
    assert lines[-1].split() == [
        *("1", "H100", "-", "-", "-", "-"),
        *("job", "of", "another", "person"),
    ]
    assert "0%" not in lines[-1]


def test_what_is_wrong_and_what_runs_is_below() -> None:
    """Why it is slow and whose processes are on it: one's own by name, others as a number."""
    assert gpus_text(report_of(BUSY)).splitlines()[2:] == [
        "     ! slowed down by heat",
        "     ! held back by its power limit",
        "     python3.11 (4711), 3.0 GiB, job digits worker-0",
        "     a process, 1.0 GiB, unknown here",
        "     1 process of other people, 1.0 GiB",
    ]


def test_slices_and_gpus_that_nobody_can_have() -> None:
    """A slice has the number of its GPU and its profile; who has a broken GPU is not 'free'."""
    lines = gpus_text(report_of(DIVIDED, SLICE, LOST)).splitlines()

    assert lines[1].endswith("divided into slices")
    assert lines[2].startswith("2:1  slice 1g.10gb")
    assert lines[3].endswith("out of service")


@pytest.mark.parametrize("condition", [GpuCondition.FAILED, GpuCondition.NOT_PERMITTED])
def test_what_cannot_be_read_is_not_free(condition: GpuCondition) -> None:
    """Nobody can have a GPU with an error; who has one that is held is told all the same."""
    sick = Gpu(index=0, uuid="GPU-0", name="X", condition=condition, error="It cannot be read.")

    assert gpu_holder(sick) == "out of service"
    assert gpu_holder(sick.model_copy(update={"holder": JOB})) == "job digits"


@pytest.mark.parametrize("node", ["", "gpu-node-with-a-long-name-17"])
def test_fits_a_terminal(node: str) -> None:
    """No line is wider than 100 characters, however long names and sentences are."""
    gpus = tuple(gpu.model_copy(update={"node": node}) for gpu in ALL)
    lines = gpus_text(report_of(*gpus), "root").splitlines()

    assert max(map(len, lines)) <= 100
    assert ("NODE" in lines[0]) == bool(node)


def test_an_administrator_reads_whose_it_is() -> None:
    """Names of other people's things come with their owner; one's own do not."""
    assert held_by(JOB, "root") == "job digits of ada"
    assert held_by(JOB, "ada") == held_by(JOB) == "job digits"
    assert held_by(LAB.model_copy(update={"lent_to": JOB})) == "lab mine, lent to job digits"
    served = Holder(kind="deployment", owner="ada", name="net")
    assert held_by(LAB.model_copy(update={"lent_to": served})) == "lab mine, lent to deployment net"
    assert held_by(Holder(kind="deployment")) == "deployment of another person"


def test_an_order_to_the_terminal_in_a_name_is_none() -> None:
    """What a driver calls a GPU or a program itself cannot move the cursor."""
    assert "\x1b" not in gpus_text(report_of(BUSY.model_copy(update={"name": "\x1b[2JX"})))


def test_without_gpus() -> None:
    """Why there is none, in lines that fit."""
    long = GpuReport(state=GpuState.FAILED, message="a word " * 40, time=1.0)

    assert gpus_text(report_of()) == "no GPU"
    assert max(map(len, gpus_text(long).splitlines())) <= 100


def test_what_has_to_be_done_comes_first() -> None:
    """Errors before what is merely slow; nothing of what is well or unknown."""
    sick = Gpu(
        index=0, uuid="GPU-0", name="X", recovery=2, ecc_uncorrected=3, remap_failed=True,
        throttle=("power_brake",),
    )  # fmt: skip

    assert gpu_wrong(sick) == [
        "the machine has to be restarted",
        "a broken row of its memory could not be replaced",
        "memory errors that could not be corrected: 3",
        "slowed down by the machine's power supply",
    ]
    assert gpu_wrong(BLIND) == []
    together = sick.model_copy(update={"recovery": 3})
    assert gpu_wrong(together)[0] == "what uses it together with other GPUs should end"
    assert gpu_wrong(sick.model_copy(update={"recovery": 7}))[0] == "NVIDIA recommends action 7"


def test_the_machine() -> None:
    """CPU, memory and disks as far as they are known."""
    disk = Disk(name="home", used=2**30, total=900 * 2**30)
    host = Host(time=1.0, cpu=3.21, cpus=16.0, memory=2**30, memory_limit=5 * 2**30, disks=(disk,))

    assert host_text(host) == ("CPU 3.2 of 16   memory 1.0 of 5.0 GiB   disk home 1.0 of 900.0 GiB")
    assert host_text(Host(time=1.0, cpus=0.5)) == "CPU ? of 0.5"
    assert host_text(Host(time=1.0)) == ""


FAR = Gpu(index=0, uuid="GPU-0", name="NVIDIA H100", node="n1", utilization=0.5, holder=JOB)


@pytest.mark.parametrize(
    ("totals", "said"),
    [
        (GpuTotals(), ""),
        (GpuTotals(free=2), "2 free"),
        (GpuTotals(held=1, out=1), "others: 1 GPU; 0 free; 1 out of service"),
        (
            GpuTotals(held=3, busy=0, memory_total=2**30),
            "others: 3 GPUs, 0 busy, ? of 1.0 GiB; 0 free",
        ),
    ],
)
def test_the_others_of_a_cluster(totals: GpuTotals, said: str) -> None:
    """They are one line, of what is known; who has none reads that first."""
    report = report_of(FAR).model_copy(update={"others": totals})
    none = report.model_copy(update={"gpus": ()})

    assert said == others_text(totals)
    assert gpus_text(report).endswith(said or "job digits")
    assert ["no GPU of yours", *([said] if said else [])] == gpus_text(none).splitlines()


def test_machines_of_a_cluster_have_names() -> None:
    """Where there are several, each GPU says where it is."""
    head, line = gpus_text(report_of(FAR)).splitlines()

    assert ["GPU", "NODE"] == head.split()[:2]
    assert ["0", "n1", "H100", "50%"] == line.split()[:4]


def test_what_is_none_of_ours() -> None:
    """An administrator reads which pod has a GPU, and where that is not known, so much."""
    foreign = Holder(kind="job", owner=NOBODY, name="team/render-0")

    assert "pod team/render-0, of no lab" == held_by(foreign, "root")
    assert "not known" == held_by(Holder(kind="job", owner=NOBODY), "root")
    assert "job of another person" == held_by(foreign.seen_by("ada"), "ada")
