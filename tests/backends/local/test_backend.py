"""Jobs on this machine, with real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dllab_hub.backends.local import LocalBackend, draft, queue
from dllab_hub.errors import InvalidRequest, StorageFull, Unavailable
from dllab_hub.leases import LeaseDir
from dllab_hub.shim.process import strays
from dllab_hub.specs import Code, JobState, Preflight

#: Notes each start in the workspace, then goes on until a file appears there.
PATIENT = textwrap.dedent("""
    import os, time
    with open("starts", "a") as file:
        file.write(os.environ["RANK"] + "\\n")
    print("started", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.02)
""")
#: A service that submits one job and is killed at some point.
SERVICE = textwrap.dedent("""
    import asyncio, os, signal, sys
    from pathlib import Path
    from dllab_hub.backends.local import LocalBackend, jobdir, launch
    from dllab_hub.specs import TrainingSpec
    from dllab_hub.state import StateDir

    def die(*args):
        os.kill(os.getpid(), signal.SIGKILL)

    root, spec, when = sys.argv[1:]
    if when == "before the shim":
        launch.Launcher._spawn = die
    elif when == "after the shim":
        jobdir.JobDir.note = die

    async def main():
        state = StateDir(Path(root), Path(root) / "envs")
        backend = LocalBackend(state, here=True, gpus=lambda: ("GPU-0",), grace=1.0)
        await backend.start()
        await backend.submit("ada", TrainingSpec.model_validate_json(spec))
        print("submitted", flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
""")


@pytest.fixture
def patient(make_spec):
    """A job that runs until `go`."""
    return make_spec(source=PATIENT, replicas=2)


def go(job) -> None:
    (Path(job.workspace) / "go").touch()


def shim_pid(job) -> int:
    return json.loads((Path(job.workspace).parent / "shim.json").read_text())["pid"]


async def started(backend, job, until, count: int = 2):
    async def all_started():
        path = Path(job.workspace) / "starts"
        return path.exists() and len(path.read_text().split()) >= count

    await until(all_started, 60)
    return await backend.get(job.owner, job.id)


@pytest.mark.parametrize("when", ["while it runs", "before the shim", "after the shim"])
async def test_a_killed_service_neither_loses_nor_doubles_a_job(
    a_state, running, until, patient, when
):
    """Whenever the service is killed, the next one has the job, which was started exactly once."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, a_state.root, patient.model_dump_json(), when],
        stdout=subprocess.PIPE,
    ) as service:
        if when == "while it runs":
            assert b"submitted\n" == service.stdout.readline()
            service.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == service.wait(20)
    async with running(a_state) as backend:
        (job,) = (await backend.list("ada")).jobs
        await started(backend, job, until)
        go(job)

        async def over():
            now = await backend.get("ada", job.id)
            return now.state.is_terminal and now

        done = await until(over)

    assert (JobState.SUCCEEDED, 1) == (done.state, done.attempt)
    assert ["0", "1"] == sorted((Path(job.workspace) / "starts").read_text().split())


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_services_killed_at_any_moment(a_state, running, until, make_spec):
    """In 50 seeded rounds a service is killed at a random moment; each job ran exactly once."""
    chance = random.Random(7)
    source = "open('starts', 'a').write('x'); import sys, time; time.sleep(0.3); sys.exit(7)"
    wish = make_spec(source=source).model_dump_json()
    for _ in range(50):
        with subprocess.Popen(
            [sys.executable, "-c", SERVICE, a_state.root, wish, ""],
            stdout=subprocess.PIPE,
        ) as service:
            # From the middle of the imports to after the job's end.
            time.sleep(chance.uniform(0.3, 2.5))
            service.kill()
    async with running(a_state) as backend:
        jobs = (await backend.list("ada", limit=500)).jobs

        async def over():
            found = (await backend.list("ada", limit=500)).jobs
            return all(job.state.is_terminal for job in found) and found

        done = await until(over)

    assert len(jobs) > 10
    assert {(JobState.FAILED, 7)} == {(job.state, job.replicas[0].exit_code) for job in done}
    assert {"x"} == {(Path(job.workspace) / "starts").read_text() for job in done}


async def test_closing_and_opening_again(a_state, running, until, patient):
    """A service that is closed lets jobs run on; the next one finds how they ended meanwhile."""
    options = {"here": True, "gpus": tuple, "grace": 1.0}
    backend = LocalBackend(a_state, **options)
    await backend.start()
    job = await backend.submit("ada", patient)
    await started(backend, job, until)
    await backend.close()
    go(job)

    async def shim_gone():
        return not strays(job.id)

    await until(shim_gone)
    (a_state.root / "index.sqlite").write_bytes(b"damaged" * 1000)
    async with running(a_state) as backend:

        async def over():  # The shim may still be writing down what it has seen.
            now = await backend.get("ada", job.id)
            return now if now.state.is_terminal else None

        done = await until(over)

    assert JobState.SUCCEEDED is done.state, done.reason
    assert [0, 0] == [replica.exit_code for replica in done.replicas]


