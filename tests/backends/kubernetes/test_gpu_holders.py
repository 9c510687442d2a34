"""Whose the GPUs of a cluster are: what an exporter says of pods, and what the cluster does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial

import pytest
from dcgm_exporters import FakePods, pod
from scripted_prometheus import UUIDS, Source, a_source, sends, told

from dllab_hub.backends.kubernetes import backend as backend_module
from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.gpu_settings import homes_of
from dllab_hub.backends.kubernetes.gpus import ClusterGpus
from dllab_hub.backends.kubernetes.kinds import PODS
from dllab_hub.backends.kubernetes.machines import Machines
from dllab_hub.hub import service
from dllab_hub.specs import GpuState, Holder
from dllab_hub.specs.capacity import NOBODY

STRANGER = Holder(kind="job", owner=NOBODY)


@pytest.fixture
def source() -> Iterator[Source]:
    """A Prometheus that does as it is told, and who asks it."""
    with a_source() as made:
        yield made


def test_a_pod_of_a_person(source: Source) -> None:
    """Labs, jobs and deployments are by name what they are, each in its namespace."""
    found = source.held(
        ("labs", "jupyter-grace"), ("dllab-jobs", "digits-bcdfghj-worker-0-0-x7k2p")
    )
    served = source.held(("dllab-serving", "s-digits-556162e48a-7d9f-abcde"), node="n2")

    assert ("lab", "grace", "default") == _who(found["GPU-0"])
    assert ("job", "ada", "digits", "digits-bcdfghj") == (*_who(found["GPU-1"]), found["GPU-1"].id)
    assert ("deployment", "ada", "digits") == _who(served["GPU-0"])


def _who(holder: Holder) -> tuple[str, str, str]:
    return holder.kind, holder.owner, holder.name


@pytest.mark.parametrize(
    ("claim", "node"),
    [
        (("labs", "jupyter-ada"), "n1"),  # It has asked for no GPU.
        (("labs", "jupyter-grace"), "n2"),  # It runs on another machine.
        (("labs", "jupyter-eve"), "n1"),  # There is none.
        (("dllab-jobs", "jupyter-grace"), "n1"),
        (("", "jupyter-grace"), "n1"),
        (("gpu-operator", "nvidia-dcgm-exporter-x"), "n1"),
        (("", ""), "n1"),
    ],
)
def test_what_is_not_so(source: Source, claim: tuple[str, str], node: str) -> None:
    """What the exporter says of a pod counts only where the cluster says the same."""
    assert {} == source.held(claim, node=node)


def test_a_pod_that_says_whose_it_is(source: Source) -> None:
    """In another namespace anybody may say so: it is nobody's that we know."""
    mine = {"labels": {"dllab-hub/job": "x-bcdfghj"}, "annotations": {"dllab-hub/owner": "ada"}}
    source.pods = FakePods(
        pod("labs", "a", "n1", 1, **mine),
        pod("dllab-jobs", "b", "n1", 1, annotations={"hub.jupyter.org/username": "ada"}),
    )
    found = source.held(("labs", "a"), ("dllab-jobs", "b"))

    assert {NOBODY} == {holder.owner for holder in found.values()}
    assert {"labs/a", "dllab-jobs/b"} == {holder.name for holder in found.values()}
    assert Holder(kind="job") == found["GPU-0"].seen_by("ada")


def test_more_than_it_asked_for(source: Source) -> None:
    """A pod that is said to have more GPUs than it asked for gives nobody a name."""
    found = source.held(*[("labs", "jupyter-grace")] * 2)

    assert {"GPU-0": STRANGER, "GPU-1": STRANGER} == found


def test_one_that_several_share(source: Source) -> None:
    """With pods of two people on it, it is nobody's by name; with two of one person, theirs."""
    source.pods = FakePods(
        *(
            pod("labs", f"lab-{n}", "n1", 1, annotations={"hub.jupyter.org/username": person})
            for n, person in enumerate(("ada", "grace"))
        )
    )
    body = json.loads(told(("labs", "lab-0"), ("labs", "lab-1")))
    for one in body["data"]["result"]:
        one["metric"] |= {"gpu": "0", "UUID": "GPU-0"}
    source.act = sends(json.dumps(body).encode())
    source.read()

    assert {"GPU-0": STRANGER} == source.gpus.holders(UUIDS)


def test_pods_that_are_not_known(source: Source) -> None:
    """While the cluster cannot be seen it is known that a GPU is held, and not by whom."""
    source.held(("labs", "jupyter-grace"), ("", ""))
    before = source.gpus.holders(UUIDS)
    assert before is source.gpus.holders(UUIDS)
    source.pods.live = False

    assert {"GPU-0": STRANGER} == source.gpus.holders(UUIDS)
    source.pods.live = True
    assert before == source.gpus.holders(UUIDS)


async def test_the_pods_of_a_cluster(
    source: Source, played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab service knows them from its own copies of the cluster's objects, and before it has
    found the cluster that a GPU is held, and no more.
    """
    played.fake.put(
        PODS,
        pod("labs", "jupyter-eve", "node-0", 1, annotations={"hub.jupyter.org/username": "eve"}),
    )
    monkeypatch.setenv("POD_NAMESPACE", "labs")
    source.act = sends(told(("labs", "jupyter-eve"), node="node-0"))
    async with played.service() as backend:
        found: list[Machines | None] = [None]
        gpus = ClusterGpus(
            lambda: source.settings, lambda: found[0], lambda: homes_of(played.state)
        )
        await asyncio.to_thread(gpus.read)
        before = gpus.holders(UUIDS)
        found[0] = backend.cluster.machines
        deadline = time.monotonic() + 10
        while not (held := await asyncio.to_thread(gpus.holders, UUIDS)) or held == before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    assert {"GPU-0": STRANGER} == before
    assert {"GPU-0": ("lab", "eve", "default")} == {key: _who(one) for key, one in held.items()}


async def test_the_lab_service_of_a_cluster(
    source: Source, played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the administrator's table people see their GPUs; without it what is to be done."""
    whose = {"hub.jupyter.org/username": "eve"}
    played.fake.put(PODS, pod("labs", "jupyter-eve", "node-0", 1, annotations=whose))
    source.act = sends(told(("labs", "jupyter-eve"), ("", ""), node="node-0"))
    monkeypatch.setenv("POD_NAMESPACE", "labs")
    way = str(played.fake.kubeconfig(played.state.root / "kubeconfig"))
    made = partial(KubernetesBackend, connect=lambda: Api.connect(way))
    monkeypatch.setattr(backend_module, "KubernetesBackend", made)
    lab = service._cluster(played.state, "/services/dllab/")
    lab.start()
    try:
        nothing = await lab.report("eve")
        assert source.settings is not None
        with (played.state.root / "catalog.toml").open("a") as file:
            file.write(f'\n[gpu_metrics]\nurl = "{source.settings.url}"\n')
        deadline = time.monotonic() + 20
        while not (hers := await lab.report("eve")).gpus:
            assert time.monotonic() < deadline, hers
            await asyncio.sleep(0.2)
        his = await lab.report("ada")
    finally:
        await lab.close()

    assert (GpuState.NO_GPU, "measured nowhere" in nothing.message) == (nothing.state, True)
    assert [("node-0", ("lab", "eve", "default"))] == [
        (gpu.node, _who(gpu.holder)) for gpu in hers.gpus if gpu.holder is not None
    ]
    assert (1, 0, 1) == (his.others.held, len(his.gpus), his.others.free) if his.others else None
