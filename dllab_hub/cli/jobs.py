"""Commands that talk to the lab: submit, jobs, logs, cancel, gpus."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..client import Client
from ..errors import InvalidRequest
from ..job import Job, find_job
from ..specs import JobState, TrainingJob
from ..submission import name_for, to_spec
from ..tables import gpus_text, job_text, jobs_text

__all__ = ("cancel", "gpus", "jobs", "logs", "submit")


def submit(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab submit train.py --workers 2 -- --lr 0.1``."""
    script = Path(options.script)
    try:
        source = script.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{script} is not UTF-8 text.") from None
    except OSError as exc:
        raise InvalidRequest(f"{script} cannot be read: {exc.strerror}.") from None
    client = Client()
    spec = to_spec(
        options,
        source,
        name=name_for(script.stem, "train"),
        filename=script.name,
        root=script.absolute().parent,  # Where Python would look for its imports.
        args=args,
        default_image=lambda: client.catalog().default_image,
    )
    submitted = client.submit(spec)
    if not options.wait:
        _print(
            options, submitted, f"submitted {submitted.id}; follow it: dllab logs {submitted.id} -f"
        )
        return 0
    print(f"submitted {submitted.id}", file=sys.stderr)
    return _follow(client, submitted.id)


def jobs(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab jobs``."""
    client = Client()
    found: list[TrainingJob] = []
    after: str | None = None
    while True:
        page = client.list(limit=500 if options.all else options.n, after=after)
        found += page.jobs
        after = page.next
        if after is None or not options.all:
            break
    if options.json:
        print(json.dumps([job.to_wire() for job in found], indent=2))
    else:
        print(jobs_text(found))
    return 0


def logs(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab logs ID``."""
    if options.follow and (options.attempt or options.n):
        raise InvalidRequest("-f prints everything, from the first attempt to the last.")
    client = Client()
    job = Job(client, find_job(client, options.id))
    if options.follow:
        return _follow(client, job.id, options.replica)
    text = job.logs(options.replica, attempt=options.attempt, lines=options.n)
    sys.stdout.write(text if not text or text.endswith("\n") else text + "\n")
    sys.stdout.flush()
    return 0


def cancel(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab cancel ID``."""
    client = Client()
    found = find_job(client, options.id)
    if found.state.is_terminal:
        _print(options, found, f"{found.id} had ended already: {found.state.value}")
        return 0
    _print(options, client.cancel(found.id), f"{found.id} is being cancelled")
    return 0


def gpus(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab gpus``."""
    report = Client().gpus()
    _print(options, report, gpus_text(report))
    return 0


def _follow(client: Client, id: str, replica: str | None = None) -> int:
    """Print until the job has ended; exit code 0 only when it succeeded."""
    for text in client.follow(id, replica=replica):
        sys.stdout.write(text)
        sys.stdout.flush()
    job = client.get(id)
    print(job_text(job).splitlines()[0], file=sys.stderr)
    return 0 if job.state is JobState.SUCCEEDED else 1


def _print(options: argparse.Namespace, value: Any, text: str) -> None:
    print(json.dumps(value.to_wire(), indent=2) if options.json else text)