async def test_one_service_at_a_time(a_state, local):
    """A second service on the same directory is refused and told by whom."""
    with pytest.raises(Unavailable, match=str(os.getpid())):
        await LocalBackend(a_state, here=True).start()


async def test_a_killed_shim(local, a_state, until, make_spec):
    """A job whose shim is killed is LOST within 5 s, nothing of it runs, its GPU is free once."""
    source = (
        "import os, subprocess\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n" + PATIENT
    )
    job = await local.backend.submit("ada", make_spec(source=source, gpus=1))
    await started(local.backend, job, until, 1)
    waiting = await local.submit("ada", name="next", gpus=2)
    os.kill(shim_pid(job), signal.SIGKILL)
    lost = await local.over(job, seconds=5)

    assert JobState.LOST is lost.state
    assert "killed" in lost.reason
    assert [None] == [replica.pid for replica in lost.replicas]
    assert [] == strays(job.id)
    assert JobState.SUCCEEDED is (await local.over(waiting)).state

    async def free():  # A shim ends a moment after it has written down the end.
        return not any(LeaseDir(a_state.leases).held(["GPU-0", "GPU-1"]).values())

    await until(free)
    assert "Lost" in [event.reason for event in await local.backend.events("ada", job.id)]


async def test_a_shim_that_does_not_answer(a_state, running, until, make_spec, monkeypatch):
    """A cancel that is not obeyed in time is enforced: all processes of the job are killed."""
    monkeypatch.setattr(queue, "_PATIENCE", 0.5)
    async with running(a_state, grace=0.5) as backend:
        job = await backend.submit("ada", make_spec(source=PATIENT))
        await started(backend, job, until, 1)
        os.kill(shim_pid(job), signal.SIGSTOP)
        asked = await backend.cancel("ada", job.id)

        async def over():
            now = await backend.get("ada", job.id)
            return now.state.is_terminal and now

        done = await until(over, 6)

    assert "cancelling." == asked.reason
    assert JobState.CANCELLED is done.state
    assert "killed" in done.reason
    assert [] == strays(job.id)


async def test_a_cancel_outlives_the_service(a_state, running, until, make_spec):
    """A cancel that a killed service did not see through is seen through by the next one."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec(source=PATIENT))
        await started(backend, job, until, 1)
        folder = backend.machine.queue._live[job.id].folder
        folder.note("cancel.json", {"by": "ada"})
        backend.machine.queue._live.clear()
        await backend._keep(backend.machine.adopt)
        backend.machine.wake()

        async def over():
            now = await backend.get("ada", job.id)
            return now.state.is_terminal and now

        assert JobState.CANCELLED is (await until(over)).state


async def test_no_secret_reaches_a_job(local, monkeypatch, until, make_spec):
    """A job sees neither the hub's nor any other secret of the service's environment."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hush-hub")
    monkeypatch.setenv("MY_PASSWORD", "hush-mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush-proxy@proxy")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    job = await local.backend.submit(
        "ada",
        make_spec(source="import os, time; print(dict(os.environ), flush=True); time.sleep(600)"),
    )

    async def printed():
        return (await local.backend.logs("ada", job.id)).text

    text = await until(printed)
    shim = Path(f"/proc/{shim_pid(job)}/environ").read_bytes()

    assert "hush" not in text
    assert b"hush" not in shim
    assert "C.UTF-8" in text


async def test_a_submit_is_quick(local, make_spec, monkeypatch):
    """But for the look at the code it takes 20 ms on an idle machine; a busy one has 200."""

    async def nothing(*args, **kwargs):
        return Preflight(seconds=0.0)

    monkeypatch.setattr(draft, "run_preflight", nothing)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        job = await local.backend.submit("ada", make_spec(source="pass"))
        took.append(time.perf_counter() - start)
        assert JobState.RUNNING is job.state

    assert min(took) <= 0.2


async def test_no_zombies(local, make_spec, until):
    """Shims that have ended are collected."""
    others = set(psutil.Process().children())  # Of other tests.
    job = await local.backend.submit("ada", make_spec(source="pass"))
    await local.over(job)

    async def collected():
        ours = set(psutil.Process().children()) - others
        return not [p for p in ours if p.status() == psutil.STATUS_ZOMBIE]

    await until(collected, 5)


