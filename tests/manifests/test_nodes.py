"""What a cluster has free, who holds the rest, and what a lab or a job would meet there."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.manifests.cluster import Cluster
from dllab_hub.manifests.demand import demand
from dllab_hub.manifests.nodes import (
    capacity,
    fits,
    forecast_on_cluster,
    forecasts_on_cluster,
    held_on_cluster,
    node_row,
    parts,
    pod_row,
    rooms,
)
from dllab_hub.manifests.quantity import milli, whole
from dllab_hub.manifests.training import jobset
from dllab_hub.specs import Catalog, Code, GpuType, Holder, Image, Role, Toleration, TrainingSpec

GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
IMAGE = Image(name="all", title="All", framework="x", version="1", container="all:1")
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
TYPES = (
    GpuType(
        name="a100", title="A100", node_selector={"gpu": "a100"},
        tolerations=(Toleration(key="gpu", value="yes"),),
    ),
    GpuType(name="slice", title="A100 1/7", resource=MIG),
    GpuType(name="h100", title="H100", node_selector={"gpu": "h100"}),
)  # fmt: skip
CATALOG = Catalog(
    target="cluster", images=(IMAGE,), default_image="all", gpu_types=TYPES, max_gpus=8
)


def node(name: str, gpus: int = 0, **more: Any) -> dict[str, Any]:
    """A machine of 16 CPUs and 64 GiB."""
    total = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    total |= {GPU: str(gpus)} if gpus else {}
    return {
        "metadata": {"name": name, "labels": more.get("labels") or {}},
        "spec": {
            "taints": more.get("taints") or [], "unschedulable": more.get("cordoned", False),
        },
        "status": {
            "allocatable": total | (more.get("total") or {}),
            "conditions": [{"type": "Ready", "status": more.get("ready", "True")}],
        },
    }  # fmt: skip


def pod(where: str = "", gpus: int = 0, of: str = "", phase: str = "", **more: Any) -> Any:
    """A pod; ``of`` is ``lab:ada:x``, ``job:ada:digits-b2c3d4f``, or nobody's."""
    requests = {"cpu": "1", "memory": "1Gi"} | ({GPU: str(gpus)} if gpus else {})
    kind, _, rest = of.partition(":")
    owner, _, name = rest.partition(":")
    labels, notes = dict(more.get("labels") or {}), {}
    if kind == "lab":
        notes = {"hub.jupyter.org/username": owner, "hub.jupyter.org/servername": name}
    elif kind == "job":
        labels["dllab-hub/job"], notes["dllab-hub/owner"] = name, owner
    resources = {"requests": requests | (more.get("requests") or {})}
    return {
        "metadata": {
            "name": f"pod-{of}", "labels": labels, "annotations": notes,
            "ownerReferences": [{"kind": more.get("by", "ReplicaSet")}],
        },
        "spec": {"nodeName": where, "containers": [{"resources": resources}]},
        "status": {"phase": phase or ("Running" if where else "Pending")},
    }  # fmt: skip


def spec(*roles: Role, **more: Any) -> TrainingSpec:
    strategy = "allreduce" if len(roles) == 1 and roles[0].name == "worker" else "custom"
    return TrainingSpec(
        name="digits", image="all", code=Code(source="1"), strategy=strategy, roles=roles, **more
    )


A100 = {"labels": {"gpu": "a100"}, "taints": [TAINT]}
NODES = [
    node("plain"),
    node("four", 4),
    node("eight", 8, **A100),
    node("gone", 8, ready="Unknown"),
    node("shut", 8, cordoned=True),
    node("kept", 8, taints=[{"key": "team", "value": "x", "effect": "NoSchedule"}]),
    node("sliced", total={MIG: "7"}),
]
PODS = [
    pod("four", 2, "lab:ada:x"),
    pod("four", 1, "job:grace:digits-b2c3d4f"),
    pod("eight", 4, "job:ada:nets-b2c3d4f"),
    pod("eight", 1),
    pod("eight", 3, "job:ada:done-b2c3d4f", "Succeeded"),
    pod("gone", 8, "lab:alan:"),
    pod("sliced", 0, "lab:alan:", requests={MIG: "2"}),
    pod("", 1, "job:alan:late-b2c3d4f"),
    pod("", 1, "job:alan:late-b2c3d4f"),
    pod("four", 1, labels={"component": "user-placeholder"}),
]


