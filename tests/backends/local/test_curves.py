"""Curves of real jobs: what they report, write and use, while they run and afterwards."""

from __future__ import annotations

import json
import textwrap
import time

import pytest
from event_files import append, event_file, scalars

from dllab_hub.backends.local.curves.followed import Followed
from dllab_hub.specs import Gpu, GpuReport, GpuState, JobState

#: Reports, and goes on until a file appears.
REPORTS = textwrap.dedent("""
    import os, time
    from dllab_hub.runtime.report import report
    step = 0
    while not os.path.exists("go"):
        step += 1
        report(step, total=100_000, loss=1 / step if step % 7 else float("nan"))
        time.sleep(0.02)
""")
#: Writes an event file with TensorBoard's own writer.
LOGS = textwrap.dedent("""
    import os, time
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    writer = EventFileWriter(os.environ["DLLAB_TENSORBOARD_DIR"] + "/train", flush_secs=1)
    for step in range(1, 31):
        said = Summary(value=[Summary.Value(tag="loss", simple_value=1 / step)])
        writer.add_event(Event(wall_time=time.time(), step=step, summary=said))
        time.sleep(0.01)
    writer.close()
""")


async def ended(local, until, job):
    async def over():
        now = await local.backend.get("ada", job.id)
        return now if now.state.is_terminal else None

    return await until(over)


def go(local, job):
    (local.backend._state.jobs / job.id / "run" / "workspace" / "go").touch()


async def test_what_a_job_reports(local, until, make_spec):
    """Progress has a rate and the time that is left, each replica its step, and the curve its
    gaps."""
    job = await local.backend.submit("ada", make_spec(source=REPORTS, replicas=2))

    async def fast():
        now = await local.backend.get("ada", job.id)
        known = now.progress and now.progress.interval and all(one.rate for one in now.replicas)
        return now if known else None

    now = await until(fast)
    assert 5 < now.progress.rate < 60
    assert 0 < now.progress.interval < 5
    assert now.progress.eta == pytest.approx(
        (100_000 - now.progress.step) / now.progress.rate, rel=0.01
    )
    assert all(one.step > 10 and not one.straggler for one in now.replicas)

    curves = await local.backend.curves.curves(job.id, "metrics")
    loss = [curve for curve in curves.curves if curve.name == "loss"]
    assert ["worker-0", "worker-1"] == [curve.replica for curve in loss]
    assert {"report"} == {curve.source for curve in loss}
    assert all(sorted(curve.steps) == list(curve.steps) and curve.steps for curve in loss)
    for curve in loss:
        for step, value in zip(curve.steps, curve.values, strict=True):
            assert (value is None) == (step % 7 == 0)

    go(local, job)
    done = await ended(local, until, job)
    assert (None, None, None) == (done.progress.rate, done.progress.eta, done.progress.interval)
    assert {curve.name for curve in local.backend.curves.final(job.id)} >= {"loss"}


async def test_a_slow_replica(local, until, make_spec):
    """Of three that train by themselves, the one that takes twice as long for a step is named."""
    source = REPORTS.replace("0.02", '0.04 if os.environ["RANK"] == "1" else 0.02')
    job = await local.backend.submit("ada", make_spec(source=source, replicas=3))

    async def slow():
        replicas = (await local.backend.get("ada", job.id)).replicas
        return {one.name for one in replicas if one.straggler}

    assert {"worker-1"} == await until(slow)
    go(local, job)
    done = await ended(local, until, job)
    assert [False] * 3 == [one.straggler for one in done.replicas]
    assert all(one.step for one in done.replicas)


