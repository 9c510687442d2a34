"""Commands about jobs there are: jobs, logs, cancel, pause, resume."""

from __future__ import annotations

import argparse
import json
import sys

from ..client import Client
from ..errors import InvalidRequest
from ..job import Job, find_job
from ..plaintext import Inert, inert
from ..specs import JobState, TrainingJob, Value
from ..submission import filter_of
from ..tables import job_text, jobs_text, loss, matches_text

__all__ = ("cancel", "follow", "jobs", "logs", "pause", "resume", "show")


def jobs(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab jobs``."""
    client = Client()
    found: list[TrainingJob] = []
    after: str | None = None
    where = filter_of(options)
    while True:
        page = client.list(limit=500 if options.all else options.n, after=after, **where)
        found += page.jobs
        after = page.next
        if after is None or not options.all:
            break
    if options.json:
        print(json.dumps([job.to_wire() for job in found], indent=2))
    else:
        print(jobs_text(found) if found or not where else "no such jobs")
    return 0


def logs(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab logs ID``."""
    if options.follow and (options.attempt or options.n):
        raise InvalidRequest("-f prints everything, from the first attempt to the last.")
    if options.search and (options.follow or options.n):
        raise InvalidRequest("--search looks through all of a log.", field="--search")
    client = Client()
    job = Job(client, find_job(client, options.id))
    if options.search is not None:
        return _search(job, options)
    if options.follow:
        return follow(client, job.id, options.replica, raw=options.raw)
    text = job.logs(options.replica, attempt=options.attempt, lines=options.n)
    if not text:
        print(f"no output yet; {job_text(job.info).splitlines()[0]}", file=sys.stderr)
    text = text if options.raw else inert(text)
    sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")
    sys.stdout.flush()
    return 0


def _search(job: Job, options: argparse.Namespace) -> int:
    """Print the lines as they are found; exit code 1 when there is none, as grep's."""
    found, offset = 0, 0
    while True:
        page = job.client.search_logs(
            job.id,
            options.search,
            replica=options.replica,
            attempt=options.attempt,
            offset=offset,
            limit=1000,
        )
        if page.matches:
            print(matches_text(page.matches), flush=True)
        found += len(page.matches)
        if page.next_offset is None:
            return 0 if found else 1
        offset = page.next_offset


def cancel(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab cancel ID``."""
    client = Client()
    found = find_job(client, options.id)
    if found.state.is_terminal:
        show(options, found, f"{found.id} had ended already: {found.state.value}")
        return 0
    show(options, client.cancel(found.id), f"{found.id} is being cancelled")
    return 0


def pause(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab pause ID``: says what that loses, and asks."""
    client = Client()
    job = find_job(client, options.id)
    if job.state is JobState.PAUSED:
        show(options, job, f"{job.id} had been paused already")
        return 0
    lost, said = loss(job)
    if lost and not options.yes:
        if not sys.stdin.isatty():
            raise InvalidRequest(
                f"{job.id} goes on; {said}", hint="Nobody can be asked here: add --yes."
            )
        # On stderr: what is on stdout may be read by a program.
        print(f"{job.id}: {said}\nPause it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print(f"{job.id} goes on", file=sys.stderr)
            return 1
    told = f"{job.id} is being paused; {said} Go on with it: dllab resume {job.id}"
    show(options, client.pause(job.id), told)
    return 0


def resume(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab resume ID``."""
    client = Client()
    found = find_job(client, options.id)
    job = client.resume(found.id)
    # Whether its code goes on from there is the code's affair.
    step = "none: it starts over" if job.checkpoint is None else f"step {job.checkpoint.step}"
    told = f"{job.id} is queued again; its last checkpoint: {step}"
    if not found.state.is_resumable:
        # One that is being paused is paused all the same.
        told = (
            f"{job.id} was not resumed; it is {job_text(job).splitlines()[0].split(maxsplit=1)[1]}"
        )
    show(options, job, told)
    return 0


def follow(client: Client, id: str, replica: str | None = None, *, raw: bool = False) -> int:
    """Print until the job has ended; exit code 0 only when it succeeded."""
    shown = Inert()
    for text in client.follow(id, replica=replica):
        sys.stdout.write(text if raw else shown.feed(text))
        sys.stdout.flush()
    sys.stdout.write(shown.end())
    sys.stdout.flush()
    job = client.get(id)
    print(job_text(job).splitlines()[0], file=sys.stderr)
    return 0 if job.state is JobState.SUCCEEDED else 1


def show(options: argparse.Namespace, value: Value, text: str) -> None:
    """Print the text, or with ``--json`` the value."""
    print(json.dumps(value.to_wire(), indent=2) if options.json else text)
