"""`Room`: what of a machine is free, and why a job that waits does not start.

GPUs are held by somebody; CPUs are only counted, for the jobs that run. Nothing here looks at a
machine: it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidRequest
from ..specs import Holder, TrainingJob, TrainingSpec, advice, cpu_shortage, shortage, usable

__all__ = ("AGED", "Room", "check_room", "cpu_wish", "gpu_shortage")

#: Seconds after which a job that waits is not overtaken any more by those that want what it lacks.
AGED = 600.0


def check_room(spec: TrainingSpec, gpus: int, cpus: float) -> None:
    """Refuse what no machine of this size will ever have room for.

    Args:
        spec: The wish.
        gpus: How many there are.
        cpus: How many there are.

    Raises:
        InvalidRequest: naming the role that asks for most.
    """
    roles = spec.roles
    if spec.gpus > gpus:
        most = max(range(len(roles)), key=lambda n: roles[n].replicas * roles[n].gpus)
        there = f"there are {gpus}" if gpus > 1 else "there is one" if gpus else "there is none"
        raise InvalidRequest(
            f"the job asks for {_count(spec.gpus, 'GPU')} and {there} on this machine.",
            field=f"roles.{most}.gpus",
        )
    asked = [role.replicas * (role.cpus or 0) for role in roles]
    if sum(asked) > cpus:
        raise InvalidRequest(
            f"the job asks for {_count(sum(asked), 'CPU')} and this machine has {cpus:g}.",
            hint="Ask for fewer, or leave it out: then nothing is promised.",
            field=f"roles.{asked.index(max(asked))}.cpus",
        )


def gpu_shortage(owner: str, gpus: int, total: int, held: Collection[Holder]) -> str:
    """Why something waits for GPUs, as a sentence for its owner; empty when they can be had.

    Args:
        owner: Whose it is.
        gpus: How many it is to get.
        total: How many there are.
        held: Who holds each that is not free.
    """
    if gpus <= usable(owner, total, held):
        return ""
    why = f"waiting for {_count(gpus, 'GPU')}: {shortage(owner, total, held)}."
    return f"{why} {advice(owner, total, held, gpus)}".rstrip()


def cpu_wish(spec: TrainingSpec, cpus: float) -> float:
    """How many CPUs a job counts for. What it did not ask for never keeps it from starting."""
    return min(spec.cpus, cpus)


@dataclass
class Room:
    """What is free in one moment. Ask for each job in the order of the line.

    Attributes:
        gpus: How many there are.
        held: Who holds each GPU that is not free.
        cpus: How many there are.
        busy: The jobs that run, and how many CPUs each counts for.
    """

    gpus: int
    held: Collection[Holder]
    cpus: float
    busy: Sequence[tuple[Holder, float]]
    _kept: dict[str, TrainingJob] = field(default_factory=dict)

    def refusal(self, job: TrainingJob, waited: float) -> str:
        """Why the job does not start now, as a sentence for its owner; empty when it may.

        Args:
            job: That waits.
            waited: For so many seconds.
        """
        owner, gpus = job.owner, job.spec.gpus
        cpus = cpu_wish(job.spec, self.cpus)
        lacking: list[str] = []
        said: list[str] = []
        if why := gpu_shortage(owner, gpus, self.gpus, self.held):
            lacking.append("gpus")
            said.append(why)
        # A thousandth: sums of parts of a CPU are not exact.
        if cpus > self.cpus - sum(count for _, count in self.busy) + 1e-3:
            lacking.append("cpus")
            why = cpu_shortage(owner, self.cpus, self.busy)
            said.append(f"{'Also ' if said else ''}waiting for {_count(cpus, 'CPU')}: {why}.")
        if lacking:
            if waited > AGED and self._will_fit(job):
                for what in lacking:
                    self._kept.setdefault(what, job)
            return " ".join(said)
        return self._overtaking(job, cpus)

    def _will_fit(self, job: TrainingJob) -> bool:
        """Whether it can start once jobs have ended; a lab may stay for days."""
        mine = [h for h in self.held if h.lend and h.owner == job.owner]
        lent = (h.lent_to is not None and h.lent_to.kind == "job" for h in mine)
        jobs = sum(holder.kind == "job" for holder in self.held) + sum(lent)
        return job.spec.gpus <= usable(job.owner, self.gpus, self.held) + jobs

    def _overtaking(self, job: TrainingJob, cpus: float) -> str:
        """What keeps a job that would fit from taking what an older one waits for."""
        gpus = job.spec.gpus if self.gpus > len(self.held) else 0  # Loans are nobody else's.
        for what, count, one in (("gpus", gpus, "GPU"), ("cpus", cpus, "CPU")):
            if count and (first := self._kept.get(what)):
                who = f"your job '{first.spec.name}'"
                who = who if first.owner == job.owner else "a job of another person"
                return f"waiting for {_count(count, one)}: kept for {who} that has waited longer."
        return ""


def _count(number: float, one: str) -> str:
    return f"{number:g} {one}{'' if number == 1 else 's'}"
