"""How far it goes: a thousand labs, five thousand jobs and five hundred deployments on a cluster.

The API server, its controllers and its scheduler are those that ``KUBECONFIG`` names, where this
may do anything; its nodes are simulated. For other numbers, or a look at the service meanwhile::

    python tests/benchmarks/kubernetes_scale.py --labs 100 --jobs 500 --running 100 --deployments 50
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from kubernetes_crowd import Crowd, Numbers, crowded
from kubernetes_nodes import Admin
from kubernetes_service import Service, serving
from real_cluster import KUBECONFIG
from table import Row, Spread, print_table

from dllab_hub.backends.kubernetes.kinds import PODS
from dllab_hub.manifests.served import ID_LABEL
from dllab_hub.manifests.training import OWNER_ANNOTATION
from dllab_hub.specs import TrainingJob

__all__ = ("scale_rows",)

#: Seconds, changes and lists.
REST, CHANGES, LISTS = 60.0, 50, 20
#: Megabytes, requests a second, seconds, milliseconds.
MEMORY, REQUESTS, LAG, PAGE = 300.0, 2.0, 1.0, 200.0
#: Seconds for the service to have all deployments ready, and to come to rest.
_MADE, _CALM = 600.0, 300.0
#: The service, which writes down what it asks of the API server.
_COUNTED = """
import sys
from pathlib import Path
from dllab_hub.backends.kubernetes.connection import Connection, InPod
from dllab_hub.hub.service import main
InPod.account = Path({account!r})
send = Connection.send
asked = (InPod.account / "asked").open("a", buffering=1)
async def counted(self, method, path, query=None, *args, **more):
    watches = (query or {{}}).get("watch") == "true"
    asked.write("%s %s\\n" % ("WATCH" if watches else method, path))
    return await send(self, method, path, query, *args, **more)
Connection.send = counted
sys.exit(main())
"""


async def scale_rows() -> list[Row]:
    """All rows; a single one that says why, where there is no cluster."""
    return [row async for row in _measured(Numbers())]


async def _measured(numbers: Numbers) -> AsyncIterator[Row]:
    if not KUBECONFIG:
        yield Row(f"kubernetes: {numbers}", why="KUBECONFIG names no cluster")
        return
    api = await Admin.connect(KUBECONFIG)
    assert isinstance(api, Admin)
    try:
        async with crowded(api, Path(KUBECONFIG), numbers) as crowd:
            for row in await _first(crowd):
                yield row
            async for row in _second(crowd, str(numbers)):
                yield row
    finally:
        await api.close()


async def _first(crowd: Crowd) -> list[Row]:
    """Of the cluster's own work, and of a service that makes all deployments."""
    began = time.monotonic()
    async with _service(crowd) as service:
        await _until(lambda: _answering(crowd, service), _MADE)
        made = time.monotonic() - began
        await _at_rest(crowd, service)
        asked = _asked(crowd)
    many = len(crowd.deployments)
    return [
        _told(
            f"kubernetes: {crowd.objects} objects of labs and jobs made through the API",
            (crowd.took,),
            "s",
        ),
        _told(
            f"kubernetes: {many} deployments from a service's books to replicas that are ready; "
            f"{_counted(asked)} until it rests",
            (made,),
            "s",
        ),
    ]


async def _second(crowd: Crowd, numbers: str) -> AsyncIterator[Row]:
    """Of a service that takes all of it over."""
    # Some jobs end while nobody looks: that they have is what it must find out.
    few = len(crowd.running) // 5
    missed, rest = crowd.running[:few], crowd.running[few:]
    for job in missed:
        await crowd.end(job)
    began = time.monotonic()
    async with _service(crowd) as service:
        ended = [job.id for job in missed]
        await _until(lambda: _all_known(crowd, service, ended), _CALM)
        known = time.monotonic() - began
        first = service.megabytes
        calm = await _at_rest(crowd, service) - began
        asked = _asked(crowd)
        yield _told(
            f"kubernetes: a service starts and knows all, {numbers}; {_counted(asked)} until it "
            f"rests after {calm:.0f} s; {first:.0f} MB by then",
            (known,),
            "s",
        )
        for row in [*await _rest(crowd, service), *await _lists(crowd, service)]:
            yield row
        jobs = [await _job_lag(crowd, service, job) for job in rest[:CHANGES]]
        yield _lag("a job ends in the cluster", jobs)
        yield _lag("a replica is not ready", await _deployment_lags(crowd, service))
        yield _memory("after all that", service)


@asynccontextmanager
async def _service(crowd: Crowd) -> AsyncIterator[Service]:
    (crowd.home / "account" / "asked").write_text("")
    kubeconfig = crowd.home / "account"  # As in a pod, it is not read.
    async with serving(crowd.home, kubeconfig, crowd.shared, _COUNTED) as service:
        yield service


async def _rest(crowd: Crowd, service: Service) -> list[Row]:
    """A minute in which nothing happens."""
    before, used, begun = await crowd.api.metrics(), service.cpu, len(_asked(crowd))
    await asyncio.sleep(REST)
    after, asked, used = await crowd.api.metrics(), _asked(crowd)[begun:], service.cpu - used
    rate, polls = len(asked) / REST, sum(not line.startswith("WATCH") for line in asked)
    served = _requests(after) - _requests(before)
    held = after["process_resident_memory_bytes"] / 1e6
    return [
        Row(
            f"kubernetes: requests of the service at rest, {polls} of {len(asked)} no watches; "
            f"the API server, which has {held:.0f} MB of memory, answered {served / REST:.1f} "
            "requests a second meanwhile, the simulated nodes' words too",
            Spread((rate,), "requests/s"),
            None,
            f"<= {REQUESTS:.0f} requests/s",
            rate <= REQUESTS,
        ),
        _told("kubernetes: CPU of the service at rest", (used / REST * 100,), "% of a core"),
        _memory("at rest", service),
    ]


