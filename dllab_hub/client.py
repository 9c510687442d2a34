"""`Client`: the lab from Python, in a notebook, a terminal or a script."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from .errors import Unavailable
from .serving import ServingClient
from .specs import (
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    GpuReport,
    JobPage,
    JobState,
    Lending,
    LogChunk,
    TrainingJob,
    TrainingSpec,
)
from .transport import Transport, path

__all__ = ("Client",)

_T = TypeVar("_T")

_CHUNK = 256 * 1024
#: Seconds between two questions, at first and after some silence.
_SHORTEST, _LONGEST = 0.2, 1.0
#: Seconds for which a service that does not answer is waited for.
_PATIENCE = 60.0


class Client(ServingClient):
    """Asks the lab's REST interface; every method is one request unless it says otherwise.

    >>> client = Client()                                                   # doctest: +SKIP
    >>> job = client.submit(TrainingSpec(name="hi", image="pytorch", code=Code(source="print(1)")))
    >>> client.wait(job.id).state                                           # doctest: +SKIP
    <JobState.SUCCEEDED: 'SUCCEEDED'>

    Errors are those of `dllab_hub.errors`, as the lab raised them. The verbs about models and
    deployments are `ServingClient`'s.

    Args:
        url: Ends in ``/dllab/api/``; by default ``DLLAB_API_URL``, which every lab sets.
        token: By default ``DLLAB_API_TOKEN``, else ``JUPYTERHUB_API_TOKEN``.

    Raises:
        Unavailable: no URL is given and none is set.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        url = url or os.environ.get("DLLAB_API_URL")
        if not url:
            raise Unavailable(
                "there is no lab around this process: DLLAB_API_URL is not set.",
                hint="Run it in a notebook or terminal of a lab, or pass url= and token=.",
            )
        if token is None:
            token = os.environ.get("DLLAB_API_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        super().__init__(Transport(url, token))

    @property
    def url(self) -> str:
        """Whom it asks."""
        return self._transport.url

    def status(self) -> dict[str, Any]:
        """Who I am and what answers: ``{"user", "version", "backend", "mode"}``."""
        return self._transport.ask("GET", "status", dict)

    def catalog(self) -> Catalog:
        """What can be picked."""
        return self._transport.ask("GET", "catalog", Catalog.from_wire)

    def capacity(self, gpus: int | None = None) -> Capacity:
        """GPUs free and held, and what a request for ``gpus`` of them would meet."""
        return self._transport.ask("GET", "capacity", Capacity.from_wire, gpus=gpus)

    def lend(self, lab: str, lend: bool = True) -> Capacity:
        """Let your jobs use the GPUs of a lab of yours (its id is in the holder of a GPU), or no
        longer; what is free then.
        """
        body = Lending(lab=lab, lend=lend).to_wire()
        return self._transport.ask("PUT", "gpus/lend", Capacity.from_wire, body=body)

    def gpus(self) -> GpuReport:
        """All GPUs as of about a second ago."""
        return self._transport.ask("GET", "gpus", GpuReport.from_wire)

    def submit(self, spec: TrainingSpec) -> TrainingJob:
        """Start a job, or queue it while its GPUs are held by others."""
        return self._transport.ask("POST", "jobs", TrainingJob.from_wire, body=spec.to_wire())

    def get(self, id: str) -> TrainingJob:
        """The job as it is now."""
        return self._transport.ask("GET", path("jobs", id), TrainingJob.from_wire)

    def list(
        self, states: Collection[JobState] = (), *, limit: int = 50, after: str | None = None
    ) -> JobPage:
        """My jobs, newest first.

        Args:
            states: Only jobs in one of these; empty for all.
            limit: 1 to 500.
            after: ``next`` of the page before.
        """
        return self._transport.ask(
            "GET",
            "jobs",
            JobPage.from_wire,
            state=tuple(map(str, states)),
            limit=limit,
            next=after,
        )

    def cancel(self, id: str) -> TrainingJob:
        """End a job; returns at once, with the state as it then is."""
        return self._transport.ask("POST", path("jobs", id, "cancel"), TrainingJob.from_wire)

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

    def tensorboard_url(self) -> str | None:
        """Path of this lab's TensorBoard on the hub's address, or None where there is none."""
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        if prefix and os.environ.get("DLLAB_TENSORBOARD") != "0":
            return f"{prefix}tensorboard/"
        return self._transport.ask(
            "GET", "tensorboards", lambda a: next((str(b["url"]) for b in a["tensorboards"]), None)
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
