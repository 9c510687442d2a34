"""What is written down about a job, from words: the options that ``%note`` and ``dllab note``
share.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import InvalidRequest
from ..specs import TrainingJob

__all__ = ("add_notes", "notes_of", "notes_text")


def add_notes(parser: argparse.ArgumentParser) -> None:
    """The options."""
    add = parser.add_argument
    add("--tag", action="append", default=[], metavar="T", help="one more tag; once for each")
    add("--untag", action="append", default=[], metavar="T", help="one tag less")
    add("--notes", metavar="TEXT", help="in place of what was there")
    add(
        "--favourite",
        action=argparse.BooleanOptionalAction,
        help="keep its files whatever the policy is",
    )


def notes_of(options: argparse.Namespace, job: TrainingJob) -> dict[str, Any]:
    """Fields of an `Annotation`.

    Raises:
        InvalidRequest: nothing was said, or a tag is to go that it has not.
    """
    fields: dict[str, Any] = {}
    for tag in options.untag:
        if tag not in job.tags:
            has = ", ".join(job.tags)
            raise InvalidRequest(
                f"{job.id} has no tag {tag}.", hint=f"It has {has}." if has else "It has none."
            )
    if options.tag or options.untag:
        kept = [tag for tag in job.tags if tag not in options.untag]
        fields["tags"] = tuple(dict.fromkeys([*kept, *options.tag]))
    if options.notes is not None:
        fields["notes"] = options.notes
    if options.favourite is not None:
        fields["favourite"] = options.favourite
    if not fields:
        raise InvalidRequest(
            "there is nothing to write down.", hint="Say --tag, --untag, --notes or --favourite."
        )
    return fields


def notes_text(job: TrainingJob) -> str:
    """What is written down now, in one line and the notes below it."""
    tags = ", ".join(job.tags) or "none"
    line = f"{job.id}  tags: {tags}" + ("; favourite" if job.favourite else "")
    return f"{line}\n{job.notes}" if job.notes else line
