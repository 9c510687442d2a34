"""`Fleet`: the replicas of a deployment, and which of them are to come and to go.

A replica that is too many drains; one that serves something else than is wished for does when
enough others answer in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .haproxy import POOLS
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
    """

    model: str
    version: int
    pool: str
    count: int


def crews_of(wish: Wish) -> list[Crew]:
    """Replicas that there are to be: of the version that serves, and of a canary."""
    if wish.deleting:
        return []
    crews = [Crew(wish.spec.model, wish.version, wish.pool, wish.replicas)]
    if (canary := wish.canary) is not None:
        crews.append(Crew(wish.spec.model, canary.version, wish.other_pool, canary.replicas))
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
            and not one.draining
            and not one.unit.known.outdated
        ]

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

    def surplus(self, crews: Sequence[Crew]) -> list[Replica]:
        """Those that can go now.

        Args:
            crews: The first one is there in the place of those that are old; none: all can go.
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
        return going

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
