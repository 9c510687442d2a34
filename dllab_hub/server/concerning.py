"""`World`: whom and what an alert is about, and the sentence that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..metrics.alerts import Standing
from ..metrics.rules import CRITICAL_XIDS, Rule, Unit
from ..metrics.samples import Sample, deployment_samples, gpu_samples, job_samples, owner_hash
from ..specs import Alert, Deployment, Gpu, GpuReport, Holder, TrainingJob

__all__ = ("IDLE", "World", "lasting")

#: The rule that blames who holds a GPU.
IDLE = "GPUIdleHeld"
_THINGS = {"lab": "lab", "job": "job", "deployment": "deployment"}


@dataclass(frozen=True)
class World:
    """What there is at one moment, with all names.

    Attributes:
        now: Seconds since the epoch.
        report: The GPUs, with whose their processes are.
        holders: Who holds which GPU, by UUID.
        jobs: Those that wait or run.
        deployments: All of them.
    """

    now: float
    report: GpuReport
    holders: Mapping[str, Holder] = field(default_factory=dict)
    jobs: Sequence[TrainingJob] = ()
    deployments: Sequence[Deployment] = ()

    def user(self, uuid: str) -> Holder | None:
        """Who uses a GPU: its holder, or to whom that has lent it."""
        holder = self.holders.get(uuid)
        return holder and (holder.lent_to or holder)

    def whose(self, uuid: str) -> str:
        """Tells those who use a GPU apart; empty: nobody does."""
        user = self.user(uuid)
        return f"{user.kind}/{user.owner}/{user.id}" if user is not None else ""

    def job(self, id: str) -> TrainingJob | None:
        """A job that waits or runs."""
        return self._jobs.get(id)

    def deployment(self, endpoint: str) -> Deployment | None:
        """Of the label ``endpoint``."""
        return self._deployments.get(endpoint)

    def gpu(self, uuid: str) -> Gpu | None:
        """A GPU of the report."""
        return self._gpus.get(uuid)

    # There may be thousands of each, and as many alerts.

    @cached_property
    def _jobs(self) -> Mapping[str, TrainingJob]:
        return {job.id: job for job in self.jobs}

    @cached_property
    def _deployments(self) -> Mapping[str, Deployment]:
        return {_endpoint(each): each for each in self.deployments}

    @cached_property
    def _gpus(self) -> Mapping[str, Gpu]:
        return {gpu.uuid: gpu for gpu in self.report.gpus}

    def samples(self) -> Iterator[Sample]:
        """Everything that is measured of it."""
        yield from gpu_samples(self.report, self.holders)
        yield from job_samples(self.jobs, private=True)
        yield from deployment_samples(self.deployments, private=True)

    def alert(self, rule: Rule, standing: Standing, before: Alert | None) -> Alert:
        """The alert as people are told of it.

        Args:
            rule: Its rule.
            standing: How it is.
            before: The same alert as it was; what it is about may be gone by now.
        """
        labels = dict(standing.labels)
        times = {
            "state": standing.state,
            "value": standing.value,
            "since": standing.since,
            "fired": standing.fired,
            "resolved": standing.resolved,
        }
        if before is not None and standing.state == "resolved":
            return before.model_copy(update=times)
        subject, name, owner = self._about(rule, labels)
        if before is not None and not name:
            subject, name, owner = before.subject, before.name, before.owner
        return Alert(
            id=standing.id,
            rule=rule.name,
            severity=rule.severity,
            kind=rule.kind,
            subject=subject,
            name=name,
            owner=owner,
            message=self._message(rule, standing, labels, name or subject),
            hint=rule.hint,
            act=before.act if before is not None else None,
            **times,  # type: ignore[arg-type]
        )

    def _about(self, rule: Rule, labels: Mapping[str, str]) -> tuple[str, str, str]:
        """Subject, its name for people and its owner."""
        if rule.kind == "gpu":
            uuid, node = labels.get("uuid", ""), labels.get("node", "")
            user = self.user(uuid)
            name = f"GPU {labels.get('gpu', '')}" + (f" of {node}" if node else "")
            return uuid, name, user.owner if user else ""
        if rule.kind == "job":
            job = self.job(labels.get("job_id", ""))
            return labels.get("job_id", ""), job.spec.name if job else "", job.owner if job else ""
        if rule.kind == "deployment":
            found = self.deployment(labels.get("endpoint", ""))
            return (found.name, found.name, found.owner) if found else ("", "", "")
        return "", "The lab service", ""

    def _message(self, rule: Rule, standing: Standing, labels: Mapping[str, str], name: str) -> str:
        if rule.name == IDLE and (said := self._idle(standing, labels, name)):
            return said
        what = CRITICAL_XIDS.get(int(labels.get("xid", "0")), "")
        return rule.message.format(
            subject=name,
            value=_amount(standing.value, rule.unit),
            xid=labels.get("xid", ""),
            about=f": {what}" if what else "",
            version=labels.get("version", ""),
        )

    def _idle(self, standing: Standing, labels: Mapping[str, str], name: str) -> str:
        """Who holds how much of it, for how long; empty when that is not known."""
        uuid = labels.get("uuid", "")
        gpu, user = self.gpu(uuid), self.user(uuid)
        if gpu is None or user is None:
            return ""
        long = lasting(self.now - standing.since)
        mine = [p for p in gpu.processes or () if p.holder is not None and p.memory]
        memory = sum(p.memory or 0 for p in mine) or gpu.memory_used or 0
        held = f" {memory / 1e9:.0f} GB of" if memory >= 5e8 else ""
        who = f"The {_THINGS[user.kind]} {user.name}".rstrip()
        if user.kind == "lab" and mine:
            names = sorted({p.name for p in mine if p.name})
            who += f" ({names[0]})" if names else ""
        return f"{who} has held{held} {name} idle for {long}."


def lasting(seconds: float) -> str:
    """In words: ``40 minutes``."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and size == 60):
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    count = max(int(seconds), 0)
    return f"{count} second{'' if count == 1 else 's'}"


def _endpoint(deployment: Deployment) -> str:
    return f"{owner_hash(deployment.owner)}/{deployment.spec.name}"


def _amount(value: float, unit: Unit) -> str:
    if unit == "celsius":
        return f"{value:.0f} °C"
    if unit == "ratio":
        return f"{value:.0%}".replace("%", " %")
    return lasting(value) if unit == "seconds" else f"{value:g}"