def test_what_is_free_and_who_holds_the_rest() -> None:
    """Machines that take nothing are left out, and so is what has ended or leaves at once."""
    seen = capacity("ada", NODES, PODS, CATALOG, 5)

    assert (12, 4) == (seen.total, seen.free)
    lab = Holder(kind="lab", owner="ada", name="x", id="pod-lab:ada:x")
    job = Holder(kind="job", owner="ada", name="nets", id="nets-b2c3d4f")
    assert [lab, lab, Holder(kind="job"), *[job] * 4, Holder(kind="job")] == list(seen.holders)
    assert seen.forecast
    assert (
        "Would wait for 5 GPUs: 4 of 12 are free; held by your lab 'x' (2), your job 'nets' (4), "
        "1 other person (1) and other programs (1)."
    ) == seen.forecast.message
    assert "grace" not in seen.model_dump_json()
    assert held_on_cluster("ada", NODES, PODS, CATALOG) in seen.forecast.message


@pytest.mark.parametrize(
    ("gpus", "answer", "said"),
    [
        (0, "now", "No GPU is asked for."),
        (4, "now", "4 of 12 are free: starts at once."),
        (13, "never", "This cluster has 12 GPUs."),
        (None, None, ""),
    ],
)
def test_what_a_job_would_meet(gpus: int | None, answer: str | None, said: str) -> None:
    """All GPUs that jobs may have count, on whichever machine they are."""
    found = capacity("ada", NODES, PODS, CATALOG, gpus).forecast

    assert answer == (found and found.answer)
    assert said == (found.message if found else "")


def test_a_cluster_without_gpus() -> None:
    """It says so; the form has one choice for each type."""
    seen = capacity("ada", NODES[:1], [], CATALOG, 1)
    offered = forecasts_on_cluster("ada", NODES[:1], [], CATALOG)

    assert (0, 0) == (seen.total, seen.free)
    assert seen.forecast
    assert "This cluster has no GPU." == seen.forecast.message
    assert {"": 1, "a100": 1, "slice": 1, "h100": 1} == {k: len(v) for k, v in offered.items()}


@pytest.mark.parametrize(
    ("kind", "gpus", "answer", "said", "smaller"),
    [
        ("", 0, "now", "Starts now, on the CPU.", None),
        ("", 3, "now", "Starts now: 4 of 12 free.", None),
        ("", 4, "wait", "Has to wait: 4 of 12 free, but not on one machine.", 3),
        (
            *("", 5, "wait"),
            "Has to wait: 4 of 12 are free; held by your lab 'x' (2), your job 'nets' (4), "
            "1 other person (1) and other programs (1). 1 job waits for GPUs too.",
            3,
        ),
        ("a100", 3, "now", "Starts now: 3 of 8 A100 free.", None),
        (
            *("a100", 4, "wait"),
            "Has to wait, A100: 3 of 8 are free; held by your job 'nets' (4) and other programs "
            "(1). 1 job waits for GPUs too.",
            3,
        ),
        ("slice", 5, "now", "Starts now: 5 of 7 A100 1/7 free.", None),
        ("slice", 7, "wait", "Has to wait, A100 1/7: 5 of 7 are free; held by 1 other person.", 5),
        (
            *("slice", 8, "never"),
            "Can never start here: of A100 1/7 the largest machine has 7.",
            5,
        ),
        ("h100", 1, "never", "Can never start here: no machine of this cluster has H100.", 0),
    ],
)
def test_what_the_form_says(kind: str, gpus: int, answer: str, said: str, smaller: int) -> None:
    """Now, wait and for whom, or never and why, for each type and number."""
    found = forecasts_on_cluster("ada", NODES, PODS, CATALOG)[kind]

    assert 9 == len(found)
    assert (answer, said, smaller) == (
        found[gpus].answer, found[gpus].message, found[gpus].smaller
    )  # fmt: skip


def test_limits_and_the_size_of_a_lab() -> None:
    """What the administrator allows comes before what there is; a lab needs memory, too."""
    strict = CATALOG.model_copy(update={"max_gpus": 2, "max_gpus_per_user": 3})
    limited = forecasts_on_cluster("ada", NODES, PODS, strict)[""]
    large = forecasts_on_cluster("ada", NODES, PODS, CATALOG, memory=63 << 30)[""]
    huge = forecasts_on_cluster("ada", NODES, PODS, CATALOG, cpus=64)[""]
    grows = forecasts_on_cluster("ada", NODES, PODS, CATALOG, grows=True)["h100"]

    assert "Can never start: one lab may hold 2 at most." == limited[3].message
    assert "Has to wait: your other labs hold 2 of the 3 that you may have." == limited[2].message
    assert ("now", "wait") == (large[0].answer, large[1].answer)
    assert "the machines with free GPUs have too little memory" in large[1].message
    assert ("wait", None) == (huge[0].answer, huge[1].smaller)
    assert "node" == grows[1].answer


