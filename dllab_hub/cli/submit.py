"""Commands that start trainings: submit, rerun."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..client import Client
from ..errors import AccessDenied
from ..job import find_job
from ..specs import JobState, TrainingJob
from ..submission import (
    Submission,
    fields_of,
    from_words,
    name_for,
    named_by_option,
    prepare,
    typed_in,
)
from ..tables import preflight_text
from .jobs import follow, show

__all__ = ("rerun", "submit")


def submit(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab submit train.py --workers 2 -- --lr 0.1``; ``--module`` and ``--command`` as well."""
    program = from_words(options, options.script, args)
    client = Client()
    submission = prepare(
        options,
        program,
        name=name_for(program.name, "train"),
        here=Path.cwd(),
        catalog=client.catalog,
    )
    if submission.travels:
        print(submission.travels, file=sys.stderr)
    if options.check:
        return _check(client, submission, options)
    return _started(client, submission.send(client), options)


def rerun(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab rerun ID --workers 4 -- --lr 0.2``: what is not typed stays as it was."""
    client = Client()
    old = find_job(client, options.id)
    typed = typed_in(options)
    fields = fields_of({**typed, "args": args} if args else typed, old.spec)
    with named_by_option(fields.get("roles", old.spec.roles)):
        job = client.rerun(old.id, **fields)
    return _started(client, job, options)


def _started(client: Client, job: TrainingJob, options: argparse.Namespace) -> int:
    if not options.wait:
        show(options, job, f"submitted {job.id}; follow it: dllab logs {job.id} -f")
        return 0
    waits = f"; {job.reason}" if job.state is JobState.PENDING and job.reason else ""
    print(f"submitted {job.id}{waits}", file=sys.stderr)
    return follow(client, job.id)


def _check(client: Client, submission: Submission, options: argparse.Namespace) -> int:
    seen = submission.check(client)
    show(options, seen, preflight_text(seen))
    if seen.error is not None:
        return 1
    price = submission.price(client)
    print(price.message, file=sys.stderr)
    if price.refused:
        raise AccessDenied(price.refused)
    return 0
