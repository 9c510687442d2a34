"""`JobsClient`: the verbs about training jobs, over REST."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .errors import Unavailable
from .specs import (
    Checkpoint,
    Event,
    JobFilter,
    JobPage,
    JobState,
    LogChunk,
    Preflight,
    TrainingJob,
    TrainingSpec,
    Upload,
    Value,
    Workspace,
)
from .transport import Transport, path

__all__ = ("JobsClient",)

_T = TypeVar("_T")

_CHUNK = 256 * 1024
#: Seconds between two questions, at first and after some silence.
_SHORTEST, _LONGEST = 0.2, 1.0
#: Seconds for which a service that does not answer is waited for.
_PATIENCE = 60.0


class JobsClient:
    """One request for each verb unless it says otherwise; errors are those of `dllab_hub.errors`.

    Args:
        transport: To the lab.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(self, spec: TrainingSpec) -> TrainingJob:
        """Start a job, or queue it while its GPUs are held by others."""
        return self._transport.ask("POST", "jobs", TrainingJob.from_wire, body=spec.to_wire())

    def get(self, id: str) -> TrainingJob:
        """The job as it is now."""
        return self._transport.ask("GET", path("jobs", id), TrainingJob.from_wire)

    def list(
        self,
        states: Collection[JobState] = (),
        *,
        limit: int = 50,
        after: str | None = None,
        **where: Any,
    ) -> JobPage:
        """My jobs, newest first.

        Args:
            states: Only jobs in one of these; empty for all.
            limit: 1 to 500.
            after: ``next`` of the page before.
            where: Other fields of a `JobFilter`, such as ``tag="baseline"`` or ``text="lr 0.1"``.
        """
        query = JobFilter(states=tuple(states), **where).query
        return self._transport.ask(
            "GET", "jobs", JobPage.from_wire, **query, limit=limit, next=after
        )

    def cancel(self, id: str) -> TrainingJob:
        """End a job; returns at once, with the state as it then is."""
        return self._transport.ask("POST", path("jobs", id, "cancel"), TrainingJob.from_wire)

    def pause(self, id: str) -> TrainingJob:
        """Ask a job to save, and end it for now; its GPUs are free then. Returns at once.

        What was done since its last checkpoint is lost unless the code saves on SIGTERM.
        """
        return self._transport.ask("POST", path("jobs", id, "pause"), TrainingJob.from_wire)

    def resume(self, id: str) -> TrainingJob:
        """Queue a job again that was paused, failed, cancelled or lost: it goes on from its last
        checkpoint.
        """
        return self._transport.ask("POST", path("jobs", id, "resume"), TrainingJob.from_wire)

    def rerun(self, id: str, **changes: Any) -> TrainingJob:
        """Submit the wish of a job again, as a new job.

        Args:
            id: Of the job, whatever became of it.
            changes: Fields of its `TrainingSpec` that are to be others, as values or as JSON; a
                ``code`` is merged field by field.
        """
        body = {key: _plain(value) for key, value in changes.items()}
        return self._transport.ask(
            "POST", path("jobs", id, "rerun"), TrainingJob.from_wire, body=body
        )

    def preflight(self, spec: TrainingSpec, deep: bool = False) -> Preflight:
        """Look for what would make a job fail at once; nothing is started.

        Args:
            spec: The wish.
            deep: Import for real what the code imports, which may take a minute.
        """
        # Bytes are waited for longer.
        body = json.dumps(spec.to_wire()).encode() if deep else spec.to_wire()
        return self._transport.ask(
            "POST", "jobs/preflight", Preflight.from_wire, body=body, deep=int(deep)
        )

    def upload_workspace(self, workspace: Workspace, root: Path) -> Upload:
        """Send the files of a workspace that are not there yet: a job may name its ``id`` then.

        Args:
            workspace: Of `dllab_hub.workspace.scan`.
            root: Directory that was scanned.

        Raises:
            Conflict: a file has changed since.
        """
        from .workspace import upload  # Few programs send one.

        return upload(self._transport, workspace, root)

    def events(self, id: str) -> tuple[Event, ...]:
        """What happened to a job, oldest first."""
        return self._transport.ask(
            "GET",
            path("jobs", id, "events"),
            lambda answer: tuple(map(Event.from_wire, answer["events"])),
        )

    def checkpoints(self, id: str) -> tuple[Checkpoint, ...]:
        """Whole checkpoints of a job, newest first."""
        return self._transport.ask(
            "GET",
            path("jobs", id, "checkpoints"),
            lambda answer: tuple(map(Checkpoint.from_wire, answer["checkpoints"])),
        )

    def logs(
        self,
        id: str,
        *,
        replica: str | None = None,
        attempt: int | None = None,
        offset: int = 0,
        limit: int = 65536,
    ) -> LogChunk:
        """A piece of a job's logs.

        Args:
            id: Of the job.
            replica: Such as ``worker-0``; None for all, merged by time.
            attempt: From 1; None for the newest.
            offset: Where to start; negative counts from the end.
            limit: Most bytes, up to 1 MiB.
        """
        return self._transport.ask(
            "GET",
            path("jobs", id, "logs"),
            LogChunk.from_wire,
            replica=replica,
            attempt=attempt,
            offset=offset,
            limit=limit,
        )

    def follow(self, id: str, *, replica: str | None = None) -> Iterator[str]:
        """Text of the logs as it comes, over all attempts from the first, until the job has ended.

        Many requests: at most ten a second, two a second when it is quiet. A service that is being
        restarted meanwhile is waited for, at most a minute.

        Args:
            id: Of the job.
            replica: Such as ``worker-0``; None for all, merged by time.
        """
        attempt, offset, pause, at_line_start = 1, 0, _SHORTEST, True
        job = self.get(id)
        while job.attempt or not job.state.is_terminal:
            caught_up = True
            if job.attempt:
                chunk = self._patiently(
                    lambda at=offset, of=attempt: self.logs(  # type: ignore[misc]
                        id, replica=replica, attempt=of, offset=at, limit=_CHUNK
                    )
                )
                caught_up = chunk.next_offset >= chunk.size or not chunk.text
                offset = chunk.next_offset
                if chunk.text:
                    at_line_start, pause = chunk.text.endswith("\n"), _SHORTEST
                    yield chunk.text
                elif attempt < job.attempt:
                    attempt, offset = attempt + 1, 0
                    yield f"{'' if at_line_start else chr(10)}--- attempt {attempt} ---\n"
                    continue
                elif job.state.is_terminal:
                    return
            if caught_up:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST)
            # Asked before the next look at the log: whatever was written before the end is there.
            job = self._patiently(lambda: self.get(id))

    def wait(self, id: str, timeout: float | None = None) -> TrainingJob:
        """Ask until the job has ended. A service that is being restarted meanwhile is waited for.

        Args:
            id: Of the job.
            timeout: Seconds; None for as long as it takes.

        Raises:
            TimeoutError: it goes on after ``timeout``; nothing happens to it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _SHORTEST
        job = self.get(id)
        while not job.state.is_terminal:
            left = pause if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{id} is {job.state} after {timeout:g} s")
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST)
            job = self._patiently(lambda: self.get(id), deadline)
        return job

    def _patiently(self, ask: Callable[[], _T], deadline: float | None = None) -> _T:
        """The answer; while nobody answers the question is asked again."""
        give_up = time.monotonic() + _PATIENCE
        if deadline is not None:
            give_up = min(give_up, deadline)
        while True:
            try:
                return ask()
            except Unavailable:
                if time.monotonic() + _LONGEST > give_up:
                    raise
            time.sleep(_LONGEST)


def _plain(value: Any) -> Any:
    """A field of a wish as JSON types."""
    if isinstance(value, Value):
        return value.to_wire()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
