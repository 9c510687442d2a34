"""What the machine or the container has left, from the kernel's own files of both versions."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from dllab_hub.metrics.cgroups import Group
from dllab_hub.metrics.host import HostReader

GIB = 2**30
#: As docker and Kubernetes have them: version 2 with and without a namespace of its own; version 1.
MACHINE = {
    "proc/stat": "cpu  1000 0 500 8000 500 0 100 0 50 0\ncpu0 1 0 0 0 0 0 0 0 0 0\n",
    "proc/meminfo": f"MemTotal:       {64 * 2**20} kB\nMemFree:  1000 kB\n"
    f"MemAvailable:   {40 * 2**20} kB\nHugePages_Total:       0\n",
}
V2 = {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "29 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
    "sys/fs/cgroup/cpu.max": "250000 100000\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 5000000\nuser_usec 4000000\n",
    "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
    "sys/fs/cgroup/memory.current": f"{5 * GIB}\n",
    "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_anon 7\ninactive_file {2 * GIB}\n",
}
DEEP = "kubepods.slice/kubepods-pod1.slice/cri-1.scope"
V2_DEEP = {
    "proc/self/cgroup": f"0::/{DEEP}\n",
    "proc/self/mountinfo": V2["proc/self/mountinfo"],
    f"sys/fs/cgroup/{DEEP}/cpu.max": "max 100000\n",
    f"sys/fs/cgroup/{DEEP}/cpu.stat": "usage_usec 1000000\n",
    f"sys/fs/cgroup/{DEEP}/memory.max": "max\n",
    f"sys/fs/cgroup/{DEEP}/memory.current": f"{GIB}\n",
    "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cpu.max": "50000 100000\n",
    "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cpu.stat": "usage_usec 3000000\n",
    "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/memory.current": f"{2 * GIB}\n",
    "sys/fs/cgroup/kubepods.slice/memory.max": f"{60 * GIB}\n",
    "sys/fs/cgroup/kubepods.slice/memory.current": f"{50 * GIB}\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 99000000\n",
}
MOUNTS_V1 = (
    "33 31 0:31 {part} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
    "37 31 0:35 {part} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    "38 31 0:36 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n"
)
GROUPS_V1 = "5:cpu,cpuacct:{group}\n4:memory:{group}\n1:name=systemd:{group}\n0::/\n"
FILES_V1 = {
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "7000000000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{6 * GIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{4 * GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}\n",
}
#: The group is called as outside, and only it is mounted.
V1 = {
    "proc/self/cgroup": GROUPS_V1.format(group="/docker/3c0ffee"),
    "proc/self/mountinfo": MOUNTS_V1.format(part="/docker/3c0ffee"),
    **FILES_V1,
}
#: All of the tree is mounted, and the limits are in the own group.
V1_DEEP = {
    "proc/self/cgroup": GROUPS_V1.format(group="/lab/ada"),
    "proc/self/mountinfo": MOUNTS_V1.format(part="/"),
    **{
        name.replace("cpuacct/", "cpuacct/lab/ada/").replace("memory/", "memory/lab/ada/"): text
        for name, text in FILES_V1.items()
    },
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/cpu,cpuacct/lab/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "99000000000\n",
}
#: A machine without a container: groups everywhere, and no limit in them.
FREE = {
    "proc/self/cgroup": "0::/user.slice\n",
    "proc/self/mountinfo": V2["proc/self/mountinfo"],
    "sys/fs/cgroup/cpu.stat": "usage_usec 1\n",
    "sys/fs/cgroup/user.slice/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    "sys/fs/cgroup/user.slice/memory.current": "1\n",
}


class Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _tree(root: Path, *trees: dict[str, str]) -> Path:
    for name, text in {name: text for tree in trees for name, text in tree.items()}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("tree", "group"),
    [
        (V2, Group(2.5, 5.0, 8 * GIB, 3 * GIB)),
        (V2_DEEP, Group(0.5, 3.0, 4 * GIB, 2 * GIB)),
        (V1, Group(1.5, 7.0, 6 * GIB, 3 * GIB)),
        (V1_DEEP, Group(1.5, 7.0, 6 * GIB, 3 * GIB)),
        (FREE, Group(None, None, None, 1)),
        ({}, Group(None, None, None, None)),
    ],
    ids=["v2", "v2 above", "v1", "v1 below", "no limit", "no groups"],
)
def test_the_limits_of_a_container(tmp_path: Path, tree: dict[str, str], group: Group) -> None:
    """The strictest limit counts, and what is used of it; memory without what can be given back."""
    assert Group.here(_tree(tmp_path, MACHINE, tree)) == group


def test_a_container_is_measured_against_its_limits(tmp_path: Path) -> None:
    """CPUs from two looks, of the group; memory of the group."""
    clock = Time()
    root = _tree(tmp_path, MACHINE, V2)
    reader = HostReader(dict, root=root, cpus=16, clock=clock)
    first = reader.read()
    clock.now += 2
    (root / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 8000000\n")
    second = reader.read()

    assert (True, None, 2.5, 3 * GIB, 8 * GIB) == (
        first.container,
        first.cpu,
        first.cpus,
        first.memory,
        first.memory_limit,
    )
    assert second.cpu == 1.5


def test_a_limit_above_what_the_machine_has_is_none(tmp_path: Path) -> None:
    """Nobody gets more CPUs or memory than there are."""
    wide = {
        "sys/fs/cgroup/cpu.max": "6400000 100000\n",
        "sys/fs/cgroup/memory.max": f"{900 * GIB}\n",
    }
    host = HostReader(dict, root=_tree(tmp_path, MACHINE, V2, wide), cpus=16).read()

    assert (16.0, 64 * GIB) == (host.cpus, host.memory_limit)


def test_a_machine_is_measured_against_what_it_has(tmp_path: Path) -> None:
    """Without limits: all CPUs, busy or not; the memory that is not available."""
    clock = Time()
    root = _tree(tmp_path, MACHINE, FREE)
    reader = HostReader(dict, root=root, cpus=16, clock=clock)
    host = reader.read()
    clock.now += 2
    ticks = os.sysconf("SC_CLK_TCK")
    (root / "proc/stat").write_text(
        f"cpu  {1000 + 3 * ticks} 0 500 {8000 + ticks} 900 0 100 0 0 0\n"
    )

    assert (False, 16.0, 24 * GIB, 64 * GIB) == (
        host.container,
        host.cpus,
        host.memory,
        host.memory_limit,
    )
    assert reader.read().cpu == 1.5


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    """Without any of the kernel's files there is nothing, and no 0."""
    host = HostReader(dict, root=tmp_path, cpus=2).read()

    assert (None, 2.0, None, None, ()) == (
        host.cpu,
        host.cpus,
        host.memory,
        host.memory_limit,
        host.disks,
    )


