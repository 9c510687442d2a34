"""`Job`: one submitted training, as a person at a prompt handles it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from .cellof import to_cell
from .errors import InvalidRequest, NotFound, Unavailable
from .specs import (
    Checkpoint,
    Comparison,
    Curves,
    JobRecord,
    JobState,
    ReplicaStatus,
    Stack,
    TrainingJob,
)
from .submission import rerun_fields
from .tables import job_text, loss, pace, place, progress, saved

if TYPE_CHECKING:
    from .client import Client

__all__ = ("Job", "find_job", "tail")

#: How long a service that does not answer is waited for: it can be restarted under running jobs.
_PATIENCE = 60.0
_TAIL_BYTES = 256 * 1024


class Job:
    """A handle: asks the service when it is asked, and remembers the last answer.

    ::

        _job.wait()
        _job.state, _job.checkpoint.step
        print(_job.logs(lines=20))

    Args:
        client: Whom to ask.
        info: What is known already.
    """

    def __init__(self, client: Client, info: TrainingJob) -> None:
        self.client = client
        self.info = info

    @property
    def id(self) -> str:
        """``<name>-<7 characters>``."""
        return self.info.id

    @property
    def name(self) -> str:
        """Name it was submitted under."""
        return self.info.spec.name

    @property
    def state(self) -> JobState:
        """State right now."""
        return self.refresh().info.state

    @property
    def replicas(self) -> tuple[ReplicaStatus, ...]:
        """Processes of the newest attempt, right now."""
        return self.refresh().info.replicas

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Newest whole checkpoint right now, or None."""
        return self.refresh().info.checkpoint

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All whole checkpoints, newest first."""
        return tuple(self.client.checkpoints(self.id))

    def refresh(self) -> Job:
        """Ask again; returns itself. One that has ended may have been resumed meanwhile."""
        if self.info.state is not JobState.SUCCEEDED:
            self.info = self.client.get(self.id)
        return self

    def logs(
        self, replica: str | None = None, *, attempt: int | None = None, lines: int | None = None
    ) -> str:
        """What was printed.

        Args:
            replica: Such as ``worker-0``; None for all, merged by time.
            attempt: From 1; None for the newest.
            lines: Only so many of the last, at least 1; None for everything.
        """
        if lines is not None:
            return tail(self.client, self.id, lines, replica=replica, attempt=attempt)
        pieces: list[str] = []
        offset = 0
        while True:
            chunk = self.client.logs(
                self.id, replica=replica, attempt=attempt, offset=offset, limit=_TAIL_BYTES
            )
            if not chunk.text:
                return "".join(pieces)
            pieces.append(chunk.text)
            offset = chunk.next_offset

    def cancel(self) -> Job:
        """End it; code that checkpoints saves first. Returns itself at once."""
        self.info = self.client.cancel(self.id)
        return self

    @property
    def loss(self) -> str:
        """What a pause would lose right now, as a sentence."""
        return loss(self.refresh().info)[1]

    def pause(self) -> Job:
        """Ask it to save, and end it for now; `loss` says what that may lose. Returns itself at
        once.
        """
        self.info = self.client.pause(self.id)
        return self

    def resume(self) -> Job:
        """Queue it again after a pause, or after an end that was no success: it goes on from its
        last checkpoint. Returns itself at once.
        """
        self.info = self.client.resume(self.id)
        return self

    def rerun(self, **changes: Any) -> Job:
        """Submit it again as a new job, which is returned.

        ::

            _job.rerun(workers=4, time_limit="2h", args=("--lr", "0.2"))

        Args:
            changes: Options of ``%rerun`` by name, with ``_`` for ``-``, or fields of its
                `TrainingSpec`; all others are as they were. ``env`` adds to what was there.
        """
        fields = rerun_fields(self.info.spec, changes)
        return Job(self.client, self.client.rerun(self.id, **fields))

    def curves(self, kind: Literal["metrics", "usage", "all"] = "metrics") -> Curves:
        """What its code said over time; or with ``usage`` what its replicas used."""
        return self.client.curves(self.id, kind)

    def record(self) -> JobRecord:
        """All that is known of it: code, events, environment, curves; also when its files are
        gone.
        """
        return self.client.record(self.id)

    def compare(self, *others: Job | str) -> Comparison:
        """It beside others, which are compared with it."""
        ids = [other.id if isinstance(other, Job) else other for other in others]
        return self.client.compare(self.id, *ids)

    def note(
        self,
        text: str | None = None,
        *,
        tags: Iterable[str] | None = None,
        favourite: bool | None = None,
    ) -> Job:
        """Write down what is to be known of it later; what is left out stays. Returns itself.

        Args:
            text: Plain text in place of what was there.
            tags: All tags that it is to have.
            favourite: Whether its files are kept whatever the policy is.
        """
        notes: dict[str, Any] = {"notes": text, "favourite": favourite}
        if tags is not None:
            notes["tags"] = (tags,) if isinstance(tags, str) else tuple(tags)
        self.info = self.client.annotate(self.id, **notes)
        return self

    def stacks(self) -> tuple[Stack, ...]:
        """Where each replica is just now."""
        return self.client.stacks(self.id)

    def to_cell(self) -> str:
        """The text of a notebook cell that makes the same wish."""
        return to_cell(self.info.spec)

    def wait(self, timeout: float | None = None, *, show: bool = True) -> Job:
        """Wait until the job has ended; returns itself, whatever the end was.

        A pause is no end. Interrupting the wait does not touch the job. A service that is being
        restarted meanwhile is waited for.

        Args:
            timeout: Seconds, None for as long as it takes.
            show: Print a line when the state changes, and the progress now and then.

        Raises:
            TimeoutError: it goes on after ``timeout``; nothing happens to it.
        """
        began = answered = said_at = time.monotonic()
        said: tuple[object, ...] = ()
        pause = 0.3
        while True:
            try:
                self.refresh()
                answered, pause = time.monotonic(), 0.3
            except Unavailable:
                if time.monotonic() - answered > _PATIENCE:
                    raise
                pause = min(pause * 2, 5.0)
            now = time.monotonic()
            news = (self.info.state, self.info.attempt)
            if show and (news != said or now - said_at >= 10):
                print(self._line(), flush=True)
                said, said_at = news, now
            if self.info.state.is_terminal:
                return self
            if timeout is not None and now - began >= timeout:
                raise TimeoutError(f"{self.id} is {self.info.state.value} after {timeout:g} s")
            time.sleep(pause if timeout is None else min(pause, began + timeout - now))

    def _line(self) -> str:
        parts = [f"{self.id}: {self.info.state.value}", place(self.info), progress(self.info)]
        parts.append(pace(self.info))
        if self.info.attempt > 1:
            parts.append(f"attempt {self.info.attempt}")
        if self.info.checkpoint is not None:
            parts.append(f"checkpoint {saved(self.info)}")
        return ", ".join(part for part in parts if part) + (
            f" ({self.info.reason})" if self.info.reason else ""
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a cell shows that ends with ``_job``: how it is now, else as it was last known."""
        with suppress(Unavailable, NotFound):
            self.refresh()
        printer.text(repr(self))

    def __repr__(self) -> str:
        return job_text(self.info)


