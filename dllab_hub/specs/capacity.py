"""What GPUs and CPUs are free here, and what a wish for some would meet: `Capacity`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, Self

from .gpu import Holder
from .wire import Value

__all__ = (
    "NOBODY",
    "SHORTAGES",
    "Capacity",
    "Forecast",
    "Lending",
    "advice",
    "cpu_shortage",
    "shortage",
    "usable",
)

#: In `Holder.owner`: no person's, but another program's of a cluster. No hub has such a user name.
NOBODY = "/"

_FREE_ONE = "{free} of {total} is free"
_FREE_MANY = "{free} of {total} are free"
_FREE_NONE = "none of {total} is free"
_HELD = "{free}; held by {holders}"
_AND = "{first} and {last}"
_MY_LAB = "your lab '{name}'"
_MY_JOB = "your job '{name}'"
_MY_DEPLOYMENT = "your deployment '{name}'"
_MY_LENT = "your lab '{name}' (lent to your job '{job}')"
_MY_LENT_SERVING = "your lab '{name}' (lent to your deployment '{deployment}')"
_OTHER = "{number} other person"
_OTHERS = "{number} other people"
_PROGRAMS = "other programs"
_HOW_MANY = "{who} ({number})"

#: Every sentence of `shortage`, for translators.
SHORTAGES = (
    _FREE_ONE, _FREE_MANY, _FREE_NONE, _HELD, _AND, _MY_LAB, _MY_JOB, _MY_DEPLOYMENT, _MY_LENT,
    _MY_LENT_SERVING, _OTHER, _OTHERS, _PROGRAMS, _HOW_MANY,
)  # fmt: skip


class Forecast(Value):
    """What would happen to a request for some GPUs.

    Attributes:
        answer: ``now``, ``node`` (after a node is added), ``wait`` (they exist but are held) or
            ``never``.
        message: The sentence shown beside the choice.
        smaller: A smaller number of GPUs that would start now, 0 being the CPU; None when there is
            none, or none is needed.
    """

    answer: Literal["now", "node", "wait", "never"]
    message: str
    smaller: int | None = None


class Lending(Value):
    """The wish that a lab's GPUs may be borrowed by jobs of the same person, or no longer.

    Attributes:
        lab: Id of the lab, as in its `Holder`.
        lend: Whether they may.
    """

    lab: str
    lend: bool


class Capacity(Value):
    """GPUs of this machine or cluster, free and held.

    Attributes:
        total: How many exist.
        free: How many nobody holds.
        holders: One entry for each held GPU, as the asking person may see it.
        forecast: For the number of GPUs that a job was to get, else None.
    """

    total: int
    free: int
    holders: tuple[Holder, ...] = ()
    forecast: Forecast | None = None

    @classmethod
    def of(
        cls,
        owner: str,
        total: int,
        held: Iterable[Holder],
        gpus: int | None = None,
        *,
        on_cluster: bool = False,
    ) -> Self:
        """What ``owner`` may know when the GPUs ``held`` (one entry each) of ``total`` are taken.

        Args:
            owner: Who asks; other people's names and ids are left out.
            total: How many GPUs there are.
            held: Who holds each GPU that is not free, with all names.
            gpus: How many a job is to get, or None without a wish.
            on_cluster: Whether they are on several machines, where labs lend nothing.
        """
        held = tuple(held)
        return cls(
            total=total,
            free=total - len(held),
            holders=tuple(holder.seen_by(owner) for holder in held),
            forecast=None if gpus is None else _forecast(owner, total, held, gpus, on_cluster),
        )


def usable(owner: str, total: int, held: Collection[Holder]) -> int:
    """How many GPUs a job of ``owner`` could get now: the free ones and those their labs lend."""
    return total - len(held) + sum(_is_loan(holder, owner) for holder in held)


def advice(owner: str, total: int, held: Collection[Holder], gpus: int) -> str:
    """A sentence that says which lab to lend so that a job could start, or an empty string."""
    missing = gpus - usable(owner, total, held)
    labs: dict[str, int] = {}
    for holder in held:
        if holder.kind == "lab" and holder.owner == owner and owner and not holder.lend:
            labs[holder.name] = labs.get(holder.name, 0) + 1
    if missing <= 0 or sum(labs.values()) < missing:
        return ""
    enough = [name for name, number in labs.items() if number >= missing]
    if len(labs) == 1:
        return "Lend your lab's GPUs to start it now."
    which = f"lab '{enough[0]}'" if enough else "labs"
    return f"Lend the GPUs of your {which} to start it now."


def shortage(owner: str, total: int, held: Iterable[Holder]) -> str:
    """Why GPUs are short, for ``owner`` to read; nobody else's names are in it.

    >>> mine = Holder(kind="lab", owner="ada", name="x")
    >>> shortage("ada", 4, [mine, Holder(kind="job", owner="grace", name="secret")])
    "2 of 4 are free; held by your lab 'x' and 1 other person"
    """
    return _shortage(owner, total, [(holder, 1) for holder in held])


def cpu_shortage(owner: str, total: float, held: Iterable[tuple[Holder, float]]) -> str:
    """As `shortage`, for CPUs: each job that runs, and how many it counts for.

    >>> job = Holder(kind="job", owner="ada", name="x")
    >>> cpu_shortage("ada", 4, [(job, 2.5)])
    "1.5 of 4 are free; held by your job 'x'"
    """
    return _shortage(owner, total, held)


def _shortage(owner: str, total: float, held: Iterable[tuple[Holder, float]]) -> str:
    held = tuple(held)
    number = max(total - sum(count for _, count in held), 0)
    free = _FREE_NONE if not number else _FREE_ONE if number == 1 else _FREE_MANY
    free = free.format(free=f"{number:g}", total=f"{total:g}")
    if not held:
        return free
    parties: dict[str, float] = {}
    others: dict[str, float] = {}
    unknown = 0.0
    for holder, count in held:
        mine = owner and holder.owner == owner
        if holder.owner == NOBODY:
            unknown += count
            continue
        names, who = (parties, _thing(holder)) if mine else (others, holder.owner)
        names[who] = names.get(who, 0) + count
    if others:
        people = len(others)
        who = (_OTHER if people == 1 else _OTHERS).format(number=people)
        parties[who] = sum(others.values())
    if unknown:
        parties[_PROGRAMS] = unknown
    said = list(parties)
    if len(parties) > 1 and set(parties.values()) != {1}:  # Else it is plain how many each has.
        said = [_HOW_MANY.format(who=who, number=f"{n:g}") for who, n in parties.items()]
    if said[1:]:
        said = [_AND.format(first=", ".join(said[:-1]), last=said[-1])]
    return _HELD.format(free=free, holders=said[0])


def _thing(holder: Holder) -> str:
    if (to := holder.lent_to) is not None:
        if to.kind == "deployment":
            return _MY_LENT_SERVING.format(name=holder.name, deployment=to.name)
        return _MY_LENT.format(name=holder.name, job=to.name)
    words = {"lab": _MY_LAB, "job": _MY_JOB, "deployment": _MY_DEPLOYMENT}
    return words[holder.kind].format(name=holder.name)


def _forecast(
    owner: str, total: int, held: tuple[Holder, ...], gpus: int, on_cluster: bool
) -> Forecast:
    if gpus == 0:
        return Forecast(answer="now", message="No GPU is asked for.")
    there = usable(owner, total, held)
    if gpus > total:
        has = f"has {_count(total, 'GPU', 'GPUs')}" if total else "has no GPU"
        where = "This cluster" if on_cluster else "This machine"
        return Forecast(answer="never", message=f"{where} {has}.", smaller=there)
    free = total - len(held)
    if gpus <= free:
        verb = "is" if free == 1 else "are"
        return Forecast(answer="now", message=f"{free} of {total} {verb} free: starts at once.")
    if gpus <= there:
        labs = sorted({holder.name for holder in held if _is_loan(holder, owner)})
        which = f"your lab '{labs[0]}' lends" if len(labs) == 1 else "your labs lend"
        return Forecast(answer="now", message=f"Starts at once, with what {which}.")
    wish = _count(gpus, "GPU", "GPUs")
    why = f"Would wait for {wish}: {shortage(owner, total, held)}."
    lend = "" if on_cluster else advice(owner, total, held, gpus)
    message = " ".join(filter(None, (why, lend)))
    return Forecast(answer="wait", message=message, smaller=there)


def _is_loan(holder: Holder, owner: str) -> bool:
    """Whether a job of ``owner`` could borrow this GPU now."""
    mine = holder.kind == "lab" and holder.owner == owner and bool(owner)
    return mine and holder.lend and holder.lent_to is None


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
