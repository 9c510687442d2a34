"""Which numbers there are, and what is never among their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from measurable import ADA, FULL, UUID, deployment, job, report

from dllab_hub.metrics.samples import (
    Sample,
    deployment_samples,
    gpu_samples,
    host_samples,
    job_samples,
    owner_hash,
)
from dllab_hub.specs import (
    DeploymentReplica,
    Disk,
    Gpu,
    GpuCondition,
    Holder,
    Host,
    JobState,
    Progress,
    ReplicaState,
    ReplicaStatus,
    Traffic,
    VersionTraffic,
)
from dllab_hub.specs.tally import Tally


def values(samples: Iterable[Sample], name: str) -> list[float]:
    return [sample.value for sample in samples if sample.name == name]


def words(samples: Iterable[Sample]) -> set[str]:
    return {word for sample in samples for word in sample.labels.values()}


def test_of_a_gpu_that_tells_everything() -> None:
    """There are at most 40 series of one GPU, whatever it tells."""
    samples = list(gpu_samples(report(FULL), {UUID: ADA}))

    assert len(samples) <= 40
    assert [0.5] == values(samples, "dllab_gpu_utilization_ratio")
    assert [90, 95] == values(samples, "dllab_gpu_temperature_limit_celsius")
    series = Counter((sample.name, *sorted(sample.labels.items())) for sample in samples)
    assert {1} == set(series.values())


def test_of_a_gpu_that_tells_nothing() -> None:
    """What is not told is not there, rather than 0."""
    bare = Gpu(index=0, uuid=UUID, name="NVIDIA H100", condition=GpuCondition.LOST)
    samples = list(gpu_samples(report(bare), {}))

    assert {"info": 1, "up": 0, "lost": 1, "allocated": 0} == {
        sample.name.removeprefix("dllab_gpu_"): sample.value for sample in samples
    }


@pytest.mark.parametrize(
    ("condition", "up", "lost"),
    [
        (GpuCondition.OK, [1], [0]),
        (GpuCondition.LOST, [0], [1]),
        (GpuCondition.RESET_REQUIRED, [0], [1]),
        (GpuCondition.FAILED, [0], [0]),
        (GpuCondition.NOT_PERMITTED, [], []),
    ],
)
def test_what_counts_as_lost(condition: GpuCondition, up: list[float], lost: list[float]) -> None:
    """A read that failed is no loss; of a GPU that may not be read neither is known."""
    gpu = FULL.model_copy(update={"condition": condition})
    samples = list(gpu_samples(report(gpu), {}))

    assert (up, lost) == (values(samples, "dllab_gpu_up"), values(samples, "dllab_gpu_lost"))


def test_a_divided_gpu() -> None:
    """Held and free are the slices of a divided GPU, not the GPU."""
    whole = FULL.model_copy(update={"divided": True})
    part = Gpu(index=0, slice=1, uuid="MIG-1", name="NVIDIA H100", mig="1g.10gb")
    samples = list(gpu_samples(report(whole, part), {"MIG-1": ADA}))

    allocated = [sample for sample in samples if sample.name == "dllab_gpu_allocated"]
    assert [("0:1", 1)] == [(sample.labels["gpu"], sample.value) for sample in allocated]


def test_who_holds_a_gpu() -> None:
    """Who uses it counts, so of a lent GPU the job; people are told apart and not named."""
    lent = ADA.model_copy(update={"lent_to": Holder(kind="job", owner="ada", name="secret")})
    private = list(gpu_samples(report(FULL), {UUID: lent}))
    open_ = list(gpu_samples(report(FULL), {UUID: lent}, private=False))

    assert {"job", owner_hash("ada")} < words(private)
    assert not {"ada", "thesis", "secret", "thesis-bcdfghj"} & words(private)
    assert owner_hash("ada") not in words(open_)
    assert {"job"} < words(open_)


def test_of_a_job_in_all_states_of_its_workers() -> None:
    """There are at most 12 series of one job."""
    states = tuple(
        ReplicaStatus(role="worker", index=n, attempt=3, state=state)
        for n, state in enumerate(JobState)
    )
    progress = Progress(step=100, time=50.0, interval=1000.0)
    samples = list(job_samples([job(replicas=states, progress=progress, attempt=3)], private=True))
    own = [sample for sample in samples if "job_id" in sample.labels]

    assert 0 < len(own) <= 12
    assert [2] == values(own, "dllab_job_restarts_total")
    assert [3000] == values(own, "dllab_job_step_limit_seconds")
    assert "secret" not in words(samples)


def test_a_fast_job_may_be_silent_for_ten_minutes() -> None:
    """Three reports of a fast job are no time: it is late after ten minutes."""
    fast = job(progress=Progress(step=1, time=1.0, interval=0.01))

    assert [600] == values(job_samples([fast], private=True), "dllab_job_step_limit_seconds")


def test_a_job_that_has_said_little() -> None:
    """Before it is known how often a job reports, it is never late, however fast its steps are."""
    new = job(progress=Progress(step=1, time=1.0, rate=100))

    assert [] == values(job_samples([new], private=True), "dllab_job_step_limit_seconds")


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.PAUSED, JobState.PENDING])
def test_a_job_that_does_not_run(state: JobState) -> None:
    """Only what runs has series of its own; what has ended or is paused is not even counted."""
    samples = list(job_samples([job(state)], private=True))

    assert {"dllab_jobs"} == {sample.name for sample in samples}
    assert (state is JobState.PENDING) == sum(values(samples, "dllab_jobs"))


def test_where_everybody_may_read() -> None:
    """On a route that may be open, nothing tells one job or deployment from another."""
    samples = [
        *job_samples([job()], private=False),
        *deployment_samples([deployment()], private=False),
    ]

    assert {"dllab_jobs", "dllab_replicas"} == {sample.name for sample in samples}
    assert {"state"} == {label for sample in samples for label in sample.labels}


def test_of_a_deployment() -> None:
    """Requests, failures, those that wait and the latency, by deployment and person."""
    samples = list(deployment_samples([deployment()], private=True))

    assert [10] == values(samples, "dllab_endpoint_requests_total")
    assert [2] == values(samples, "dllab_endpoint_failures_total")
    assert [0.25] == values(samples, "dllab_endpoint_latency_seconds")
    assert f"{owner_hash('ada')}/digits" in words(samples)


def test_of_a_version() -> None:
    """Each version that serves has counters, a histogram, its part, its replicas and what is with
    them; there is a label for it and for the deployment, and no other.
    """
    tally = Tally(requests=10, failed=4, seconds=0.75, within=(0,) * 5 + (2,) * 3 + (6,) * 7)
    versions = (
        VersionTraffic(version=1, percent=90, ready=1, tally=tally),
        VersionTraffic(version=12, percent=10, tally=Tally()),
    )
    replicas = tuple(
        DeploymentReplica(name=f"replica-{n}", version=version, state=ReplicaState.READY)
        for n, version in enumerate((1, 1, 12, 7))
    )
    busy = {"replica-0": 3, "replica-1": 2, "replica-3": 9}
    seen = deployment(versions=versions, replicas=replicas, traffic=Traffic(busy=busy))
    samples = [one for one in deployment_samples([seen], private=True) if "version" in one.labels]
    own = [one for one in samples if one.labels["version"] == "1"]
    buckets = {one.labels["le"]: one.value for one in own if one.name.endswith("_bucket")}

    assert {"1", "12"} == {one.labels["version"] for one in samples}
    assert {f"{owner_hash('ada')}/digits"} == {one.labels["endpoint"] for one in samples}
    assert {"endpoint", "version", "le"} == {label for one in samples for label in one.labels}
    assert {
        "traffic_ratio": 0.9, "ready_replicas": 1, "inflight": 5, "requests_total": 10,
        "failures_total": 4, "latency_seconds_sum": 0.75, "latency_seconds_count": 6,
    } == {
        one.name.removeprefix("dllab_endpoint_version_"): one.value
        for one in own
        if "le" not in one.labels
    }  # fmt: skip
    assert (16, 0, 2, 6, 6) == (
        len(buckets),
        *(buckets[le] for le in ("0.001", "0.05", "60.0", "+Inf")),
    )
    assert 23 == len(own)


def test_a_version_that_is_not_measured() -> None:
    """Whoever knows no counts shows none; without a balancer nothing is said to be in flight."""
    versions = (VersionTraffic(version=1, percent=100, ready=1),)
    samples = deployment_samples([deployment(versions=versions, traffic=None)], private=True)

    assert {"dllab_endpoint_version_traffic_ratio", "dllab_endpoint_version_ready_replicas"} == {
        one.name for one in samples if "version" in one.labels
    }


def test_the_balancer_is_not_there() -> None:
    """Without a balancer there are no numbers of requests: 0 would say that they were lost."""
    samples = deployment_samples([deployment(traffic=None, versions=())], private=True)

    assert {"dllab_endpoint_replicas", "dllab_replicas"} == {sample.name for sample in samples}


def test_of_a_host() -> None:
    """What cannot be read of a machine is not there."""
    host = Host(time=1.0, cpus=4, memory=5, disks=(Disk(name="home", used=1, total=2),))
    samples = list(host_samples(host))

    assert {
        "dllab_host_cpus": 4,
        "dllab_host_memory_used_bytes": 5,
        "dllab_host_disk_used_bytes": 1,
        "dllab_host_disk_total_bytes": 2,
    } == {sample.name: sample.value for sample in samples}


def test_nobody_has_no_hash() -> None:
    """Different people have different hashes of twelve digits; nobody has none."""
    assert "" == owner_hash("")
    assert 12 == len(owner_hash("ada")) != owner_hash("grace")
