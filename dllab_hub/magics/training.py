"""Magics that start trainings: ``%%train %train %rerun``, and ``%%shared %shared``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import display

from ..cell import check_cell
from ..errors import InvalidRequest
from ..job import Job
from ..submission import (
    Program,
    Submission,
    add_options,
    add_wish_options,
    fields_of,
    filename_for,
    from_words,
    name_for,
    named_by_option,
    prepare,
    several,
    split_args,
    typed_in,
    valid_name,
    with_shared,
)
from ..tables import preflight_text
from .session import Session, asks_help, parser_for, split
from .shared import SharedCells

if TYPE_CHECKING:
    from ..widgets import JobView

__all__ = ("TrainingMagics",)

#: What a new job is called without ``--name``.
_NAME = "train"


class TrainingMagics:
    """``_job`` in the notebook is the handle of the last job that was submitted.

    Args:
        session: The shell and the client that all magics share.
    """

    cells = ("train", "shared")
    lines = ("train", "rerun", "shared")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shared = SharedCells()

    def train(self, line: str, cell: str | None = None) -> JobView | None:
        """Submit this cell as a training job.

        ::

            %%train --name digits --workers 2 --checkpoint-every 20 --tag baseline -- --lr 0.1

        What travels with it: the cells marked with ``%%shared``; all of the directory when it is a
        project (it has a ``.git`` or a ``.dllabignore``), else the local modules it imports; what
        was installed in this lab. ``%%train --help`` lists the options; words after ``--`` are the
        code's arguments. The cell runs as a script of its own: nothing else from the notebook is
        visible in it. With ``--shell`` it is a script for bash. ``--check`` only looks for what
        would make it fail, and says what it would cost and when it would start.

        ``%train train.py``, ``%train --module pkg.train`` and ``%train --command -- bash run.sh``
        submit what lies in files.

        Afterwards ``_job`` is the job: ``_job.wait()``, ``_job.checkpoint.path``, ``_job.logs()``,
        ``_job.pause()``, ``_job.resume()``, ``_job.rerun(workers=4)``, ``_job.cancel()``.
        """
        words, args = split_args(split(line))
        parser = parser_for("%train" if cell is None else "%%train")
        parser.takes_args = True
        if cell is None:
            parser.add_argument("script", metavar="SCRIPT", nargs="?")
        add_options(parser)
        parser.add_argument("--wait", action="store_true", help="wait until the job has ended")
        if asks_help(parser, words):
            return None
        options = parser.read(words)
        if cell is None:
            program = from_words(options, options.script, args)
        else:
            program = self._of_cell(options, cell, args)
        client = self._session.client()
        submission = prepare(
            options,
            program,
            name=_NAME if cell is not None else name_for(program.name, _NAME),
            here=Path.cwd(),
            catalog=client.catalog,
        )
        if submission.travels:
            print(submission.travels)
        if options.check:
            self._check(submission)
            return None
        return self._started(Job(client, submission.send(client)), options.wait)

    def rerun(self, line: str) -> JobView | None:
        """Submit a job again as a new one, with some options changed:
        ``%rerun [ID] [--workers 4] [-- --lr 0.2]``.

        Its code is what it was; options that are not typed are as they were.
        """
        words, args = split_args(split(line))
        parser = parser_for("%rerun")
        parser.takes_args = True
        parser.add_argument("id", nargs="?")
        add_wish_options(parser)
        parser.add_argument("--wait", action="store_true", help="wait until the job has ended")
        if asks_help(parser, words):
            return None
        options = parser.read(words)
        old = self._session.job(options.id)
        typed = typed_in(options)
        fields = fields_of({**typed, "args": args} if "--" in split(line) else typed, old.info.spec)
        with named_by_option(fields.get("roles", old.info.spec.roles)):
            new = old.client.rerun(old.id, **fields)
        return self._started(Job(old.client, new), options.wait)

    def shared(self, line: str, cell: str | None = None) -> None:
        """Mark a cell: it runs here, and it travels with every ``%%train`` of this notebook.

        ::

            %%shared [NAME]
            class Net(torch.nn.Module): ...

        In a training the marked cells run first, in the order in which they were marked, in the
        same namespace as the training cell. Running a marked cell again replaces its text.
        ``%shared`` lists the marked cells, ``%shared --remove NAME-OR-NUMBER ...`` and
        ``%shared --clear`` mark them no more.
        """
        parser = parser_for("%shared" if cell is None else "%%shared")
        if cell is None:
            parser.add_argument("--remove", nargs="+", default=[], metavar="NAME")
            parser.add_argument("--clear", action="store_true", help="mark none")
        else:
            parser.add_argument("name", nargs="?", type=valid_name, metavar="NAME")
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        if cell is not None:
            self._mark(cell, options.name or "")
            return
        if options.clear:
            self._shared = SharedCells()
        self._shared.remove(options.remove)
        print(self._shared.text())

    def _mark(self, cell: str, name: str) -> None:
        check_cell(cell)
        shell = self._session.shell
        if not shell.run_cell(cell).success:
            raise InvalidRequest("the cell failed, so its new text does not travel with trainings.")
        # A shell without front end has no messages.
        parent: dict[str, Any] = getattr(shell, "get_parent", dict)()
        self._shared.put(cell, name, str(parent.get("metadata", {}).get("cellId") or ""))

    def _of_cell(self, options: argparse.Namespace, cell: str, args: tuple[str, ...]) -> Program:
        several(options, "the cell")
        name = options.name or _NAME
        if options.as_shell:
            return Program("shell", name, cell, f"{name}.sh", args=args)
        check_cell(cell)
        program = Program("script", name, cell, filename_for(name), args=args)
        return with_shared(program, self._shared.cells)

    def _check(self, submission: Submission) -> None:
        client = self._session.client()
        seen = submission.check(client)
        print(preflight_text(seen))
        if seen.error is not None:
            raise InvalidRequest("it would fail.", hint="Nothing was started.")
        price = submission.price(client)
        print(price.message)
        if price.refused:
            raise InvalidRequest(price.refused, hint="Nothing was started.")

    def _started(self, job: Job, wait: bool) -> JobView | None:
        self._session.handle(job)
        from ..widgets import JobView

        view = self._session.only(JobView(job), job.id)
        if not wait:
            return view
        display(view)
        job.wait()
        return None
