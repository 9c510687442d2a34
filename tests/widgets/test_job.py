"""The view of one job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest
from widget_looks import html, press, until

from dllab_hub.errors import Unavailable
from dllab_hub.job import Job
from dllab_hub.specs import JobState
from dllab_hub.widgets import JobView, LogView

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def view(job: Job) -> Iterator[JobView]:
    view = JobView(job, period=0.02)
    yield view
    view.close()
    if view.is_live:
        until(lambda: not view.is_live)


def test_text_is_complete_without_a_front_end(view: JobView, job: Job) -> None:
    """Where nothing shows widgets the view is text and no thread runs."""
    bundle = view._repr_mimebundle_()

    assert list(bundle) == ["text/plain"]
    assert f"{job.id}  RUNNING" in bundle["text/plain"]
    assert "worker-1  RUNNING" in bundle["text/plain"]
    assert not view.is_live


def test_it_follows_the_job(view: JobView, job: Job, client: Any) -> None:
    """Progress, checkpoint, log and replicas appear as they happen; the end stops the thread."""
    widget = view.widget
    client.backend.write_log(job.id, "worker-0", "hello\n")
    client.backend.report(job.id, 120, 300, loss=0.25)
    client.backend.save_checkpoint(job.id, 100)

    until(lambda: "step 120 of 300" in html(widget))
    until(lambda: "[worker-0] hello" in html(widget))
    assert "loss 0.25" in html(widget)
    assert "last checkpoint: step 100, 0 s ago" in html(widget)
    assert "attempt 1 of at most 4" in html(widget)
    assert '<a href="/user/ada/tensorboard/"' in html(widget)

    client.backend.finish(job.id, JobState.FAILED, "worker-1 returned 3.", exit_code=3)
    until(lambda: not view.is_live)
    assert "FAILED" in html(widget)
    assert "worker-1 returned 3." in html(widget)
    assert "[Cancel (off)]" in html(widget)


def test_widgets_are_changed_in_place(view: JobView, job: Job, client: Any) -> None:
    """The same widgets live as long as the view; nothing is replaced, so nothing flickers."""
    before = list(view.widget.children)
    client.backend.report(job.id, 1, 2)
    until(lambda: "step 1 of 2" in html(view.widget))

    assert before == list(view.widget.children)


def test_a_restart_shows_the_new_attempts_log(view: JobView, job: Job, client: Any) -> None:
    """The log of the attempt before gives way to the new one's."""
    widget = view.widget
    client.backend.write_log(job.id, "worker-0", "first life\n")
    until(lambda: "first life" in html(widget))
    client.backend.restart(job.id)
    client.backend.write_log(job.id, "worker-0", "second life\n")

    until(lambda: "second life" in html(widget))
    assert "first life" not in html(widget)
    assert "attempt 2 of at most 4" in html(widget)


def test_nothing_a_job_says_is_markup(view: JobView, job: Job, client: Any) -> None:
    """Log, reason, metric names and the board's address are shown, never interpreted."""
    client.board = "javascript:alert(3)"
    widget = view.widget
    client.backend.write_log(job.id, "worker-0", NASTY + "\n")
    client.backend.report(job.id, 1, 2, **{NASTY: 1.0})
    client.backend.finish(job.id, JobState.FAILED, NASTY)
    until(lambda: not view.is_live)

    shown = html(widget)
    assert shown.count("&lt;script&gt;") == 3
    assert "<script" not in shown
    assert "<img" not in shown
    assert "javascript:" not in shown


def test_terminal_tricks_are_cleaned(view: JobView, job: Job, client: Any) -> None:
    """Colours vanish, and of a progress bar only the newest state is shown."""
    widget = view.widget
    client.backend.write_log(job.id, "worker-0", b"\x1b[31mred\x1b[0m\n10%\r20%\r30%\n\xff\n")

    until(lambda: "30%" in html(widget))
    assert "[worker-0] red\n[worker-0] 30%\n[worker-0] \N{REPLACEMENT CHARACTER}<" in html(widget)


def test_cancel_asks_first(view: JobView, job: Job, client: Any) -> None:
    """One press asks, No takes it back, Yes ends the job."""
    press(view, "Cancel")
    assert "[Yes, end it]" in html(view.widget)
    assert "[Cancel]" not in html(view.widget)
    press(view, "No, go on")
    assert "[Cancel]" in html(view.widget)
    assert job.state is JobState.RUNNING

    press(view, "Cancel")
    press(view, "Yes, end it")
    until(lambda: "CANCELLED" in html(view.widget))


