"""`JobView`: one job as it runs."""

from __future__ import annotations

import time

import ipywidgets

from ..errors import AccessDenied, DLLabError, NotFound
from ..job import Job
from ..specs import JobState, ReplicaStatus, TrainingJob
from ..tables import (
    age,
    attempt,
    cause,
    job_text,
    loss,
    pace,
    place,
    progress,
    replica_facts,
    saved,
    time_left,
    where,
)
from .chart import charts, lines_of
from .live import Live
from .log import of_job
from .markup import alert, link, log, note, state, table

__all__ = ("JobView",)

_LINES = 40
#: Seconds between two questions for curves: they are larger than all else.
_CURVES = 5.0


class JobView(Live):
    """Why it failed or what is wrong, state, progress, curves, replicas and the end of the log.

    Args:
        job: The handle; the view keeps its ``info`` fresh.
        period: Seconds between two questions.
    """

    def __init__(self, job: Job, *, period: float = 1.0) -> None:
        super().__init__(period=period)
        self.job = job
        self._tail = of_job(job)
        self._board: str | None = None
        self._wanted = ""  # The answer to the question that is asked.
        self._drawn, self._drawn_at = "", 0.0  # The charts.

    def text(self) -> str:
        return job_text(self.job.info)

    def _build(self) -> list[ipywidgets.Widget]:
        self._state, self._facts = ipywidgets.HTML(), ipywidgets.HTML()
        self._replicas, self._log = ipywidgets.HTML(), ipywidgets.HTML()
        self._links, self._cause, self._charts = (ipywidgets.HTML() for _ in range(3))
        self._bar = ipywidgets.IntProgress(min=0, max=1, layout=ipywidgets.Layout(width="240px"))
        self._step = ipywidgets.HTML()
        self._progress = ipywidgets.HBox([self._bar, self._step])
        self._end = ipywidgets.Button(description="Cancel", tooltip="End this job")
        self._hold = ipywidgets.Button(
            description="Pause", tooltip="End it for now, and give its GPUs back"
        )
        self._go_on = ipywidgets.Button(
            description="Resume", tooltip="Go on from the last checkpoint"
        )
        self._again = ipywidgets.Button(
            description="Run again", tooltip="Submit the same as a new job"
        )
        self._said = ipywidgets.HTML()  # What a pause loses; what came of a button.
        self._yes = ipywidgets.Button(button_style="danger")
        self._no = ipywidgets.Button(description="No, go on")
        self._end.on_click(lambda _: self._ask("Yes, end it", ""))
        self._hold.on_click(lambda _: self._ask("Yes, pause it", loss(self.job.info)[1]))
        self._no.on_click(lambda _: self._ask(""))
        self._yes.on_click(lambda _: self._confirmed())
        self._go_on.on_click(lambda _: self._resume())
        self._again.on_click(lambda _: self._run_again())
        self._buttons = ipywidgets.HBox(
            [self._hold, self._go_on, self._again, self._end, self._yes, self._no, self._links]
        )
        self._ask("")
        return [
            *(self._state, self._cause, self._progress, self._facts, self._charts),
            *(self._replicas, self._log),
            *(self._buttons, self._said),
        ]

    def _read(self) -> bool:
        self.job.refresh()
        ended = self.job.info.state.is_terminal
        if self.job.info.attempt:
            self._tail.read(self.job.info.attempt)
            if ended or time.monotonic() - self._drawn_at > _CURVES:
                self._read_curves()
        if self._board is None:
            try:
                self._board = self.job.client.tensorboard_url() or ""
            except (AccessDenied, NotFound):
                self._board = ""  # A lab without TensorBoard is no trouble: there is no link.
        return not ended

    def _read_curves(self) -> None:
        self._drawn_at = time.monotonic()
        try:
            self._drawn = charts(lines_of(self.job.curves().curves))
        except DLLabError as exc:  # All else is shown without them.
            self._drawn = note(f"The curves are not there: {exc.message}")

    def _draw(self) -> None:
        job = self.job.info
        now = time.time()
        # Who knows the cause, which is below, need not read the symptom.
        self._state.value = (
            f"{state(job.state, '' if job.diagnosis else job.reason)} {note(job.id)}"
        )
        done = job.progress
        if done is not None and done.total:
            self._bar.max, self._bar.value = done.total, min(done.step, done.total)
        self._bar.layout.display = "" if done is not None and done.total else "none"
        metrics = "" if done is None else ", ".join(f"{k} {v:.4g}" for k, v in done.metrics.items())
        self._step.value = note(
            "  ".join(part for part in (progress(job), pace(job), metrics) if part)
        )
        self._cause.value = alert(cause(job, now), job.diagnosis.traceback if job.diagnosis else "")
        self._charts.value = self._drawn
        ran = "" if job.started is None else age((job.ended or now) - job.started)
        last = f"last checkpoint: {saved(job, now)}"
        tags = f"tags: {', '.join(job.tags)}" if job.tags else ""
        facts = (attempt(job), place(job), where(job), last, ran, time_left(job, now), tags)
        self._facts.value = note(" · ".join(fact for fact in facts if fact))
        self._replicas.value = _replicas(job)
        self._log.value = log(self._tail.text, _LINES)
        self._links.value = link(self._board, "TensorBoard")
        if job.state.is_terminal and self._wanted:
            self._ask("")
        self._show_buttons()

    def _ask(self, yes: str, said: str = "") -> None:
        """Show the question that ``yes`` answers; an empty one is none."""
        self._wanted = yes
        self._said.value = note(said)
        if yes:
            self._yes.description = yes
        self._show_buttons()

    def _show_buttons(self) -> None:
        """Those that have a sense in the job's state; or only the answers to a question."""
        now = self.job.info.state
        asking = bool(self._wanted)
        self._end.disabled = now.is_terminal
        for button, shown in (
            (self._hold, not asking and not now.is_resumable and not now.is_terminal),
            (self._go_on, not asking and now.is_resumable),
            (self._again, not asking and (now.is_resumable or now.is_terminal)),
            (self._end, not asking),
            (self._yes, asking),
            (self._no, asking),
        ):
            button.layout.display = "" if shown else "none"

    def _confirmed(self) -> None:
        ends = self._wanted == "Yes, end it"
        self._ask("")
        self._try(self.job.cancel if ends else self.job.pause)
        if self.job.info.state is JobState.RUNNING:
            doing = "ending ..." if ends else "pausing ..."
            self._state.value = f"{state(self.job.info.state, doing)} {note(self.job.id)}"
        else:
            self._draw()

    def _resume(self) -> None:
        self._try(self.job.resume)
        self._draw()
        if not self.job.info.state.is_terminal:
            self.start()  # The view had nothing more to ask about a job that had ended.

    def _run_again(self) -> None:
        def act() -> None:
            new = self.job.rerun()
            self._said.value = note(f"Submitted {new.id}: %job {new.id} shows it.")

        self._try(act)


def _replicas(job: TrainingJob) -> str:
    """A table; a column that nobody needs is left out."""
    head = ("worker", "state", "end", "step", "CPU", "memory", "error")
    rows = [_row(replica) for replica in job.replicas]
    used = [n for n in range(len(head)) if n < 2 or any(row[n] for row in rows)]
    if not rows:
        return ""
    return table([head[n] for n in used], [[row[n] for n in used] for row in rows])


def _row(replica: ReplicaStatus) -> tuple[str, ...]:
    error = (replica.traceback.strip().splitlines() or [""])[-1]
    return replica.name, replica.state.value, *replica_facts(replica), error