async def test_progress_by_event_files(local, until, make_spec):
    """A job that reports nothing has the progress that its event files tell, for good."""
    job = await local.backend.submit("ada", make_spec(source=LOGS))
    done = await ended(local, until, job)

    assert JobState.SUCCEEDED is done.state
    assert ("tensorboard", 30) == (done.progress.source, done.progress.step)
    assert {"train/loss": pytest.approx(1 / 30)} == done.progress.metrics
    (curve,) = (await local.backend.curves.curves(job.id, "metrics")).curves
    assert ("loss", "train", 30) == (curve.name, curve.run, len(curve.steps))
    assert [pytest.approx(1 / step) for step in range(1, 31)] == list(curve.values)


async def test_after_the_service(a_state, running, until, make_spec):
    """The curves of a job that ran under the service before are read anew."""
    async with running(a_state) as backend:
        job = await backend.submit("ada", make_spec(source=LOGS))
        await until(lambda: _over(backend, job))
    async with running(a_state) as backend:
        curves = await backend.curves.curves(job.id)

    assert ("train", 30) == next(
        (curve.run, curve.steps[-1]) for curve in curves.curves if curve.name == "loss"
    )
    assert 1.0 == curves.read


async def _over(backend, job):
    return (await backend.get("ada", job.id)).state.is_terminal


async def test_a_job_that_has_nothing(local, until):
    """A job without reports and event files has no curves of its own, and no progress."""
    job = await local.submit("ada", prints="hello")
    done = await ended(local, until, job)

    assert None is done.progress
    assert () == (await local.backend.curves.curves(job.id, "metrics")).curves


async def test_files_that_are_gone(local, until):
    """Where the files are removed there is nothing to read, which is said."""
    curves = await local.backend.curves.curves("digits-0000000")

    assert ((), 1.0, 1) == (curves.curves, curves.read, len(curves.notes))


async def test_use_of_replicas(local, until):
    """What the supervisor measured is drawn, and the newest stands at the replica; what was
    measured in the attempt before does not."""
    job = await local.submit("ada", code=None)
    path = local.backend._state.jobs / job.id / "run" / "usage.jsonl"
    now = time.time() + 60

    def write(when, attempt, memory):
        use = {"worker-0": {"cpu": 1.5, "memory": memory}, "somebody": {"cpu": 1}}
        with path.open("a") as file:
            print(json.dumps({"time": when, "attempt": attempt, "replicas": use}), file=file)

    write(5.0, 0, 9e9)
    write(now, 1, 3e6)

    async def measured():
        write(now + 5, 1, 2e6)  # Again: the supervisor writes its own in between.
        replicas = (await local.backend.get("ada", job.id)).replicas
        return replicas[0] if replicas and replicas[0].memory == 2_000_000 else None

    one = await until(measured)
    assert (1.5, 2_000_000) == (one.cpu, one.memory)
    assert one.peak_memory >= 3_000_000
    curves = (await local.backend.curves.curves(job.id, "usage")).curves
    assert {("cpu", "worker-0"), ("memory", "worker-0")} == {(c.name, c.replica) for c in curves}
    assert all(curve.steps == () and curve.source == "usage" for curve in curves)


async def test_gpus_of_replicas(a_state, running, until, make_spec):
    """What the GPUs of a job do is written down by the service and drawn for each replica."""

    async def report():
        gpus = tuple(
            Gpu(index=n, uuid=uuid, name="A100", utilization=0.25 + n / 2, memory_used=1000 * n)
            for n, uuid in enumerate(("GPU-0", "GPU-1", "GPU-2"))
        )
        return GpuReport(state=GpuState.OK, time=time.time(), gpus=gpus)

    async with running(a_state, gpu_report=report) as backend:
        source = "import time; time.sleep(600)"
        job = await backend.submit("ada", make_spec(source=source, gpus=2, processes=1))

        async def drawn():
            return {c.name: c for c in (await backend.curves.curves(job.id, "usage")).curves
                    if c.source == "gpu"}  # fmt: skip

        curves = await until(drawn)
    assert {"worker-0"} == {curve.replica for curve in curves.values()}
    assert (0.5, 1000.0) == (curves["gpu"].last, curves["gpu_memory"].last)
    assert 0o600 == (a_state.jobs / job.id / "gpu.jsonl").stat().st_mode & 0o777


