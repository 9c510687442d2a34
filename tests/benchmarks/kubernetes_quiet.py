"""A service at rest with 10 and with 1,000 jobs that run, outages meanwhile, and 10,000 jobs kept.

What it costs a cluster and its machine while nobody asks anything. The API server is the scripted
one, in this process; each service is a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from fake_api import FakeApi
from insight_history import JOBS, fill
from kubernetes_service import Service, scripted, serving
from table import Row, Spread

from dllab_hub.backends.kubernetes.kinds import JOBSETS
from dllab_hub.manifests.gang import set_name
from dllab_hub.specs import TrainingJob

__all__ = ("history_rows", "minute_rows")

FEW, MANY = 10, 1000
MINUTE = 60.0
#: How an API server can be away: it says so, nobody listens, or it never answers.
OUTAGES: tuple[int | str, ...] = (503, "refuse", "hang")
PAGES = 20
#: Seconds until all is seen again, megabytes, and milliseconds.
BACK, MEMORY, PAGE = 15.0, 150.0, 100.0
CPU = 6.0


async def minute_rows() -> list[Row]:
    """One minute in which some services rest, and others have lost their API server."""
    async with AsyncExitStack() as stack:
        at_rest = [await _service(stack, live) for live in (FEW, MANY)]
        away = [await _service(stack, FEW) for _ in OUTAGES]
        for service, _, _ in (*at_rest, *away):
            await service.settled()
        resting = asyncio.gather(*(_rest(service, fake) for service, fake, _ in at_rest))
        back = await asyncio.gather(
            *(_away(*each, how) for each, how in zip(away, OUTAGES, strict=True))
        )
        few, many = await resting
        heavy = at_rest[1][0].megabytes
    said = "scripted API server"
    most = max(number for (_, number), how in zip(back, OUTAGES, strict=True) if how != "refuse")
    return [
        Row(
            f"kubernetes: requests in a minute in which the API server ends every watch once, "
            f"{MANY} jobs and {4 * MANY} pods at rest, against {FEW} jobs; {many.polls} of them "
            f"no watches; {said}",
            Spread((many.requests,), "requests"),
            Spread((few.requests,), "requests"),
            "as many, only watches",
            many.requests == few.requests and not many.polls,
        ),
        Row(
            f"kubernetes: CPU of that service, which has {heavy:.0f} MB of memory; with {FEW} "
            f"jobs: {few.cpu:.2f} s/min",
            Spread((many.cpu,), "s/min"),
            None,
            f"<= {CPU:.0f} s/min",
            many.cpu <= CPU,
        ),
        Row(
            f"kubernetes: back after the API server was away for {MINUTE:.0f} s "
            f"({', '.join(map(str, OUTAGES))}): an end meanwhile is known, capacity too",
            Spread(tuple(seconds for seconds, _ in back), "s"),
            None,
            f"all <= {BACK:.0f} s",
            all(seconds <= BACK for seconds, _ in back),
        ),
        Row(
            "kubernetes: most requests in any second of such an outage (503, hang)",
            Spread((most,), "requests"),
            None,
            "<= 1",
            most <= 1,
        ),
    ]


@dataclass(frozen=True)
class Rest:
    """A minute of a service: requests, those that are no watches, and CPU seconds."""

    requests: int
    polls: int
    cpu: float


_Served = tuple[Service, FakeApi, list[TrainingJob]]


async def _service(stack: AsyncExitStack, live: int) -> _Served:
    fake, home, jobs = await stack.enter_async_context(scripted(live))
    serve = serving(home, home / "kubeconfig", home / "shared")
    return await stack.enter_async_context(serve), fake, jobs


async def _rest(service: Service, fake: FakeApi) -> Rest:
    begun, used = len(fake.requests), service.cpu
    # As API servers do after some minutes; so that there is something to count.
    fake.end_watches()
    await asyncio.sleep(MINUTE)
    asked = [each.verb for each in fake.requests[begun:]]
    return Rest(len(asked), sum(verb != "watch" for verb in asked), service.cpu - used)


async def _away(
    service: Service, fake: FakeApi, jobs: list[TrainingJob], how: int | str
) -> tuple[float, float]:
    """Seconds until all is known again, and the most requests in any second of the outage."""
    job = jobs[0]
    async with fake.outage(how):
        began = time.monotonic()
        await asyncio.sleep(MINUTE / 2)
        made = fake.get(JOBSETS, "dllab-jobs", set_name(job.id))
        assert made is not None
        over = [{"type": "Completed", "status": "True"}]
        fake.put(JOBSETS, {**made, "status": {"restarts": 0, "conditions": over}})
        await asyncio.sleep(MINUTE / 2)
        most = fake.most_per(1.0, since=began)
    back = time.monotonic()

    def known() -> bool:
        state = service.http.get(f"jobs/{job.id}").json()["state"]
        return bool(state == "SUCCEEDED" and service.http.get("capacity").status_code == 200)

    await _until(known, 60)
    return time.monotonic() - back, float(most)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < give_up, "it did not happen"
        await asyncio.sleep(0.1)


async def history_rows() -> list[Row]:
    """A service that keeps 10,000 jobs which have ended."""
    async with AsyncExitStack() as stack:
        _, home, _ = await stack.enter_async_context(scripted(0))
        await asyncio.to_thread(fill, home / "state")
        service, took = await _listed(stack, home)
        await service.settled()
        memory = service.megabytes
    page = Spread(tuple(took), "ms")
    return [
        Row(
            f"kubernetes: memory of the lab service's process with {JOBS} jobs kept, "
            f"after {PAGES} lists",
            Spread((memory,), "MB"),
            None,
            f"<= {MEMORY:.0f} MB",
            memory <= MEMORY,
        ),
        Row(
            f"kubernetes: the first page of {JOBS} jobs, by REST",
            page,
            None,
            f"p50 <= {PAGE:.0f} ms",
            page.median <= PAGE,
        ),
    ]


async def _listed(stack: AsyncExitStack, home: Path) -> tuple[Service, list[float]]:
    service = await stack.enter_async_context(serving(home, home / "kubeconfig", home / "shared"))
    took = []
    for _ in range(PAGES):
        began = time.monotonic()
        answer = await asyncio.to_thread(service.http.get, "jobs", params={"limit": 50})
        took.append((time.monotonic() - began) * 1e3)
        assert len(answer.json()["jobs"]) == 50, answer.text[:500]
    return service, took
