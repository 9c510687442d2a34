"""`Client` against a real server with jobs in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from served import Host, jupyter_host, lab_host, running_loop

from dllab_hub import Client, Code, Role, TrainingSpec
from dllab_hub.errors import AccessDenied, Conflict, InvalidRequest, NotFound, Unavailable
from dllab_hub.specs import Curve, Finding, GpuState, JobState, TrainingJob
from dllab_hub.workspace import scan

SPEC = TrainingSpec(name="digits", image="here", code=Code(source="print('hello')"))


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A lab service."""
    with lab_host() as host:
        yield host


@pytest.fixture
def client(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Found as a kernel finds it: through the environment."""
    monkeypatch.setenv("DLLAB_API_URL", host.url)
    monkeypatch.setenv("DLLAB_API_TOKEN", host.token)
    client = Client()
    yield client
    client.close()


@pytest.fixture
def job(client: Client) -> TrainingJob:
    """A running job."""
    return client.submit(SPEC)


def later(seconds: float, *acts) -> threading.Thread:
    """Do these things, each so many seconds after the one before."""

    def run() -> None:
        for act in acts:
            time.sleep(seconds)
            act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_every_verb(host: Host, client: Client, job: TrainingJob) -> None:
    """Every verb gives the value that the backend has."""
    host.backend.write_log(job.id, "worker-0", "one\ntwo\n")
    saved = host.backend.save_checkpoint(job.id, 20)

    assert client.status()["user"] == "ada"
    assert client.catalog().default_image == "here"
    assert client.capacity(1).forecast.answer == "now"
    assert client.gpus().state is GpuState.NO_GPU
    assert client.get(job.id).spec == SPEC
    assert client.list(limit=1).jobs[0].id == job.id
    assert client.list([JobState.LOST]).jobs == ()
    assert client.events(job.id)[0].reason == "Submitted"
    assert client.checkpoints(job.id) == (saved,)
    assert client.logs(job.id, replica="worker-0", offset=4).text == "two\n"
    assert client.cancel(job.id).state is JobState.CANCELLED
    assert client.cancel(job.id) == client.get(job.id)


def test_pause_and_run_again(host: Host, client: Client, job: TrainingJob) -> None:
    """Pause, resume and rerun; a change is a value or JSON, as it comes."""
    host.backend.save_checkpoint(job.id, 20)
    assert JobState.PAUSED is client.pause(job.id).state
    assert JobState.PAUSED is client.pause(job.id).state
    assert JobState.RUNNING is client.resume(job.id).state

    again = client.rerun(job.id, roles=(Role(replicas=3),), time_limit=60, code={"args": ["1"]})
    assert again.spec == SPEC.model_copy(
        update={
            "roles": (Role(replicas=3),),
            "time_limit": 60,
            "code": SPEC.code.model_copy(update={"args": ("1",)}),
        }
    )
    assert Code(source="x = 1") == client.rerun(job.id, code=Code(source="x = 1")).spec.code
    with pytest.raises(InvalidRequest) as caught:
        client.rerun(job.id, workers=2)
    assert "workers" == caught.value.field


@pytest.mark.parametrize("deep", [False, True])
def test_a_preflight(host: Host, client: Client, deep: bool) -> None:
    """What the lab found, however thoroughly it looked."""
    assert None is client.preflight(SPEC, deep).error
    host.backend.findings = (Finding(check="paths", severity="error", message="no."),)
    assert "no." == client.preflight(SPEC, deep=deep).error.message
    host.backend.findings = ()


def test_a_workspace(client: Client, tmp_path: Path) -> None:
    """Files are sent once; a job may name them then, and not before."""
    (tmp_path / "a.txt").write_text("hello")
    snapshot = scan(tmp_path)
    spec = SPEC.model_copy(update={"workspace": snapshot.workspace.id})
    with pytest.raises(InvalidRequest) as caught:
        client.submit(spec)
    assert "workspace" == caught.value.field

    for _ in range(2):
        sent = client.upload_workspace(snapshot.workspace, tmp_path)
        assert (snapshot.workspace.id, ()) == (sent.id, sent.missing)
    assert spec == client.submit(spec).spec


def test_pages(client: Client) -> None:
    """``next`` of a page is ``after`` of the following one."""
    ids = [client.submit(SPEC).id for _ in range(3)]
    first = client.list(limit=2)
    second = client.list(limit=1, after=first.next)

    assert ids[::-1] == [job.id for job in (*first.jobs, *second.jobs)]


def test_errors_are_raised(client: Client) -> None:
    """What the lab refuses is raised here as it was raised there."""
    with pytest.raises(InvalidRequest) as caught:
        client.submit(SPEC.model_copy(update={"code": Code(source="for")}))
    assert (caught.value.field, caught.value.line) == ("code.source", 1)
    for id in ("nosuch-bcdfghj", "", "..", "a/b"):
        with pytest.raises(NotFound):
            client.get(id)


def test_a_wrong_token(host: Host) -> None:
    """A token that is not known is said to be."""
    with closing(Client(host.url, "wrong")) as client, pytest.raises(AccessDenied):
        client.status()


def test_outside_of_a_lab() -> None:
    """Without an address it says how to get one, at once."""
    with pytest.raises(Unavailable, match="DLLAB_API_URL") as caught:
        Client()
    assert caught.value.hint


def test_the_token_of_the_hub(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a hub's lab the lab's own token is used."""
    monkeypatch.setenv("DLLAB_API_URL", host.url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "grace-token")

    with closing(Client()) as client:
        assert client.status()["user"] == "grace"


def test_follow(host: Host, client: Client, job: TrainingJob) -> None:
    """Following gives every attempt's text once, names new attempts, and ends with the job."""
    memory, id = host.backend, job.id
    memory.write_log(id, "worker-0", "first life\n")
    thread = later(
        0.4,
        lambda: memory.write_log(id, "worker-0", "half a li"),
        lambda: memory.restart(id),
        lambda: memory.write_log(id, "worker-0", "second ä\n"),
        lambda: (memory.write_log(id, "worker-0", "the end\n"), memory.finish(id)),
    )
    text = "".join(client.follow(id, replica="worker-0"))
    thread.join()

    assert text == "first life\nhalf a li\n--- attempt 2 ---\nsecond ä\nthe end\n"


def test_follow_what_has_ended(host: Host, client: Client, job: TrainingJob) -> None:
    """A long log of a job that has ended comes at once and whole."""
    text = "".join(f"line {i} ä学\n" for i in range(60_000))
    host.backend.write_log(job.id, "worker-0", text)
    host.backend.finish(job.id)
    start = time.monotonic()

    assert text == "".join(client.follow(job.id, replica="worker-0"))
    assert time.monotonic() - start < 5


def test_follow_what_never_ran(host: Host, client: Client) -> None:
    """A job that was cancelled while it waited has no text."""
    busy = [client.submit(TrainingSpec(**{**dict(SPEC), "roles": ({"gpus": 2},)}))]
    waiting = client.submit(TrainingSpec(**{**dict(SPEC), "roles": ({"gpus": 1},)}))
    assert waiting.state is JobState.PENDING
    later(0.3, lambda: client.cancel(waiting.id))

    assert [] == list(client.follow(waiting.id))
    client.cancel(busy[0].id)


def test_following_is_not_busy(
    host: Host, client: Client, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that trickles is asked for some times a second, not as fast as it goes."""
    asked = []
    logs = client.logs
    monkeypatch.setattr(client, "logs", lambda *a, **k: (asked.append(1), logs(*a, **k))[1])
    thread = later(
        0.02,
        *[lambda: host.backend.write_log(job.id, "worker-0", "x\n")] * 60,
        lambda: host.backend.finish(job.id),
    )
    start = time.monotonic()
    "".join(client.follow(job.id))
    thread.join()

    assert len(asked) <= 3 + 6 * (time.monotonic() - start)


def test_a_service_that_is_restarted(
    host: Host, client: Client, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Following and waiting survive a service that does not answer for a moment."""
    get, fails = client.get, iter([False, True, True] + [False] * 1000)

    def flaky(id: str) -> TrainingJob:
        if next(fails):
            raise Unavailable("gone for a moment.")
        return get(id)

    monkeypatch.setattr(client, "get", flaky)
    later(2.5, lambda: host.backend.finish(job.id))

    assert client.wait(job.id, 20).state is JobState.SUCCEEDED


def test_wait(host: Host, client: Client, job: TrainingJob) -> None:
    """Waiting returns the job as it ended, whatever the end was."""
    later(0.3, lambda: host.backend.finish(job.id, JobState.FAILED, "worker-0 failed.", 1))
    ended = client.wait(job.id, 10)

    assert (ended.state, ended.reason) == (JobState.FAILED, "worker-0 failed.")


def test_wait_has_an_end(client: Client, job: TrainingJob) -> None:
    """A job that goes on after the time is left alone."""
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=job.id):
        client.wait(job.id, 0.3)

    assert 0.3 <= time.monotonic() - start < 1.5
    assert client.get(job.id).state is JobState.RUNNING


def test_where_tensorboard_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a hub's lab it is the lab's own; where there is none there is no link."""
    assert client.tensorboard_url() is None
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert client.tensorboard_url() == "/user/ada/tensorboard/"
    monkeypatch.setenv("DLLAB_TENSORBOARD", "0")
    assert client.tensorboard_url() is None


def test_in_a_jupyter_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same client works with the extension, and boards come from there."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "state"))
    with running_loop() as loop, jupyter_host(loop, tmp_path) as host:
        host.lab.boards = ({"name": "tensorboard", "url": "/x/tensorboard/", "logdir": "/y"},)
        client = Client(host.url, host.token)
        job = client.submit(SPEC)
        assert client.get(job.id).owner == "ada"
        assert client.tensorboard_url() == "/x/tensorboard/"
        client.close()


def test_what_is_kept_and_known(
    host: Host, client: Client, job: TrainingJob, tmp_path: Path
) -> None:
    """Every verb about history and insight gives what the backend has."""
    host.backend.write_log(job.id, "worker-0", "one\nTwo\n")
    loss = Curve(name="loss", source="report", steps=(1,), times=(1.0,), values=(0.5,))
    host.backend.draw(job.id, loss)
    assert client.curves(job.id).curves == (loss,)
    assert client.curves(job.id, "usage").curves == ()
    assert client.stacks(job.id) == ()
    assert [m.text for m in client.search_logs(job.id, "two", replica="worker-0").matches] == [
        "Two"
    ]
    assert client.download_log(job.id, tmp_path / "log", replica="worker-0") == 8
    assert (tmp_path / "log").read_text() == "one\nTwo\n"
    assert client.quote(SPEC).message == "no GPU; starts at once."
    assert client.annotate(job.id, tags=("good",), notes="n").tags == ("good",)
    assert [each.id for each in client.list(tag="good", text="HELLO").jobs] == [job.id]
    with pytest.raises(InvalidRequest):
        client.annotate(job.id, tags=("a b",))
    with pytest.raises(Conflict):
        client.delete_job(job.id)

    other = client.rerun(job.id, max_restarts=0)
    assert "max_restarts" in [d.field for d in client.compare(job.id, other.id).differences]
    host.backend.finish(job.id)
    lines = list(client.export(tag="good"))
    assert [record.job.id for record in lines] == [job.id]
    assert client.record(job.id).curves == (loss,)
    assert client.remove_files(job.id).files is False
    client.delete_job(job.id)
    with pytest.raises(NotFound):
        client.record(job.id)
    assert client.take_in(lines).added == (job.id,)
    assert client.take_in(lines).known == (job.id,)
    assert client.get(job.id).notes == "n"


def test_notices(client: Client) -> None:
    """How one is told is set, tested and unset; the secret comes once."""
    assert client.notices().webhook is None
    assert client.set_notices(webhook="https://hooks.example.org/x").secret
    assert client.notices().secret is None
    assert client.test_notices().deliveries[0].kind == "test"
    assert client.set_notices().webhook is None
