"""Magics about jobs there are: ``%jobs %job %logs %cancel %pause %resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..job import Job
from ..plaintext import Inert
from ..specs import JobState
from ..submission import add_filter, filter_of, whole
from ..tables import loss
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import JobList, JobView, LogView

__all__ = ("JobMagics",)

#: Seconds of work that a pause may lose without being asked for twice.
_LITTLE = 60


class JobMagics:
    """Each takes the id of a job or its start; without one it is the last that was submitted here.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("jobs", "job", "logs", "cancel", "pause", "resume")

    def __init__(self, session: Session) -> None:
        self._session = session

    def jobs(self, line: str) -> JobList | None:
        """List your newest jobs: ``%jobs [--all] [-n N] [--tag T] [--state failed] ...``."""
        parser = parser_for("%jobs")
        add_filter(parser)
        parser.add_argument("--all", action="store_true", help="all jobs there are")
        parser.add_argument("-n", type=whole(1, 500), default=10, metavar="N", help="how many")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        from ..widgets import JobList

        return self._session.only(
            JobList(
                self._session.client(),
                None if options.all else options.n,
                where=filter_of(options),
            )
        )

    def job(self, line: str) -> JobView | None:
        """Show one job: ``%job [ID]``; the last one submitted here without an ID."""
        parser = parser_for("%job")
        parser.add_argument("id", nargs="?")
        if asks_help(parser, words := split(line)):
            return None
        from ..widgets import JobView

        job = self._session.job(parser.read(words).id)
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
        job = self._session.job(options.id)
        if options.f:
            shown = Inert()
            try:
                for text in job.client.follow(job.id, replica=options.replica):
                    print(shown.feed(text), end="", flush=True)
                print(shown.end(), end="")
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
        job = self._certain("%cancel", parser.read(words).id)
        ended = job.info.state.is_terminal
        job.cancel()
        said = f"had ended already: {job.info.state.value}" if ended else "is being cancelled"
        print(f"{job.id} {said}.")

    def pause(self, line: str) -> None:
        """Pause a job: ``%pause [ID] [-y]``. It is asked to save, ended, and gives its GPUs back;
        ``%resume`` goes on from its last checkpoint.

        It says what that loses. When that may be more than a minute of work it wants ``-y``.
        """
        parser = parser_for("%pause")
        parser.add_argument("id", nargs="?")
        parser.add_argument("-y", "--yes", action="store_true", help="whatever it loses")
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        job = self._certain("%pause", options.id)
        if job.info.state is JobState.PAUSED:
            print(f"{job.id} had been paused already. %resume goes on.")
            return
        lost, said = loss(job.info)
        if lost > _LITTLE and not options.yes:
            raise InvalidRequest(
                f"{job.id} goes on; {said}", hint=f"Pause it all the same: %pause {job.id} -y"
            )
        job.pause()
        print(f"{job.id} is being paused; {said} %resume goes on.")

    def resume(self, line: str) -> JobView | None:
        """Go on with a job from its last checkpoint: ``%resume [ID]``. It may have been paused, or
        have failed, or been cancelled or lost.
        """
        parser = parser_for("%resume")
        parser.add_argument("id", nargs="?")
        if asks_help(parser, words := split(line)):
            return None
        job = self._certain("%resume", parser.read(words).id)
        resumable = job.info.state.is_resumable
        job.resume()
        if not (resumable or job.info.state.is_terminal):
            # One that is being paused is paused all the same.
            print(f"{job.id} was not resumed; it is {job.info.state.value}. {job.info.reason}")
        from ..widgets import JobView

        return self._session.only(JobView(job), job.id)

    def _certain(self, magic: str, id: str | None) -> Job:
        """The job that is meant: never one that only happens to be the newest."""
        if id is None and self._session.last is None:
            raise InvalidRequest(
                "which job? Nothing was submitted from this kernel.",
                hint=f"{magic} ID names one; %jobs shows the ids.",
            )
        return self._session.job(id)