@pytest.mark.parametrize("closed", [{"cordoned": True}, {"ready": "Unknown"}])
def test_a_machine_that_is_being_served(closed: dict[str, Any]) -> None:
    """It has nothing now, and is no reason to say never."""
    nodes = [node("small", 1), node("large", 4, **closed)]
    row = forecasts_on_cluster("ada", nodes, [], CATALOG)[""]

    assert ["now", "now", "wait", "wait", "wait"] == [each.answer for each in row]
    assert row[4].message == "Has to wait: the machine that has so many takes nothing new now."
    assert 1 == row[4].smaller
    assert (1, 1) == ((seen := capacity("", nodes, [], CATALOG, None)).total, seen.free)
    assert "wait" == forecast_on_cluster("", spec(Role(gpus=4)), nodes, [], CATALOG).answer


def test_what_holds_for_every_lab() -> None:
    """Labs go where the hub's own settings send them, and tolerate what those tolerate."""
    taint = {"key": "hub.jupyter.org/dedicated", "value": "user", "effect": "NoSchedule"}
    mine = node("mine", 2, taints=[taint], labels={"pool": "labs"})
    other = node("other", 4)
    settings: dict[str, Any] = {
        "node_selector": {"pool": "labs"},
        "tolerations": [
            {"key": taint["key"], "operator": "Equal", "value": "user", "tolerationSeconds": None},
            {"key": "x", "operator": "Gt", "value": "3"},
        ],
    }
    found = forecasts_on_cluster("ada", [mine, other], [], CATALOG, **settings)

    assert ["now", "now", "now"] == [each.answer for each in found[""]]
    without = forecasts_on_cluster("ada", [mine], [], CATALOG)
    assert ["wait"] == [each.answer for each in without[""]]


JOBS: list[tuple[TrainingSpec, str, str]] = [
    (spec(Role(gpus=3)), "now", "Starts at once: it finds a machine with room."),
    (spec(Role(replicas=2, gpus=1)), "now", "Starts at once: all replicas find a machine"),
    (spec(Role(replicas=4, gpus=1)), "now", "Starts at once"),
    (spec(Role(replicas=2, gpus=2)), "wait",
     "Would wait: 4 of 12 are free; held by your lab 'x' (2), your job 'nets' (4), 1 other person "
     "(1) and other programs (1); not where the replicas need them."),
    (spec(Role(gpus=6)), "wait", "Would wait: 4 of 12 are free; held by"),
    (spec(Role(gpus=9)), "never",
     "Can never start here: worker asks for 9 GPUs, and the largest machine has 8 GPUs."),
    (spec(Role(replicas=4, gpus=5)), "never",
     "Can never start here: only 3 of 4 replicas of worker fit on all machines together."),
    (spec(Role(name="a", replicas=2, gpus=8), Role(name="b", replicas=2, gpus=8)), "never",
     "Can never start here: it asks for 32 GPUs, and all machines together have 28 GPUs."),
    # A machine that is being served comes back.
    (spec(Role(replicas=3, gpus=5)), "wait", "Would wait: 4 of 12 are free; held by"),
    (spec(Role(cpus=20)), "never",
     "Can never start here: worker asks for 20 CPUs, and the largest machine has 16 CPUs."),
    (spec(Role(memory=80 << 30)), "never",
     "Can never start here: worker asks for 80 GiB of memory, and the largest machine has 64 GiB"),
    (spec(Role(replicas=3, cpus=16)), "wait",
     "Would wait: no machine has enough free memory or CPUs now."),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "answer", "said"), JOBS)
def test_a_whole_gang(wish: TrainingSpec, answer: str, said: str) -> None:
    """All replicas have to find a machine at once."""
    found = forecast_on_cluster("ada", wish, NODES, PODS, CATALOG)

    assert answer == found.answer
    assert found.message.startswith(said)
    added = forecast_on_cluster("ada", wish, NODES, PODS, CATALOG, grows=True)
    assert ("node" if answer == "never" else answer) == added.answer