def test_pause_says_what_it_loses_first(view: JobView, job: Job, client: Any) -> None:
    """One press says what would be lost and asks; No leaves all as it is; Yes pauses; Resume goes
    on.
    """
    assert "[Resume]" not in html(view.widget)
    press(view, "Pause")
    assert "nothing was saved yet: after a pause it starts over" in html(view.widget)
    press(view, "No, go on")
    assert "nothing was saved yet" not in html(view.widget)
    assert job.state is JobState.RUNNING

    client.backend.save_checkpoint(job.id, 1200)
    until(lambda: "last checkpoint: step 1200" in html(view.widget))
    press(view, "Pause")
    assert "last checkpoint: step 1 200, 0 s ago: pausing now loses up to" in html(view.widget)
    press(view, "Yes, pause it")
    until(lambda: "PAUSED" in html(view.widget))
    assert ["[Resume]", "[Run again]", "[Cancel]"] == shown(view)

    press(view, "Resume")
    until(lambda: "attempt 2" in html(view.widget))
    assert ["[Pause]", "[Cancel]"] == shown(view)


def test_a_job_that_had_ended_goes_on(view: JobView, job: Job, client: Any) -> None:
    """The view had stopped asking; Resume makes it live again."""
    assert view.widget
    client.backend.finish(job.id, JobState.FAILED, "worker-1 returned 3.")
    until(lambda: not view.is_live)
    assert ["[Resume]", "[Run again]", "[Cancel (off)]"] == shown(view)

    press(view, "Resume")
    client.backend.report(job.id, 7, 9)
    until(lambda: "step 7 of 9" in html(view.widget))
    client.backend.finish(job.id)
    until(lambda: not view.is_live)
    assert ["[Run again]", "[Cancel (off)]"] == shown(view)


def test_run_again(view: JobView, job: Job, client: Any) -> None:
    """The same wish becomes a new job, whose id is shown; what goes wrong is shown, too."""
    assert view.widget
    client.backend.finish(job.id)
    until(lambda: not view.is_live)
    press(view, "Run again")
    newest = client.list(limit=1).jobs[0]
    assert (job.info.spec, True) == (newest.spec, newest.id != job.id)
    assert f"Submitted {newest.id}" in html(view.widget)

    client.trouble = Unavailable("the lab service does not answer.")
    press(view, "Run again")
    assert "does not answer" in html(view.widget)


def test_what_a_paused_or_stopped_job_looks_like(job: Job, client: Any) -> None:
    """Place in the queue, priority, time that is left and stopped replicas are said."""
    client.backend.cpus = 3
    spec = job.info.spec.model_copy(update={"priority": 5, "time_limit": 7200})
    waiting = JobView(Job(client, client.submit(spec)), period=0.02)
    said = html(waiting.widget)
    assert "place 1 in the queue, priority 5" in said
    assert "2 h 0 min of 2 h 0 min left" in said
    waiting.close()

    replica = job.info.replicas[0].model_copy(update={"stopped": True})
    job.info = job.info.model_copy(update={"replicas": (replica,)})
    view = JobView(job, period=60)
    assert "stopped, not dead" in html(view.widget)
    assert "worker-0  RUNNING  stopped, not dead" in view.text()
    view.close()


def shown(view: JobView) -> list[str]:
    """The buttons that can be seen."""
    return [
        line for line in html(view.widget).splitlines() if line.startswith("[") and "]" in line[-1]
    ]


def test_trouble_is_shown_and_survived(view: JobView, client: Any) -> None:
    """While the service is away the view says so and keeps asking, ever more slowly."""
    widget = view.widget
    client.trouble = Unavailable("the lab service does not answer.")
    until(lambda: "does not answer" in html(widget))
    asked = client.asked
    time.sleep(0.4)
    assert 1 <= client.asked - asked <= 5
    assert view.is_live

    client.trouble = None
    until(lambda: "does not answer" not in html(widget))


def test_waiting_survives_a_restart_of_the_service(job: Job, client: Any) -> None:
    """A service that is away for a moment neither ends the wait nor the job."""
    client.trouble = Unavailable("the lab service does not answer.")

    def come_back() -> None:
        client.trouble = None
        client.backend.finish(job.id)

    Timer(0.3, come_back).start()
    assert job.wait(5, show=False).info.state is JobState.SUCCEEDED


def test_a_closed_view_asks_no_more(view: JobView, client: Any) -> None:
    """Closing ends the thread and leaves what is shown."""
    assert view.widget is view.widget
    until(lambda: client.asked > 2)
    view.close()
    until(lambda: not view.is_live)
    asked = client.asked
    time.sleep(0.1)

    assert asked == client.asked


def test_one_thread_for_one_view(view: JobView) -> None:
    """Showing a view twice starts no second thread."""
    first = view.widget, view._thread
    view._repr_mimebundle_()

    assert first == (view.widget, view._thread)


def test_a_log_is_its_last_lines(job: Job, client: Any) -> None:
    """The text of a log view is what was printed; live, it grows until the job ends."""
    client.backend.write_log(job.id, "worker-0", "".join(f"line {i}\n" for i in range(200)))
    view = LogView(job, replica="worker-0", lines=3, period=0.02)
    assert view.text() == "line 197\nline 198\nline 199"

    widget = view.widget
    client.backend.write_log(job.id, "worker-0", f"{NASTY}\n")
    until(lambda: "&lt;script&gt;" in html(widget))
    assert "line 197" not in html(widget)
    client.backend.finish(job.id)
    until(lambda: not view.is_live)
