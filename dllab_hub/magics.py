"""``%load_ext dllab_hub``: submit the cell, watch jobs, read logs, see GPUs.

Every magic returns a view: live where the front end shows widgets, plain text elsewhere. What a
person typed wrong is one line, without a traceback, and the cell counts as failed, so that
"run all" stops there.
"""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.display import display

from .cell import check_cell
from .client import Client
from .errors import DLLabError, InvalidRequest
from .job import Job, find_job
from .submission import Words, add_options, filename_for, in_words, split_args, to_spec, whole

if TYPE_CHECKING:
    from .widgets import GpuView, JobList, JobView, LogView
    from .widgets.live import Live

    _View = TypeVar("_View", bound=Live)

__all__ = ("LabMagics", "register", "unregister")

#: What a new job is called without ``--name``.
_NAME = "train"
_HANDLE = "_job"

#: Where a shell keeps the magics' state, and what they are called.
_META = "dllab_hub"
_NAMES = (("cell", "train"), *(("line", n) for n in ("jobs", "job", "logs", "cancel", "gpus")))


def register(shell: Any) -> None:
    """Add the magics to an IPython shell."""
    lab = LabMagics(shell)
    shell.register_magic_function(_in_one_line(lab.train), "cell", "train")
    for magic in (lab.jobs, lab.job, lab.logs, lab.cancel, lab.gpus):
        shell.register_magic_function(_in_one_line(magic), "line", magic.__name__)
    shell.meta[_META] = lab


def unregister(shell: Any) -> None:
    """Take them out again; views stop asking. Jobs go on."""
    lab: LabMagics = shell.meta.pop(_META)
    lab.close()
    for kind, name in _NAMES:
        shell.magics_manager.magics[kind].pop(name, None)


def _in_one_line(magic: Callable[..., Any]) -> Callable[..., Any]:
    """The one place where an error becomes a line: IPython asks the exception how it looks."""

    @functools.wraps(magic)
    def call(*args: Any) -> Any:
        try:
            return magic(*args)
        except DLLabError as exc:
            text = in_words(exc)
            exc._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
            raise exc from None

    return call


class LabMagics:
    """The magics. ``_job`` in the notebook is the handle of the last job that was submitted."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._made: tuple[tuple[str | None, ...], Client] | None = None
        self._last: str | None = None
        self._polling: dict[tuple[type, str, str], Live] = {}

    def train(self, line: str, cell: str) -> JobView | None:
        """Submit this cell as a training job; local modules it imports travel with it.

        ::

            %%train --name digits --workers 2 --checkpoint-every 20 -- --lr 0.1

        Options: --name --image --workers --gpus (for each worker) --strategy --checkpoint-every
        --max-restarts --env K=V ... --with FILE ... --wait; words after -- are the code's
        arguments. The cell runs as a script of its own: nothing from the notebook is visible in
        it. Afterwards ``_job`` is the job: ``_job.wait()``, ``_job.checkpoint.path``,
        ``_job.logs()``, ``_job.cancel()``.
        """
        words, args = split_args(_split(line))
        parser = _parser("%%train")
        parser.takes_args = True
        add_options(parser)
        parser.add_argument("--wait", action="store_true", help="wait until the job has ended")
        if _asks_help(parser, words):
            return None
        options = parser.read(words)
        check_cell(cell)
        name = options.name or _NAME
        client = self._client()
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
        self.shell.push({_HANDLE: job}, interactive=False)
        from .widgets import JobView

        view = self._only(JobView(job))
        if not options.wait:
            return view
        display(view)
        job.wait()
        return None

    def jobs(self, line: str) -> JobList | None:
        """List your newest jobs: ``%jobs [--all] [-n N]``."""
        parser = _parser("%jobs")
        parser.add_argument("--all", action="store_true", help="all jobs there are")
        parser.add_argument("-n", type=whole(1, 500), default=10, metavar="N", help="how many")
        if _asks_help(parser, words := _split(line)):
            return None
        options = parser.read(words)
        from .widgets import JobList

        return self._only(JobList(self._client(), None if options.all else options.n))

    def job(self, line: str) -> JobView | None:
        """Show one job: ``%job [ID]``; the last one submitted here without an ID."""
        parser = _parser("%job")
        parser.add_argument("id", nargs="?")
        if _asks_help(parser, words := _split(line)):
            return None
        from .widgets import JobView

        return self._only(JobView(self._job(parser.read(words).id)))

    def logs(self, line: str) -> LogView | None:
        """Show what a job printed: ``%logs [ID] [--replica worker-0] [--attempt N] [-n N] [-f]``.

        With ``-f`` the cell prints what comes until the job ends; interrupting it does not touch
        the job.
        """
        parser = _parser("%logs")
        parser.add_argument("id", nargs="?")
        parser.add_argument("--replica", metavar="R", help="such as worker-0; all without it")
        parser.add_argument("--attempt", type=whole(1), metavar="N", help="the newest without it")
        parser.add_argument("-n", type=whole(1, 5000), default=100, metavar="N", help="lines")
        parser.add_argument("-f", action="store_true", help="print until the job ends")
        if _asks_help(parser, words := _split(line)):
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
        from .widgets import LogView

        view = LogView(job, replica=options.replica, attempt=options.attempt, lines=options.n)
        return self._only(view, options.replica or "")

    def cancel(self, line: str) -> None:
        """End a job: ``%cancel [ID]``. Code that uses ``Checkpointer`` saves first."""
        parser = _parser("%cancel")
        parser.add_argument("id", nargs="?")
        if _asks_help(parser, words := _split(line)):
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
        parser = _parser("%gpus")
        if _asks_help(parser, words := _split(line)):
            return None
        parser.read(words)
        from .widgets import GpuView

        return self._only(GpuView(self._client()))

    def close(self) -> None:
        """Stop asking the lab."""
        for view in self._polling.values():
            view.close()
        for view in self._polling.values():
            view.join(5)  # The client must not be closed under a question.
        self._polling.clear()
        if self._made is not None:
            self._made[1].close()
            self._made = None

    def _client(self) -> Client:
        """One client for as long as the environment says the same."""
        names = ("DLLAB_API_URL", "DLLAB_API_TOKEN", "JUPYTERHUB_API_TOKEN")
        key = tuple(os.environ.get(name) for name in names)
        if self._made is None or self._made[0] != key:
            self._made = key, Client()
        return self._made[1]

    def _job(self, id: str | None) -> Job:
        client = self._client()
        return Job(client, find_job(client, id or self._last))

    def _only(self, view: _View, about: str = "") -> _View:
        """Only the newest cell that shows a thing keeps it fresh: one polling thread for each."""
        key = (type(view), view.job.id if hasattr(view, "job") else "", about)
        if old := self._polling.get(key):
            old.close()
        self._polling[key] = view
        return view


def _parser(name: str) -> Words:
    return Words(prog=name, add_help=False, allow_abbrev=False)


def _asks_help(parser: Words, words: list[str]) -> bool:
    if not {"-h", "--help"} & set(words):
        return False
    print(parser.format_help())
    return True


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise InvalidRequest(
            f"the line cannot be read: {exc}.", hint="Quotes come in pairs."
        ) from None