def test_the_cpu_is_looked_at_once_a_second(tmp_path: Path) -> None:
    """Who asks at once gets the last answer; after a long time it begins anew."""
    clock = Time()
    root = _tree(tmp_path, MACHINE, V2)
    reader = HostReader(dict, root=root, cpus=16, clock=clock)
    seen = []
    for used, wait in ((5, 0), (7, 1), (9, 0.5), (9, 0.5), (20, 100), (21, 1)):
        clock.now += wait
        (root / "sys/fs/cgroup/cpu.stat").write_text(f"usage_usec {used * 1000000}\n")
        seen.append(reader.read().cpu)

    assert [None, 2.0, 2.0, 2.0, None, 1.0] == seen


def test_each_file_system_is_told_once(tmp_path: Path) -> None:
    """Directories of one disk are one disk, under the first name; what is not there is left out."""
    places = {"home": tmp_path, "data": tmp_path, "shm": Path("/dev/shm"), "gone": tmp_path / "no"}

    disks = HostReader(lambda: places).read().disks

    expected = {"home": tmp_path, "shm": Path("/dev/shm")}
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        del expected["shm"]
    assert list(expected) == [disk.name for disk in disks]
    for disk in disks:
        there = psutil.disk_usage(str(expected[disk.name]))
        assert (
            disk.total
            == os.statvfs(expected[disk.name]).f_blocks * os.statvfs(expected[disk.name]).f_frsize
        )
        assert abs(disk.used - there.used) < GIB


def test_a_disk_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is waited for a second, once, and what is known else is told meanwhile."""
    go = threading.Event()
    statvfs = os.statvfs

    def slow(path: object) -> os.statvfs_result:
        go.wait(10)
        return statvfs(tmp_path)

    monkeypatch.setattr(os, "statvfs", slow)
    reader = HostReader(lambda: {"home": tmp_path})
    began = time.monotonic()
    hosts = [reader.read() for _ in range(5)]
    took = time.monotonic() - began
    go.set()
    while not reader.read().disks:
        time.sleep(0.01)

    assert [()] * 5 == [host.disks for host in hosts]
    assert all(host.memory_limit for host in hosts)
    assert took < 1.8


def test_this_machine() -> None:
    """The real kernel's files agree with what psutil reads, and a busy CPU is seen."""
    reader = HostReader(lambda: {"home": Path.home()})
    first = reader.read()
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        pass
    second = reader.read()

    total = psutil.virtual_memory().total
    assert first.cpu is None
    assert second.cpu is not None
    assert second.cpus is not None
    assert 0.3 < second.cpu <= psutil.cpu_count() + 0.5
    assert 0 < second.cpus <= psutil.cpu_count()
    assert second.memory is not None
    assert second.memory_limit is not None
    assert 0 < second.memory < second.memory_limit <= total
    assert ["home"] == [disk.name for disk in second.disks]
    assert 0 < second.disks[0].used <= second.disks[0].total
