"""The order in which waiting jobs get their turn: pure functions.

A job's place is that of the moment from which it waits. A person's own jobs fill the places that
the person has by priority: whoever calls all their jobs urgent gains nothing over others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ("Ticket", "line")


@dataclass(frozen=True)
class Ticket:
    """A job that waits.

    Attributes:
        id: Of the job.
        owner: Whose it is.
        since: From when it waits, seconds since the epoch.
        priority: Among the owner's own.
    """

    id: str
    owner: str
    since: float
    priority: int = 0


_T = TypeVar("_T", bound=Ticket)


def line(tickets: Iterable[_T]) -> list[_T]:
    """Who gets the first turn, who the next.

    >>> first, hers = Ticket("a-1", "ada", 1.0), Ticket("g-1", "grace", 2.0)
    >>> urgent = Ticket("a-2", "ada", 3.0, priority=5)
    >>> [ticket.id for ticket in line([first, hers, urgent])]
    ['a-2', 'g-1', 'a-1']
    """
    places = sorted(tickets, key=lambda ticket: (ticket.since, ticket.id))
    theirs: dict[str, list[_T]] = {}
    for ticket in sorted(places, key=lambda ticket: -ticket.priority):
        theirs.setdefault(ticket.owner, []).append(ticket)
    turns = {owner: iter(own) for owner, own in theirs.items()}
    return [next(turns[place.owner]) for place in places]
