"""From a submit to a JobSet that is there: one after the other, and a hundred at once."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fake_api import FakeApi
from kubernetes_service import SPACE, scripted, serving
from real_cluster import KUBECONFIG, WHY_NOT, a_namespace
from table import Row, Spread

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.kinds import JOBSETS
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.training import ID_LABEL
from dllab_hub.specs import Code, Role, TrainingSpec
from dllab_hub.state import StateDir

__all__ = ("submit_rows",)

SUBMITS, AT_ONCE = 50, 100
#: Seconds.
MOST = 0.3
WISH = TrainingSpec(
    name="digits", image="here", code=Code(source="print()"), roles=(Role(cpus=0.1),)
)
#: No Kueue ever lets them go, so that no pod takes the machine's time while others are measured.
QUEUE = 'queue = "nobody"'


@dataclass(frozen=True)
class Place:
    """Where submits go.

    Attributes:
        said: In words.
        namespace: Of JobSets.
        kubeconfig: Of the cluster.
        home: Of a lab service.
        shared: What jobs see.
        api: For looking what is there.
    """

    said: str
    namespace: str
    kubeconfig: Path
    home: Path
    shared: Path
    api: Api

    async def made(self) -> list[str]:
        """Ids of the jobs of all JobSets."""
        found, _ = await self.api.list(JOBSETS, self.namespace)
        return sorted(each["metadata"]["labels"][ID_LABEL] for each in found)


async def submit_rows() -> list[Row]:
    """All rows about submits."""
    async with _place() as place:
        state = StateDir(place.home / "state", place.home / "state" / "envs", place.shared)
        backend = KubernetesBackend(state, connect=lambda: Api.connect(str(place.kubeconfig)))
        await backend.start()
        try:
            await backend.cluster.found(30)
            await backend.submit("ada", WISH)  # Whatever is made at the first use.
            found = [_row(place, "the backend", *await _one_by_one(place, backend))]
            found.append(await _at_once(place, backend))
        finally:
            await backend.close()
        async with serving(place.home, place.kubeconfig, place.shared) as service:
            await asyncio.to_thread(service.client.submit, WISH)
            took, there = [], True
            for _ in range(SUBMITS):
                began = time.monotonic()
                job = await asyncio.to_thread(service.client.submit, WISH)
                took.append(time.monotonic() - began)
                there = there and await _is_there(place, job.id)
            found.append(_row(place, "REST, a process of its own", took, there))
    return found


async def _one_by_one(place: Place, backend: KubernetesBackend) -> tuple[list[float], bool]:
    took, there = [], True
    for _ in range(SUBMITS):
        began = time.monotonic()
        job = await backend.submit("ada", WISH)
        took.append(time.monotonic() - began)
        there = there and await _is_there(place, job.id)
    return took, there


async def _is_there(place: Place, id: str) -> bool:
    return await place.api.get(JOBSETS, place.namespace, set_name(id)) is not None


def _row(place: Place, through: str, took: list[float], there: bool) -> Row:
    p95 = statistics.quantiles(took, n=20)[18]
    return Row(
        f"kubernetes: submit to JobSet created, {place.said}, through {through}; "
        f"p95 {p95 * 1e3:.0f} ms, {'every one was there' if there else 'NOT ALL WERE THERE'}",
        Spread(tuple(seconds * 1e3 for seconds in took), "ms"),
        None,
        f"p95 <= {MOST * 1e3:.0f} ms",
        there and p95 <= MOST,
    )


async def _at_once(place: Place, backend: KubernetesBackend) -> Row:
    before = await place.made()
    began = time.monotonic()
    jobs = await asyncio.gather(*(backend.submit("ada", WISH) for _ in range(AT_ONCE)))
    took = time.monotonic() - began
    made = [id for id in await place.made() if id not in before]
    ids = {job.id for job in jobs}
    lost, doubled = ids - set(made), len(made) - len(set(made))
    others = set(made) - ids
    return Row(
        f"kubernetes: {AT_ONCE} submits at once, {place.said}; {len(lost)} lost, "
        f"{doubled + len(others)} doubled",
        Spread((took,), "s"),
        None,
        "none lost, none doubled",
        not lost and not doubled and not others and len(ids) == AT_ONCE,
    )


@asynccontextmanager
async def _place() -> AsyncIterator[Place]:
    """The real cluster, if there is one; else the scripted API server."""
    if WHY_NOT:
        async with scripted(0) as (fake, home, _), _looking(home / "kubeconfig") as api:
            assert isinstance(fake, FakeApi)
            said = "scripted API server"
            yield Place(said, SPACE, home / "kubeconfig", home, home / "shared", api)
        return
    assert KUBECONFIG
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        home, disk = Path(name), Path(name) / "disk"
        disk.mkdir()
        async with a_namespace(disk) as here, _looking(Path(KUBECONFIG)) as api:
            here.state(home / "state", QUEUE)
            yield Place("real cluster", here.name, Path(KUBECONFIG), home, disk, api)


@asynccontextmanager
async def _looking(kubeconfig: Path) -> AsyncIterator[Api]:
    api = await Api.connect(str(kubeconfig))
    try:
        yield api
    finally:
        await api.close()
