"""What a notice says: `kind_of` a change, and its text. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from ....specs import Alert, JobState, NoticeKind, TrainingJob

__all__ = ("Seen", "alert_body", "body_of", "kind_of", "mail_of", "subject_of", "trial_body")

#: Characters of a reason or a diagnosis.
_MOST = 2000


@dataclass(frozen=True)
class Seen:
    """What was known of a job before.

    Attributes:
        state: Its state.
        attempt: Its attempt.
        silent: Whether nothing was heard of it.
    """

    state: JobState
    attempt: int
    silent: bool

    @classmethod
    def of(cls, job: TrainingJob) -> Seen:
        """What is known of it now."""
        return cls(job.state, job.attempt, job.silent_since is not None)


def kind_of(before: Seen, job: TrainingJob) -> NoticeKind | None:
    """What has happened that somebody may want to be told; None for nothing of that kind.

    What a person did themselves, such as a cancel, is no news to them.
    """
    if job.state is not before.state:
        if job.state is JobState.SUCCEEDED:
            return "succeeded"
        if job.state in (JobState.FAILED, JobState.LOST):
            return "failed"
        if job.state is JobState.PAUSED:
            return "paused"
        if job.state is JobState.RESTARTING:
            return "restarted"
    at_work = job.state.is_running
    if at_work and job.silent_since is not None and not before.silent:
        return "stalled"
    # A relaunch can be quicker than a look.
    if at_work and job.attempt > before.attempt > 0 and before.state is JobState.RUNNING:
        return "restarted"
    return None


def body_of(kind: str, job: TrainingJob, time: float) -> bytes:
    """The JSON that a webhook gets.

    Args:
        kind: Of `kind_of`.
        job: As it is then.
        time: Seconds since the epoch.
    """
    said = {
        "kind": kind,
        "job": job.id,
        "name": job.spec.name,
        "state": job.state.value,
        "reason": job.reason[:_MOST],
        "diagnosis": job.diagnosis.message[:_MOST] if job.diagnosis else "",
        "time": time,
        "path": f"dllab/api/jobs/{job.id}",
    }
    return json.dumps(said).encode()


def alert_body(alert: Alert, time: float, *, whose: bool = False) -> bytes:
    """The same for an alert that fires, or is resolved.

    Args:
        alert: As it is then.
        time: Seconds since the epoch.
        whose: Whether it is said whom it concerns: to an administrator.
    """
    keys = ("rule", "severity", "state", "subject", "name", "message", "hint", "since", "fired")
    said = {
        "kind": "alert",
        "alert": alert.id,
        "about": alert.kind,
        **{key: getattr(alert, key) for key in keys},
        "resolved": alert.resolved,
        **({"owner": alert.owner} if whose else {}),
        "time": time,
        "path": "dllab/api/alerts",
    }
    return json.dumps(said).encode()


def trial_body(time: float) -> bytes:
    """The same for a test."""
    keys = ("job", "name", "state", "reason", "diagnosis", "path")
    return json.dumps({"kind": "test", **dict.fromkeys(keys, ""), "time": time}).encode()


def subject_of(body: bytes) -> str:
    """The subject of a mail with what a webhook gets."""
    said = json.loads(body)
    if said["kind"] == "test":
        return "dllab: a test"
    if said["kind"] == "alert":
        what = f"{said['rule']}: {said['name']}" if said["name"] else said["rule"]
        return f"dllab: {what} is {'over' if said['state'] == 'resolved' else said['severity']}"
    return f"dllab: {said['name']} {said['kind']} ({said['job']})"


def mail_of(body: bytes) -> str:
    """The text of such a mail."""
    said = json.loads(body)
    when = datetime.fromtimestamp(said["time"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    if said["kind"] == "test":
        return f"This is a test of your notices, {when}.\n"
    if said["kind"] == "alert":
        over = said["state"] == "resolved"
        lines = [f"It is over as of {when}:" if over else f"As of {when}:", said["message"]]
        lines += [f"It concerns {said['owner']}."] if said.get("owner") else []
        return "\n".join([*lines, *([] if over or not said["hint"] else ["", said["hint"]])]) + "\n"
    lines = [f"{said['job']} is {said['state']} as of {when}.", "", said["diagnosis"]]
    if said["reason"] and said["reason"] != said["diagnosis"]:
        lines.append(said["reason"])
    return "\n".join(line for n, line in enumerate(lines) if n < 2 or line) + "\n"
