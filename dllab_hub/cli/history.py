"""Commands about what is kept of jobs: job, compare, note, rm, export, import."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..client import Client
from ..errors import InvalidRequest
from ..job import Job, find_job
from ..specs import JobRecord
from ..submission import filter_of, notes_of, notes_text
from ..tables import comparison_text, curves_text, job_text, stacks_text
from .jobs import show

__all__ = ("compare", "export", "job", "note", "remove", "take_in")

#: Bytes of one line that is imported.
_LONGEST = 16 * 1024 * 1024


def job(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab job ID``: why it failed first, then all that is known."""
    client = Client()
    one = Job(client, find_job(client, options.id))
    if options.cell:
        print(one.to_cell())
        return 0
    if options.stacks:
        stacks = one.stacks()
        if options.json:
            print(json.dumps([stack.to_wire() for stack in stacks], indent=2))
        else:
            print(stacks_text(stacks))
        return 0
    if options.json:
        print(json.dumps(one.record().to_wire(), indent=2))
        return 0
    print(job_text(one.info))
    curves = one.curves()
    if curves.curves or curves.notes:
        print(f"\n{curves_text(curves)}")
    return 0


def compare(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab compare A B``."""
    client = Client()
    seen = client.compare(*(find_job(client, id).id for id in options.ids))
    show(options, seen, comparison_text(seen))
    return 0


def note(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab note ID --tag baseline``."""
    client = Client()
    found = find_job(client, options.id)
    job = client.annotate(found.id, **notes_of(options, found))
    show(options, job, notes_text(job))
    return 0


def remove(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab rm ID --files``: says what goes, and asks."""
    client = Client()
    found = [find_job(client, id) for id in options.ids]
    names = ", ".join(job.id for job in found)
    what = "the files" if options.files else "all that is kept"
    if not options.yes:
        if not sys.stdin.isatty():
            raise InvalidRequest(
                f"{what} of {names} would go.", hint="Nobody can be asked here: add --yes."
            )
        print(f"Remove {what} of {names}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing was removed", file=sys.stderr)
            return 1
    for job in found:
        if options.files:
            client.remove_files(job.id)
            print(f"{job.id}: its files are gone; its record is kept")
        else:
            client.delete_job(job.id)
            print(f"{job.id} is gone")
    return 0


def export(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab export > jobs.jsonl``: a record a line, newest first."""
    count = 0
    for record in Client().export(**filter_of(options)):
        print(record.model_dump_json())
        count += 1
    print(f"{count} job{'' if count == 1 else 's'}", file=sys.stderr)
    return 0


def take_in(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab import jobs.jsonl``."""
    if options.file == "-":
        kept = Client().take_in(_records(sys.stdin.buffer, "stdin"))
    else:
        path = Path(options.file)
        try:
            if not path.is_file():
                raise InvalidRequest(f"{path} is no regular file.")
            with path.open("rb") as lines:
                kept = Client().take_in(_records(lines, str(path)))
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be read: {exc.strerror}.") from None
    known = f"; {len(kept.known)} were there already" if kept.known else ""
    show(options, kept, f"{len(kept.added)} added{known}")
    return 0


def _records(lines: BinaryIO, name: str) -> Iterator[JobRecord]:
    """The record of each line; a line that is none is named by its number."""
    number = 0
    while line := lines.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise InvalidRequest(f"line {number} of {name} is longer than {_LONGEST >> 20} MiB.")
        if not line.strip():
            continue
        try:
            yield JobRecord.from_wire(json.loads(line))
        except (ValueError, RecursionError) as exc:
            why = str(exc) if isinstance(exc, InvalidRequest) else "it is not JSON."
            raise InvalidRequest(f"line {number} of {name}: {why}") from None