def find_job(client: Client, id: str | None) -> TrainingJob:
    """The job of this id, of this unique start of an id, or the newest one.

    Raises:
        NotFound: there is none.
        InvalidRequest: several start so; the message names them.
    """
    if id is None:
        newest = client.list(limit=1).jobs
        if not newest:
            raise NotFound("you have no jobs yet.", hint="Submit one with %%train or dllab submit.")
        return newest[0]
    try:
        return client.get(id)
    except (NotFound, InvalidRequest):
        pass
    found = []
    after: str | None = None
    while True:
        page = client.list(limit=500, after=after)
        found += [job for job in page.jobs if job.id.startswith(id)]
        after = page.next
        if after is None:
            break
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(job.id for job in found[:5]) + (" ..." if len(found) > 5 else "")
        raise InvalidRequest(
            f"{len(found)} jobs start with {id}: {names}.", hint="Type more of it."
        )
    raise NotFound(f"you have no job {id}.", hint="The list of jobs shows all ids.")


def tail(
    client: Client,
    id: str,
    lines: int,
    *,
    replica: str | None = None,
    attempt: int | None = None,
) -> str:
    """The last lines of a log; of very long ones only what lies in the last 256 KiB."""
    chunk = client.logs(
        id, replica=replica, attempt=attempt, offset=-_TAIL_BYTES, limit=_TAIL_BYTES
    )
    # Only newlines end lines here: a progress bar's carriage returns stay inside of one.
    kept = chunk.text.removesuffix("\n").split("\n")
    return "\n".join(kept[-lines:]) + ("\n" if chunk.text.endswith("\n") else "")
