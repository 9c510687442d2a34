"""`JobView`: one job as it runs."""

from __future__ import annotations

import time

import ipywidgets

from ..errors import AccessDenied, NotFound
from ..job import Job
from ..specs import JobState
from ..tables import age, job_text, progress, saved
from .live import Live
from .log import of_job
from .markup import link, log, note, state, table

__all__ = ("JobView",)

_LINES = 40


class JobView(Live):
    """State, progress, checkpoint, replicas and the end of the log of one job.

    Args:
        job: The handle; the view keeps its ``info`` fresh.
        period: Seconds between two questions.
    """

    def __init__(self, job: Job, *, period: float = 1.0) -> None:
        super().__init__(period=period)
        self.job = job
        self._tail = of_job(job)
        self._board: str | None = None

    def text(self) -> str:
        return job_text(self.job.info)

    def _build(self) -> list[ipywidgets.Widget]:
        self._state, self._facts = ipywidgets.HTML(), ipywidgets.HTML()
        self._replicas, self._log = ipywidgets.HTML(), ipywidgets.HTML()
        self._links = ipywidgets.HTML()
        self._bar = ipywidgets.IntProgress(min=0, max=1, layout=ipywidgets.Layout(width="240px"))
        self._step = ipywidgets.HTML()
        self._progress = ipywidgets.HBox([self._bar, self._step])
        self._ask = ipywidgets.Button(description="Cancel", tooltip="End this job")
        self._yes = ipywidgets.Button(description="Yes, end it", button_style="danger")
        self._no = ipywidgets.Button(description="No, go on")
        self._ask.on_click(lambda _: self._confirm(True))
        self._no.on_click(lambda _: self._confirm(False))
        self._yes.on_click(lambda _: self._cancel())
        self._buttons = ipywidgets.HBox([self._ask, self._yes, self._no, self._links])
        self._confirm(False)
        return [
            *(self._state, self._progress, self._facts, self._replicas, self._log, self._buttons)
        ]

    def _read(self) -> bool:
        self.job.refresh()
        ended = self.job.info.state.is_terminal
        if self.job.info.attempt:
            self._tail.read(self.job.info.attempt)
        if self._board is None:
            try:
                self._board = self.job.client.tensorboard_url() or ""
            except (AccessDenied, NotFound):
                self._board = ""  # A lab without TensorBoard is no trouble: there is no link.
        return not ended

    def _draw(self) -> None:
        job = self.job.info
        now = time.time()
        self._state.value = f"{state(job.state, job.reason)} {note(job.id)}"
        done = job.progress
        if done is not None and done.total:
            self._bar.max, self._bar.value = done.total, min(done.step, done.total)
        self._bar.layout.display = "" if done is not None and done.total else "none"
        metrics = "" if done is None else ", ".join(f"{k} {v:.4g}" for k, v in done.metrics.items())
        self._step.value = note("  ".join(part for part in (progress(job), metrics) if part))
        facts = [f"last checkpoint: {saved(job, now)}"]
        if job.attempt:
            facts.insert(0, f"attempt {job.attempt} of at most {job.spec.max_restarts + 1}")
        if job.started is not None:
            facts.append(f"{age((job.ended or now) - job.started)}")
        self._facts.value = note(" · ".join(facts))
        rows = [
            [
                replica.name,
                replica.state.value,
                replica.signal or ("" if replica.exit_code is None else f"{replica.exit_code}"),
                (replica.traceback.strip().splitlines() or [""])[-1],
            ]
            for replica in job.replicas
        ]
        self._replicas.value = table(("worker", "state", "exit", "error"), rows) if rows else ""
        self._log.value = log(self._tail.text, _LINES)
        self._links.value = link(self._board, "TensorBoard")
        if job.state.is_terminal:
            self._ask.disabled = True
            self._confirm(False)

    def _confirm(self, asking: bool) -> None:
        self._ask.layout.display = "none" if asking else ""
        self._yes.layout.display = self._no.layout.display = "" if asking else "none"

    def _cancel(self) -> None:
        self._confirm(False)
        self._try(self.job.cancel)
        if self.job.info.state is JobState.RUNNING:
            self._state.value = f"{state(self.job.info.state, 'ending ...')} {note(self.job.id)}"
        else:
            self._draw()
