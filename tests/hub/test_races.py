"""Twenty people press Start at once: exactly as many labs start as there are GPUs, every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from running_hub import RunningHub, hub_with_stubs, until

from dllab_hub.leases import LeaseDir

GPUS, PEOPLE = 4, 20
UUIDS = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in range(GPUS)]
USERS = [f"user{n}" for n in range(PEOPLE)]
WISH = {"image": "pytorch", "gpus": 1}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with hub_with_stubs(tmp_path_factory.mktemp("races"), GPUS) as running:
        with ThreadPoolExecutor(PEOPLE) as pool:
            list(pool.map(running.add, USERS))
        yield running


def start(hub: RunningHub, user: str) -> int | str:
    """What somebody is answered; 202 is for a start that takes longer than ten seconds."""
    code = hub.api("POST", f"/users/{user}/server", WISH).status_code
    return "started" if code in (201, 202) else code


def all_start(hub: RunningHub) -> Counter[int | str]:
    """What everybody is answered, all at once."""
    with ThreadPoolExecutor(PEOPLE) as pool:
        return Counter(pool.map(partial(start, hub), USERS))


def running(hub: RunningHub) -> list[str]:
    """Whose labs are ready."""
    users: list[dict[str, Any]] = hub.api("GET", "/users?include_stopped_servers=0").json()
    return sorted(
        user["name"] for user in users if any(s["ready"] for s in user["servers"].values())
    )


def waiting(hub: RunningHub) -> bool:
    """Whether anything is not decided yet."""
    users: list[dict[str, Any]] = hub.api("GET", "/users?include_stopped_servers=0").json()
    return any(server["pending"] for user in users for server in user["servers"].values())


def holders(hub: RunningHub) -> list[str]:
    """Who holds the GPUs; names appear as often as they hold one."""
    held = LeaseDir(hub.state.leases).held(UUIDS).values()
    return sorted(about["owner"] for about in held if about)


def stop_all(hub: RunningHub) -> None:
    winners = running(hub)
    with ThreadPoolExecutor(GPUS) as pool:
        list(pool.map(hub.end, winners))


def rounds(hub: RunningHub, number: int, restart_every: int) -> None:
    """Start all, see who has won, kill the hub now and then, stop all."""
    for n in range(number):
        answers = all_start(hub)
        # Who was told 202 on a slow machine may still be refused.
        assert until(lambda: not waiting(hub), 60), (n, answers)
        winners = running(hub)
        assert GPUS == len(winners) <= answers["started"], n
        assert PEOPLE == answers["started"] + answers[409], (n, answers)
        assert winners == holders(hub), n
        assert GPUS == len(set(winners)), n
        if n % restart_every == 0:
            hub.kill()
            again = all_start(hub)
            assert until(lambda: not waiting(hub), 60), (n, again)
            assert winners == running(hub), n
            assert GPUS == again[400], (n, again)
            assert winners == holders(hub), n
        stop_all(hub)
        assert [] == holders(hub), n


def test_exactly_as_many_start(hub: RunningHub) -> None:
    """Two rounds, with a hub that is killed between."""
    rounds(hub, 2, restart_every=2)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_exactly_as_many_start_fifty_times(hub: RunningHub) -> None:
    """Fifty rounds, with a hub that is killed in every tenth."""
    rounds(hub, 50, restart_every=10)