@pytest.mark.parametrize("role", [Role(replicas=3, gpus=2), Role(cpus=2.5, memory=5 << 30)])
def test_it_counts_what_the_manifest_asks_for(role: Role) -> None:
    """What is looked for is what the pods of the JobSet will ask for."""
    made = jobset("digits-b2c3d4f", "ada", spec(role), CATALOG, Cluster(claim="jobs"))
    job = made["spec"]["replicatedJobs"][0]["template"]["spec"]
    (part,) = parts(spec(role), CATALOG)

    assert job["parallelism"] == part.replicas
    asked = {name: number for name, number in part.demand.items() if number}
    assert asked == demand(job["template"]["spec"])


def test_what_never_ends_is_no_room() -> None:
    """A program that is on every machine keeps its CPUs for ever; others give them back."""
    stays, ends = pod("plain", by="DaemonSet"), pod("plain")
    wish = spec(Role(cpus=16))

    assert "never" == forecast_on_cluster("", wish, NODES[:1], [stays], CATALOG).answer
    assert "wait" == forecast_on_cluster("", wish, NODES[:1], [ends], CATALOG).answer


def test_where_a_job_needs_no_gpu() -> None:
    """CPU replicas leave machines with GPUs to those that need them, and go to no tainted one."""
    both = spec(Role(name="chief", cpus=12), Role(name="worker", gpus=4, cpus=12))

    assert "now" == forecast_on_cluster("", both, NODES[:2], [], CATALOG).answer
    assert "never" == forecast_on_cluster("", spec(Role()), NODES[2:3], [], CATALOG).answer


@pytest.mark.parametrize(
    ("pod_spec", "cpu", "memory"),
    [
        ({"containers": [_ := {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}, _]},
         2000, 2 << 30),
        # A large init container runs alone.
        ({"containers": [_], "initContainers": [{"resources": {"requests": {"cpu": "3"}}}]},
         3000, 1 << 30),
        # One that goes on is there beside those after it and beside the containers.
        ({"containers": [_], "initContainers": [
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}},
            {"resources": {"requests": {"cpu": "2"}}}]}, 2500, 1 << 30),
        ({"containers": [_], "initContainers": [
            {"resources": {"requests": {"cpu": "2"}}},
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "1500m"}}}]},
         2500, 1 << 30),
        ({"containers": [_], "overhead": {"cpu": "250m", "memory": "64Mi"}},
         1250, (1 << 30) + (64 << 20)),
        ({"containers": [_], "resources": {"requests": {"cpu": "4", "nvidia.com/gpu": "9"}}},
         4000, 1 << 30),
        ({"containers": [{}]}, 0, 0),
        ({}, 0, 0),
    ],
)  # fmt: skip
def test_what_a_pod_asks_for(pod_spec: dict[str, Any], cpu: int, memory: int) -> None:
    """Init containers, those beside others, overhead and what is said of the whole pod count."""
    asked = demand(pod_spec)

    assert (cpu, memory, 1) == (asked.get("cpu", 0), asked.get("memory", 0), asked["pods"])
    assert GPU not in asked


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2), ("1Ki", 1024), ("1.5Gi", 3 << 29), ("1k", 1000), ("2e3", 2000), ("2E3", 2000),
        ("1E", 10**18), ("1Ei", 2**60), ("100m", 1), ("1u", 1), ("0", 0), ("+3", 3), ("-1500m", -1),
        (".5", 1), ("5.", 5), (4, 4),
    ],
)  # fmt: skip
def test_quantities(text: Any, number: int) -> None:
    """All that Kubernetes writes is read, and rounded up."""
    assert number == whole(text)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1KiB", "e3", "--1", "1ki", "nan", "inf"])