async def test_event_files_that_grow(local, until):
    """What is added to an event file is in the curves that are asked for next."""
    job = await local.submit("ada", code=None)
    folder = local.backend._state.tensorboard / "ada" / job.id
    path = event_file(folder, 1, scalars("loss", dict.fromkeys(range(10), 1.0)))

    async def last():
        (curve,) = (await local.backend.curves.curves(job.id, "metrics")).curves
        return curve.steps[-1]

    assert 9 == await last()
    append(path, scalars("loss", {10: 0.5})[:-3])
    assert 9 == await last()
    append(path, scalars("loss", {10: 0.5})[-3:] + scalars("loss", {11: 0.5}))
    assert 11 == await last()


async def test_who_asks_first(local, until, make_spec):
    """A job that somebody looks at before the service has is followed like any other."""
    job = await local.backend.submit("ada", make_spec(source=REPORTS))
    await local.backend.curves.curves(job.id)

    async def fast():
        now = await local.backend.get("ada", job.id)
        return now.progress and now.progress.rate

    assert await until(fast)
    curves = local.backend.curves
    assert job.id in curves._due
    go(local, job)
    await ended(local, until, job)

    async def at_rest():
        return job.id not in curves._due

    await until(at_rest)


async def test_after_a_pause(local, until, make_spec):
    """A job that goes on after a pause is followed again."""
    job = await local.backend.submit("ada", make_spec(source=REPORTS))

    async def fast():
        now = await local.backend.get("ada", job.id)
        return now.state is JobState.RUNNING and now.progress and now.progress.rate

    assert await until(fast)
    await local.backend.pause("ada", job.id)

    async def paused():
        now = await local.backend.get("ada", job.id)
        return now if now.state is JobState.PAUSED else None

    assert None is (await until(paused)).progress.rate
    await local.backend.resume("ada", job.id)
    assert await until(fast)


async def test_a_job_that_cannot_be_read(local, until, monkeypatch, caplog):
    """Whatever goes wrong with one job's files: others' curves are read, and it ends as it does."""
    bad = await local.submit("ada", code=None)
    refresh = Followed.refresh

    def broken(self, seconds):
        if self.job.id == bad.id:
            raise MemoryError("planted")
        return refresh(self, seconds)

    monkeypatch.setattr(Followed, "refresh", broken)
    job = await local.submit("ada", code=None)
    folder = local.backend._state.tensorboard / "ada"
    for one in (job, bad):
        event_file(folder / one.id, 1, scalars("loss", {1: 1.0}))

    async def told():
        return "planted" in caplog.text

    await until(told)
    assert ["loss"] == [
        c.name for c in (await local.backend.curves.curves(job.id, "metrics")).curves
    ]
    assert () == (await local.backend.curves.curves(bad.id, "metrics")).curves
    await local.backend.cancel("ada", bad.id)
    assert JobState.CANCELLED is (await ended(local, until, bad)).state
    monkeypatch.setattr(Followed, "refresh", refresh)


async def test_much_to_read(local, until):
    """Of a large file so much is told as is read within a second; the rest follows."""
    job = await local.submit("ada", prints="hello")
    await ended(local, until, job)
    block = scalars("loss", dict.fromkeys(range(2000), 1.0))
    event_file(local.backend._state.tensorboard / "ada" / job.id, 1, block * 100)
    began = time.monotonic()
    curves = await local.backend.curves.curves(job.id, "metrics")

    assert 0 < curves.read < 1
    assert time.monotonic() - began < 3

    async def whole():
        curves = await local.backend.curves.curves(job.id, "metrics")
        return curves if curves.read == 1.0 else None

    (curve,) = (await until(whole, 60)).curves
    assert 1999 == curve.steps[-1]
