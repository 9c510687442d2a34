"""`Fleet`: the replicas of a deployment, and which of them are to come and to go.

A replica that is too many drains; one that serves something else than is wished for does when
enough others answer in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .balancer import Server
from .haproxy import POOLS
from .kit import Kit
from .replica import Replica
from .wish import Wish

__all__ = ("Crew", "Fleet", "crews_of")

#: So many replicas of a deployment start at a time: they would only slow each other down.
_AT_ONCE = 2


@dataclass(frozen=True)
class Crew:
    """Replicas that there are to be.

    Attributes:
        model: Name of what they serve.
        version: Of the model.
        pool: Of the balancer, that they are in.
        count: How many.
        kit: What each of them gets.
    """

    model: str
    version: int
    pool: str
    count: int
    kit: Kit = field(default_factory=Kit)


def crews_of(wish: Wish) -> list[Crew]:
    """Replicas that there are to be: of the version that serves, and of a canary."""
    if wish.deleting:
        return []
    model, kit = wish.spec.model, Kit.of(wish.spec)
    crews = [Crew(model, wish.version, wish.pool, wish.replicas, kit)]
    if (canary := wish.canary) is not None:
        crews.append(Crew(model, canary.version, wish.other_pool, canary.replicas, kit))
    return crews


class Fleet:
    """What there is, oldest first.

    Args:
        replicas: Those that a service before has made.
    """

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = sorted(replicas, key=lambda one: one.number)

    def __iter__(self) -> Iterator[Replica]:
        return iter(tuple(self._replicas))

    def __len__(self) -> int:
        return len(self._replicas)

    def add(self, replica: Replica) -> None:
        """There is another one."""
        self._replicas.append(replica)

    def remove(self, replica: Replica) -> None:
        """One is gone."""
        self._replicas.remove(replica)

    def of(self, crew: Crew) -> list[Replica]:
        """Those that are as a crew wants them."""
        return [
            one
            for one in self._replicas
            if one.serves == (crew.model, crew.version)
            and one.pool == crew.pool
            and one.kit == crew.kit
            and not one.draining
            and not one.unit.known.outdated
        ]

    def members(self) -> list[Server]:
        """Those that the balancer is to have."""
        return [
            Server(one.name, one.socket, pool=one.pool)
            for one in self._replicas
            if one.joined and not one.draining
        ]

    def gpus(self) -> tuple[tuple[str, ...], ...]:
        """UUIDs of the GPUs of each replica that answers and has some."""
        there = (one for one in self._replicas if one.ready and not one.draining)
        return tuple(one.unit.gpus for one in there if one.kit.gpus)

    def trouble(self, crew: Crew) -> str:
        """Why none of a crew can be started; empty while there is hope."""
        there = self.of(crew)
        if not there or not all(one.failing for one in there):
            return ""
        return there[0].unit.known.reason or "its replicas end by themselves."

    def percent(self, wish: Wish) -> int:
        """Of 100 requests, how many the second pool is to get."""
        second = POOLS[1]
        if wish.canary is not None:
            canary = wish.canary.percent
            return canary if wish.other_pool == second else 100 - canary
        # Where one version takes over from another each gets what its replicas can bear.
        ready = [one.pool == second for one in self._replicas if one.ready and not one.draining]
        return round(100 * sum(ready) / len(ready)) if ready else 100 * (wish.pool == second)

    def old(self, crews: Sequence[Crew]) -> list[Replica]:
        """Those that no crew wants, and that take requests still."""
        wanted = [one for crew in crews for one in self.of(crew)]
        return [one for one in self._replicas if not one.draining and one not in wanted]

    def keeper(self, crews: Sequence[Crew]) -> str:
        """Name of an old one that has GPUs for which another one waits, and that is the last to
        answer; else empty.
        """
        old, answer = self._awaited(crews), self._answering(crews)
        return answer[0].name if len(answer) == 1 and answer[0] in old else ""

    def surplus(self, crews: Sequence[Crew], *, last: bool = False) -> list[Replica]:
        """Those that can go now.

        While one in their place waits for GPUs that they have, old ones go before it is there: one
        at a time, and not the last that answers. Then the other one waits on.

        Args:
            crews: The first one is there in the place of those that are old; none: all can go.
            last: That one may go as well: requests wait until the other one answers.
        """
        going = []
        for crew in crews:
            # Those that do not answer go first; then the newest.
            current = sorted(self.of(crew), key=lambda one: (one.ready, -one.number))
            going += current[: max(len(current) - crew.count, 0)]
        wished = crews[0].count if crews else 0
        ready = sum(one.ready for one in self.of(crews[0])) if crews else 0
        old = sorted(self.old(crews), key=lambda one: (one.ready, one.number))
        while old and ready + len(old) > wished:
            going.append(old.pop(0))
        # What drains gives its GPUs back soon.
        if going or any(one.draining and one.kit.gpus for one in self._replicas):
            return going
        spare = last or len(self._answering(crews)) > 1
        return [one for one in self._awaited(crews)[:1] if spare or not one.ready]

    def _awaited(self, crews: Sequence[Crew]) -> list[Replica]:
        """Old ones whose GPUs one in their place waits for; those that do not answer first."""
        if not crews or not any(one.waiting for one in self.of(crews[0])):
            return []
        old = [one for one in self.old(crews) if one.kit.gpus]
        return sorted(old, key=lambda one: (one.ready, one.number))

    def _answering(self, crews: Sequence[Crew]) -> list[Replica]:
        """Those that answer, but for a canary's."""
        return [one for one in (*self.old(crews), *self.of(crews[0])) if one.ready] if crews else []

    def missing(self, crews: Sequence[Crew]) -> Iterator[Crew]:
        """Whose replicas are to be started now; during a roll, one more than wished for at a time.

        Args:
            crews: As in `surplus`.
        """
        room = _AT_ONCE - sum(
            not one.ready and not one.failing for crew in crews for one in self.of(crew)
        )
        old = len(self.old(crews))
        for crew in crews:
            there = len(self.of(crew))
            missing = crew.count - there
            if crew is crews[0] and old:
                missing = min(missing, crew.count + 1 - there - old)
            for _ in range(min(missing, room)):
                room -= 1
                yield crew