def test_no_quantity(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is no quantity"):
        milli(text)


@pytest.mark.parametrize(
    ("taint", "tolerations", "admitted"),
    [
        (TAINT, (), False),
        (TAINT, (Toleration(key="gpu", value="yes", effect="NoSchedule"),), True),
        (TAINT, (Toleration(key="gpu", value="no"),), False),
        (TAINT, (Toleration(key="gpu", operator="Exists", effect="NoExecute"),), False),
        (TAINT, (Toleration(operator="Exists"),), True),
        (TAINT, (Toleration(key="cpu", operator="Exists"),), False),
        ({**TAINT, "effect": "PreferNoSchedule"}, (), True),
        ({"key": "gpu", "effect": "NoExecute"}, (Toleration(key="gpu"),), True),
    ],
)
def test_taints(taint: dict[str, str], tolerations: tuple[Toleration, ...], admitted: bool) -> None:
    """By the rules of the scheduler."""
    (room,) = rooms([node("n", 1, taints=[taint])], [])

    assert admitted == room.admits(GpuType(name="t", title="t", tolerations=tolerations))


_WHERE = st.sampled_from(["", "plain", "four", "eight", "gone", "sliced"])
_OF = st.sampled_from(["", "lab:ada:x", "lab:grace:", "job:ada:a-b2c3d4f", "job:alan:b-b2c3d4f"])
_PHASES = st.sampled_from(["Running", "Pending", "Succeeded", "Failed"])
_PODS = st.lists(st.builds(pod, _WHERE, st.integers(0, 9), _OF, _PHASES), max_size=12)


@given(pods=_PODS, seed=st.integers(0, 99))
def test_never_less_than_nothing(pods: list[Any], seed: int) -> None:
    """Nothing is below 0, the order of pods does not matter, and rows say what objects say."""
    mixed = list(pods)
    random.Random(seed).shuffle(mixed)
    seen, again = (capacity("ada", NODES, each, CATALOG, 3) for each in (pods, mixed))
    rows = capacity("ada", [node_row(n) for n in NODES], [pod_row(p) for p in pods], CATALOG, 3)

    assert seen == rows
    assert (seen.total, seen.free, seen.forecast) == (again.total, again.free, again.forecast)
    assert 0 <= seen.free <= seen.total
    assert seen.total == seen.free + len(seen.holders)
    for room in rooms(NODES, pods):
        assert min([*room.free.values(), *room.most.values()]) >= 0
        assert all(number <= room.node["total"].get(name, 0) for name, number in room.free.items())


@given(pods=_PODS, per_lab=st.integers(0, 9), per_person=st.integers(0, 9))
def test_the_form_keeps_its_word(pods: list[Any], per_lab: int, per_person: int) -> None:
    """What starts now has a machine; the smaller choice starts now; nobody else is named."""
    limits = {"max_gpus": per_lab, "max_gpus_per_user": per_person}
    catalog = CATALOG.model_copy(update=limits)
    there = rooms(NODES, pods)
    for kind, row in forecasts_on_cluster("ada", NODES, pods, catalog).items():
        of = catalog.gpu_type(kind) if kind else GpuType(
            name="any", title="any", tolerations=TYPES[0].tolerations
        )  # fmt: skip
        for number, said in enumerate(row):
            if said.answer == "now" and number:
                assert number <= min(per_lab, per_person)
                assert any(r.admits(of) and r.free.get(of.resource, 0) >= number for r in there)
            if said.smaller is not None:
                assert said.smaller < number
                assert "now" == row[said.smaller].answer
            assert not any(name in said.message for name in ("grace", "alan"))


_ROLES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 9), st.sampled_from([0.5, 2, 8, 16])),
    min_size=1, max_size=3,
)  # fmt: skip


@given(roles=_ROLES, pods=_PODS)
def test_what_fits_now_fits_some_day(roles: list[tuple[int, int, float]], pods: list[Any]) -> None:
    """Never and now exclude each other, and placing replicas takes nothing from the picture."""
    made = [
        Role(name=f"r{n}", replicas=replicas, gpus=gpus, cpus=cpus)
        for n, (replicas, gpus, cpus) in enumerate(roles)
    ]
    wish = spec(*made)
    there = rooms(NODES, pods)
    before = [dict(room.free) for room in there]
    asked = parts(wish, CATALOG)
    now = fits(asked, there)

    assert before == [room.free for room in there]
    assert not now or fits(asked, rooms(NODES, []))
    assert ("now" == forecast_on_cluster("ada", wish, NODES, pods, CATALOG).answer) == now


def test_a_large_cluster_is_read_at_once() -> None:
    """500 machines and 5,000 pods, whole or as rows, are no matter of seconds."""
    nodes = [node(f"n{n}", 8 if n % 2 else 0, **(A100 if n % 4 == 1 else {})) for n in range(500)]
    pods = [pod(f"n{n % 500}", n % 3, f"job:p{n % 50}:j{n}-b2c3d4f") for n in range(5000)]
    began = time.perf_counter()
    rows = [node_row(n) for n in nodes], [pod_row(p) for p in pods]
    cut = time.perf_counter() - began
    began = time.perf_counter()
    seen = capacity("p1", *rows, CATALOG, 8)
    took = time.perf_counter() - began
    whole_objects = capacity("p1", nodes, pods, CATALOG, 8)

    assert seen == whole_objects
    assert took < 1, f"{took:.3f} s"  # 0.02 s on a quiet machine.
    assert cut < 2, f"{cut:.3f} s"