async def test_attempts_keep_their_logs(local, make_spec):
    """A job that is relaunched shows the newest attempt and keeps the logs of the first."""
    source = (
        "import os, sys\nprint('attempt', os.environ['DLLAB_ATTEMPT'], flush=True)\n"
        "sys.exit(int(os.environ['DLLAB_ATTEMPT']) == 1)"
    )
    job = await local.backend.submit("ada", make_spec(source=source, max_restarts=1))
    done = await local.over(job)
    texts = [
        (await local.backend.logs("ada", job.id, replica="worker-0", attempt=attempt)).text
        for attempt in (1, 2, None)
    ]

    assert (JobState.SUCCEEDED, 2) == (done.state, done.attempt)
    assert ["attempt 1\n", "attempt 2\n", "attempt 2\n"] == texts


async def test_progress_and_checkpoints(local, make_spec, until):
    """What the code reports and saves shows in the job while it runs, and stays when it ended."""
    source = textwrap.dedent("""
        import json, os
        folder = os.path.join(os.environ["DLLAB_CHECKPOINT_DIR"], "step-00000020")
        os.makedirs(folder)
        with open(folder + "/state.bin", "w") as file:
            file.write("0123456789")
        with open(folder + "/MANIFEST.json", "w") as file:
            json.dump({"step": 20, "time": 5.0, "files": {"state.bin": {"size": 10}}}, file)
        with open(os.environ["DLLAB_REPORT"], "w") as file:
            json.dump({"step": 21, "total": 100, "metrics": {"loss": 0.5}, "time": 6.0}, file)
    """)
    job = await local.backend.submit("ada", make_spec(source=source + PATIENT))
    seen = await started(local.backend, job, until, 1)
    go(job)
    done = await local.over(job)

    for one in (seen, done):
        assert (20, 10) == (one.checkpoint.step, one.checkpoint.size)
        assert (21, 100, {"loss": 0.5}) == (
            one.progress.step,
            one.progress.total,
            one.progress.metrics,
        )
    assert [20] == [c.step for c in await local.backend.checkpoints("ada", job.id)]


async def test_the_end_of_a_giant_log(local):
    """The end of a 10 GB log is there within 200 ms; a log that is a link is not followed."""
    job = await local.submit("ada", prints="hello\n", name="giant")
    await local.over(job)
    log = Path(job.workspace).parent / "attempts" / "1" / "worker-0.log"
    os.truncate(log, 10**10)
    start = time.perf_counter()
    piece = await local.backend.logs("ada", job.id, replica="worker-0", offset=-65536)
    took = time.perf_counter() - start
    log.unlink()
    log.symlink_to("/etc/passwd")
    linked = await local.backend.logs("ada", job.id, replica="worker-0")

    assert took <= 0.2
    assert (10**10, 10**10 - 65536, 65536) == (piece.size, piece.offset, len(piece.text))
    assert "" == linked.text


async def test_a_driver_that_hangs(a_state, running, make_spec):
    """Jobs without GPUs start and end while the GPU driver does not answer."""
    stuck = threading.Event()

    def hang():
        stuck.wait(30)
        return ()

    async with running(a_state, gpus=hang) as backend:
        start = time.monotonic()
        job = await backend.submit("ada", make_spec())
        capacity = await backend.capacity("ada")
        assert JobState.RUNNING is job.state
        stuck.set()

    assert time.monotonic() - start < 10
    assert 0 == capacity.total


async def test_files_of_a_job(local, make_spec, until):
    """Modules lie beside the code, and impossible names are refused with nothing left behind."""
    code = Code(source="import pkg.part; print(pkg.part.X)", files={"pkg/part.py": "X = 42"})
    done = await local.backend.submit("ada", make_spec(code=code))
    await local.over(done)
    text = (await local.backend.logs("ada", done.id, replica="worker-0")).text
    before = set(os.listdir(local.backend._state.jobs))
    for files in ({"train.py/x.py": ""}, {"ü" * 200: ""}):
        with pytest.raises(InvalidRequest):
            await local.backend.submit("ada", make_spec(code=Code(source="1", files=files)))

    assert "42\n" == text
    assert before == set(os.listdir(local.backend._state.jobs))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
async def test_a_full_disk(a_state, running, until, make_spec):
    """On a full disk a submit leaves nothing behind, and a job that runs still records its end."""
    a_state.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", a_state.root]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        async with running(a_state) as backend:
            job = await backend.submit("ada", make_spec(source=PATIENT))
            await started(backend, job, until, 1)
            before = sorted(a_state.jobs.iterdir())
            with pytest.raises(StorageFull):
                await backend.submit("ada", make_spec(source="#" * 3_000_000))
            after = sorted(a_state.jobs.iterdir())
            filler = a_state.root / "filler"
            with suppress(OSError), filler.open("wb", 0) as file:
                while True:
                    file.write(b"x" * 4096)
            go(job)

            async def over():
                now = await backend.get("ada", job.id)
                return now.state.is_terminal and now

            done = await until(over)
            filler.unlink()

        assert before == after
        assert JobState.SUCCEEDED is done.state, done.reason
    finally:
        subprocess.run(["umount", "-l", a_state.root], check=True)
