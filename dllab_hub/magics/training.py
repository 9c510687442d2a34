"""Magics about training and the machine: ``%%train %jobs %job %logs %cancel %gpus %board``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from IPython.display import display

from ..cell import check_cell
from ..errors import InvalidRequest, NotFound
from ..job import Job, find_job
from ..submission import add_options, filename_for, split_args, to_spec, whole
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import BoardView, GpuView, JobList, JobView, LogView

__all__ = ("TrainingMagics",)

#: What a new job is called without ``--name``.
_NAME = "train"
_HANDLE = "_job"


class TrainingMagics:
    """``_job`` in the notebook is the handle of the last job that was submitted.

    Args:
        session: The shell and the client that all magics share.
    """

    cells = ("train",)
    lines = ("jobs", "job", "logs", "cancel", "gpus", "board")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last: str | None = None

    def train(self, line: str, cell: str) -> JobView | None:
        """Submit this cell as a training job; local modules it imports travel with it.

        ::

            %%train --name digits --workers 2 --checkpoint-every 20 -- --lr 0.1

        Options: --name --image --workers --gpus (for each worker) --strategy --checkpoint-every
        --max-restarts --env K=V ... --volumes V ... (else those of the lab) --with FILE ...
        --wait; words after -- are the code's arguments. The cell runs as a script of its own:
        nothing from the notebook is visible in it. Afterwards ``_job`` is the job:
        ``_job.wait()``, ``_job.checkpoint.path``, ``_job.logs()``, ``_job.cancel()``.
        """
        words, args = split_args(split(line))
        parser = parser_for("%%train")
        parser.takes_args = True
        add_options(parser)
        parser.add_argument("--wait", action="store_true", help="wait until the job has ended")
        if asks_help(parser, words):
            return None
        options = parser.read(words)
        check_cell(cell)
        name = options.name or _NAME
        client = self._session.client()
        spec = to_spec(
            options,
            cell,
            name=_NAME,
            filename=filename_for(name),
            root=Path.cwd(),
            args=args,
            default_image=lambda: client.catalog().default_image,
        )
        job = Job(client, client.submit(spec))
        self._last = job.id
        # Not interactive: it stays out of %who.
        self._session.shell.push({_HANDLE: job}, interactive=False)
        from ..widgets import JobView

        view = self._session.only(JobView(job), job.id)
        if not options.wait:
            return view
        display(view)
        job.wait()
        return None

    def jobs(self, line: str) -> JobList | None:
        """List your newest jobs: ``%jobs [--all] [-n N]``."""
        parser = parser_for("%jobs")
        parser.add_argument("--all", action="store_true", help="all jobs there are")
        parser.add_argument("-n", type=whole(1, 500), default=10, metavar="N", help="how many")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        from ..widgets import JobList

        return self._session.only(
            JobList(self._session.client(), None if options.all else options.n)
        )

    def job(self, line: str) -> JobView | None:
        """Show one job: ``%job [ID]``; the last one submitted here without an ID."""
        parser = parser_for("%job")
        parser.add_argument("id", nargs="?")
        if asks_help(parser, words := split(line)):
            return None
        from ..widgets import JobView

        job = self._job(parser.read(words).id)
        return self._session.only(JobView(job), job.id)

    def logs(self, line: str) -> LogView | None:
        """Show what a job printed: ``%logs [ID] [--replica worker-0] [--attempt N] [-n N] [-f]``.

        With ``-f`` the cell prints what comes until the job ends; interrupting it does not touch
        the job.
        """
        parser = parser_for("%logs")
        parser.add_argument("id", nargs="?")
        parser.add_argument("--replica", metavar="R", help="such as worker-0; all without it")
        parser.add_argument("--attempt", type=whole(1), metavar="N", help="the newest without it")
        parser.add_argument("-n", type=whole(1, 5000), default=100, metavar="N", help="lines")
        parser.add_argument("-f", action="store_true", help="print until the job ends")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        if options.f and options.attempt:
            raise InvalidRequest("-f shows all attempts, from the first to the last.")
        job = self._job(options.id)
        if options.f:
            try:
                for text in job.client.follow(job.id, replica=options.replica):
                    print(text, end="", flush=True)
            except KeyboardInterrupt:
                print("\nno longer following; the job goes on.")
            return None
        from ..widgets import LogView

        view = LogView(job, replica=options.replica, attempt=options.attempt, lines=options.n)
        return self._session.only(view, job.id, options.replica or "")

    def cancel(self, line: str) -> None:
        """End a job: ``%cancel [ID]``. Code that uses ``Checkpointer`` saves first."""
        parser = parser_for("%cancel")
        parser.add_argument("id", nargs="?")
        if asks_help(parser, words := split(line)):
            return
        id = parser.read(words).id
        if id is None and self._last is None:
            raise InvalidRequest(
                "which job? Nothing was submitted from this kernel.",
                hint="%cancel ID ends one; %jobs shows the ids.",
            )
        job = self._job(id)
        ended = job.info.state.is_terminal
        job.cancel()
        said = f"had ended already: {job.info.state.value}" if ended else "is being cancelled"
        print(f"{job.id} {said}.")

    def gpus(self, line: str) -> GpuView | None:
        """Show the GPUs of this lab's machine: ``%gpus``."""
        parser = parser_for("%gpus")
        if asks_help(parser, words := split(line)):
            return None
        parser.read(words)
        from ..widgets import GpuView

        return self._session.only(GpuView(self._session.client()))

    def board(self, line: str) -> BoardView | None:
        """Show TensorBoard with all your runs: ``%board [--height PIXELS]``."""
        parser = parser_for("%board")
        parser.add_argument("--height", type=whole(100, 5000), default=700, metavar="PIXELS")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        url = self._session.client().tensorboard_url()
        if url is None:
            raise NotFound(
                "there is no TensorBoard in this lab.",
                hint="It is one of the choices when a lab is started.",
            )
        from ..widgets import BoardView

        return BoardView(url, options.height)

    def _job(self, id: str | None) -> Job:
        client = self._session.client()
        return Job(client, find_job(client, id or self._last))