def _memory(when: str, service: Service) -> Row:
    held = service.megabytes
    return Row(
        f"kubernetes: memory of the service's process {when}",
        Spread((held,), "MB"),
        None,
        f"<= {MEMORY:.0f} MB",
        held <= MEMORY,
    )


async def _lists(crowd: Crowd, service: Service) -> list[Row]:
    """First pages, what is free, and one of each."""
    mine = next(name for owner, name in crowd.deployments if owner == "ada")
    looks = {
        "first page of jobs": "jobs?limit=50",
        "first page of deployments": "deployments?limit=50",
        "what is free": "capacity",
        "one deployment": f"deployments/{mine}",
        "one job": f"jobs/{crowd.running[-1].id}",
    }
    rows = []
    for what, path in looks.items():
        took = []
        for _ in range(LISTS):
            began = time.monotonic()
            answer = await asyncio.to_thread(service.http.get, path)
            took.append((time.monotonic() - began) * 1e3)
            assert answer.status_code == 200, answer.text[:500]
        spread = Spread(tuple(took), "ms")
        target = f"p50 <= {PAGE:.0f} ms"
        rows.append(
            Row(f"kubernetes: {what}, by REST", spread, None, target, spread.median <= PAGE)
        )
    return rows


async def _job_lag(crowd: Crowd, service: Service, job: TrainingJob) -> float:
    """Seconds from the API server's answer until the service says that the job has ended."""
    await crowd.end(job)
    began = time.monotonic()
    await _until(lambda: _state(service, f"jobs/{job.id}", "SUCCEEDED"), 60, often=0.01)
    return time.monotonic() - began


async def _deployment_lags(crowd: Crowd, service: Service) -> list[float]:
    """The same for deployments of which a replica is not ready any more."""
    pods, _ = await crowd.api.list(PODS, crowd.models, labels=ID_LABEL)
    mine = [
        pod for pod in pods if pod["metadata"].get("annotations", {}).get(OWNER_ANNOTATION) == "ada"
    ]
    lags = []
    for pod in mine[:CHANGES]:
        about, known = pod["metadata"], pod["status"]["conditions"]
        after = [one | ({"status": "False"} if one["type"] == "Ready" else {}) for one in known]
        status = {"status": {"conditions": after}}
        await crowd.api.merge(PODS, crowd.models, about["name"], status, "status")
        began = time.monotonic()
        lost = partial(_is_lost, service, f"deployments/{about['labels'][ID_LABEL]}")
        await _until(lost, 60, often=0.01)
        lags.append(time.monotonic() - began)
    return lags


def _lag(what: str, seconds: Sequence[float]) -> Row:
    p99 = sorted(seconds)[max(0, round(len(seconds) * 0.99) - 1)]
    return Row(
        f"kubernetes: {what} until the service says so by REST; p99 {p99 * 1e3:.0f} ms",
        Spread(tuple(each * 1e3 for each in seconds), "ms"),
        None,
        f"p99 <= {LAG * 1e3:.0f} ms",
        p99 <= LAG,
    )


def _told(name: str, values: tuple[float, ...], unit: str) -> Row:
    return Row(name, Spread(values, unit), None, "none was set", True)


def _answering(crowd: Crowd, service: Service) -> bool:
    """Whether all of ada's deployments are ready: others' are made meanwhile, one like another."""
    mine = [name for owner, name in crowd.deployments if owner == "ada"]
    return all(_is_ready(service, f"deployments/{name}") for name in mine)


def _all_known(crowd: Crowd, service: Service, ended: Sequence[str]) -> bool:
    return all(_state(service, f"jobs/{id}", "SUCCEEDED") for id in ended) and _answering(
        crowd, service
    )


def _state(service: Service, path: str, state: str) -> bool:
    return bool(service.http.get(path).json()["state"] == state)


def _is_ready(service: Service, path: str) -> bool:
    return bool(service.http.get(path).json()["ready"])


def _is_lost(service: Service, path: str) -> bool:
    return not _is_ready(service, path)


async def _at_rest(crowd: Crowd, service: Service) -> float:
    """When it came to rest, on the monotonic clock: hardly anything in two looks one by one."""
    give_up, quiet = time.monotonic() + _CALM, 0
    while quiet < 2:
        assert time.monotonic() < give_up, "the service does not come to rest"
        before, begun = service.cpu, len(_asked(crowd))
        await asyncio.sleep(2)
        rests = service.cpu - before < 1.0 and len(_asked(crowd)) - begun < 2
        quiet = quiet + 1 if rests else 0
    return time.monotonic()


async def _until(condition: Callable[[], bool], seconds: float, often: float = 0.2) -> None:
    give_up = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < give_up, "it did not happen"
        await asyncio.sleep(often)


def _asked(crowd: Crowd) -> list[str]:
    return (crowd.home / "account" / "asked").read_text().splitlines()


def _counted(asked: Sequence[str]) -> str:
    verbs = Counter(line.partition(" ")[0] for line in asked)
    return f"{len(asked)} requests ({', '.join(f'{n} {verb}' for verb, n in verbs.most_common())})"


def _requests(metrics: dict[str, float]) -> float:
    return sum(n for name, n in metrics.items() if name.startswith("apiserver_request_total{"))


async def _print(numbers: Numbers) -> int:
    rows: list[Row] = []
    try:
        async for row in _measured(numbers):
            rows.append(row)
    except BaseException:
        print_table(rows)  # Minutes of measuring are not lost.
        raise
    return print_table(rows)


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Numbers):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    return asyncio.run(_print(Numbers(**vars(parser.parse_args()))))


if __name__ == "__main__":
    sys.exit(main())
