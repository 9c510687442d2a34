"""One thread reads for everybody, and nothing it meets reaches the event loop."""

import asyncio
import logging
import threading
import time
from contextlib import aclosing

import pytest

from dllab_hub.metrics.nvml import Nvml
from dllab_hub.metrics.sampler import Sampler
from dllab_hub.specs import Gpu, GpuReport, GpuState
from dllab_hub.testing.nvml import FakeNvml


class Reads:
    """A read that counts, and can be told to wait or to fail."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self) -> GpuReport:
        self.count += 1
        self.go.wait(10)
        if self.error:
            raise self.error
        return GpuReport(state=GpuState.NO_GPU, time=time.time())


class Lag:
    """The longest time, in seconds, that the event loop did not run."""

    worst = 0.0

    async def __aenter__(self) -> "Lag":
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.worst = max(self.worst, time.monotonic() - before - 0.005)


async def _calls(fake: FakeNvml, clients: int) -> tuple[int, set[GpuState]]:
    """NVML calls in about a second in which ``clients`` ask all the time."""
    nvml = Nvml()
    sampler = Sampler(nvml.read, interval=0.25)
    before = fake.calls().total()
    states = set()

    async def ask() -> None:
        for _ in range(20):
            states.add((await sampler.report()).state)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(ask() for _ in range(clients)))
    calls = fake.calls().total() - before
    sampler.close()
    nvml.close()
    return calls, states


async def test_many_clients_cost_what_one_costs(fake: FakeNvml) -> None:
    """NVML is called as often for 50 clients as for 1 (a tick of 2 GPUs is 8 calls)."""
    one, _ = await _calls(fake, 1)
    many, states = await _calls(fake, 50)

    assert {GpuState.OK} == states
    assert abs(one - many) <= 2 * 8


async def test_all_get_the_same_report() -> None:
    """Who asks within one interval gets the one sample."""
    sampler = Sampler(Reads())
    reports = await asyncio.gather(*(sampler.report() for _ in range(10)))
    sampler.close()

    assert len({id(report) for report in reports}) == 1


async def test_nothing_is_read_when_nobody_asks() -> None:
    """No read before the first question, and none after the last one was a while ago."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.2)
    assert reads.count == 0
    await sampler.report()
    await asyncio.sleep(0.4)
    asleep = reads.count
    await asyncio.sleep(0.3)
    assert 5 < asleep == reads.count

    report = await sampler.report()
    sampler.close()

    assert asleep < reads.count
    assert time.time() - report.time < 0.1, "woken up, it gives a new sample, not the old one"


async def test_a_glance_is_one_read() -> None:
    """Who looks now and then gets a new sample each time, and no more are taken for it."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.1)
    for count in (1, 2, 3):
        report = await sampler.glance()
        assert time.time() - report.time < 0.1
        await asyncio.sleep(0.4)
        assert count == reads.count
    await asyncio.gather(*(sampler.glance() for _ in range(10)))
    assert 4 == reads.count
    sampler.close()


async def test_a_hung_driver_is_said_and_harms_nobody(fake: FakeNvml) -> None:
    """Within 2 s the state is STALE with the last values and their age; the loop never waits."""
    nvml = Nvml()
    sampler = Sampler(nvml.read)
    good = await sampler.report()
    fake.set(hang=1)
    hung = time.monotonic()
    async with Lag() as lag:
        while (report := await sampler.report()).state is not GpuState.STALE:
            assert time.monotonic() - hung < 3
            await asyncio.sleep(0.05)
        took = time.monotonic() - hung
        await asyncio.sleep(1.5)
        asked = time.monotonic()
        later = await sampler.report()
        waited = time.monotonic() - asked

    assert took < 2.1
    assert lag.worst < 0.1
    assert waited < 0.1, "it is known to hang: nobody waits for it again"
    assert (good.gpus, good.time) == (report.gpus, report.time)
    assert "has not answered for 2 seconds; these are its last values." in report.message
    assert "for 4 seconds" in later.message or "for 3 seconds" in later.message
    fake.set(hang=0)
    await asyncio.sleep(0.2)
    assert GpuState.OK is (await sampler.report()).state
    sampler.close()
    nvml.close()


async def test_a_driver_that_hangs_from_the_start_is_said() -> None:
    """The first question waits for at most its patience, then says that nothing answers."""
    reads = Reads()
    reads.go.clear()
    sampler = Sampler(reads, patience=0.2)
    began = time.monotonic()
    report = await sampler.report()
    took = time.monotonic() - began
    reads.go.set()
    await asyncio.sleep(0.05)
    after = await sampler.report()
    sampler.close()

    assert 0.15 < took < 0.5
    assert (report.state, report.gpus) == (GpuState.STALE, ())
    assert report.message == "The NVIDIA driver has not answered for 1 second."
    assert GpuState.NO_GPU is after.state


async def test_a_slow_driver_is_waited_for_elsewhere(fake: FakeNvml) -> None:
    """20 ms for each call (8 a tick) never hold the event loop, and are not stale."""
    fake.set(delay_ms=20)
    nvml = Nvml()
    sampler = Sampler(nvml.read)
    async with Lag() as lag:
        states = set()
        for _ in range(30):
            states.add((await sampler.report()).state)
            await asyncio.sleep(0.05)
    sampler.close()
    nvml.close()

    assert {GpuState.OK} == states
    assert lag.worst < 0.1


async def test_a_read_that_raises_is_a_report_too(caplog: pytest.LogCaptureFixture) -> None:
    """The thread survives, the sentence is shown, and the log gets one entry for each kind."""
    reads = Reads()
    reads.error = ValueError("no such thing")
    sampler = Sampler(reads, interval=0.02)
    with caplog.at_level(logging.ERROR):
        report = await sampler.report()
        await asyncio.sleep(0.2)
        reads.error = OSError("another")
        await asyncio.sleep(0.2)
    assert (
        report.state,
        report.message,
    ) == (GpuState.FAILED, "The GPUs could not be read: no such thing.")
    assert len(caplog.records) == 2
    assert reads.count > 5
    reads.error = None
    await asyncio.sleep(0.1)

    assert GpuState.NO_GPU is (await sampler.report()).state
    sampler.close()


async def test_a_question_that_is_given_up_leaves_nothing_behind() -> None:
    """A cancelled client is forgotten; the others get their answer."""
    reads = Reads()
    reads.go.clear()
    sampler = Sampler(reads)
    lost, kept = (asyncio.create_task(sampler.report()) for _ in range(2))
    await asyncio.sleep(0.05)
    lost.cancel()
    await asyncio.sleep(0)
    reads.go.set()

    assert GpuState.NO_GPU is (await kept).state
    assert lost.cancelled()
    sampler.close()


async def test_the_thread_ends_with_it() -> None:
    """After `close` there is no thread, asleep or awake."""
    sampler = Sampler(Reads(), interval=5)
    await sampler.report()
    sampler.close()
    for _ in range(100):
        if not any(thread.name == "dllab-gpu-sampler" for thread in threading.enumerate()):
            break
        await asyncio.sleep(0.01)

    assert "dllab-gpu-sampler" not in {thread.name for thread in threading.enumerate()}


async def test_who_follows_gets_each_sample_once() -> None:
    """The first at once, then one for each read and none twice; the past has the same."""

    class Counted(Reads):
        def __call__(self) -> GpuReport:
            super().__call__()
            gpu = Gpu(index=0, uuid="GPU-0", name="H100")
            return GpuReport(state=GpuState.OK, time=float(self.count), gpus=(gpu,))

    sampler = Sampler(Counted(), interval=0.05)
    seen = []
    async with aclosing(sampler.follow()) as reports:
        async for report in reports:
            seen.append(report.time)
            if len(seen) == 8:
                break
    past = sampler.history()
    sampler.close()

    assert [float(n) for n in range(1, 9)] == seen
    assert seen == [sample.time for sample in past.samples][:8]
    assert past.period == 0.05


async def test_following_keeps_it_awake_and_leaving_lets_it_sleep() -> None:
    """It is read for as long as somebody follows, and no longer."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.1)
    async with aclosing(sampler.follow()) as reports:
        for _ in range(20):
            await anext(reports)
    followed = reads.count
    await asyncio.sleep(0.3)
    asleep = reads.count
    await asyncio.sleep(0.2)
    sampler.close()

    assert 20 <= followed <= 25
    assert asleep == reads.count


async def test_who_follows_a_hung_driver_is_told() -> None:
    """When no sample comes, the last values do, in state STALE, again and again."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.05)
    async with aclosing(sampler.follow()) as reports:
        assert GpuState.NO_GPU is (await anext(reports)).state
        reads.go.clear()
        states = [(await anext(reports)).state for _ in range(4)]
        reads.go.set()
        while (await anext(reports)).state is GpuState.STALE:
            pass
    sampler.close()

    assert [GpuState.STALE] * 2 == states[2:]


async def _reads_in(reads: Reads, seconds: float) -> int:
    before = reads.count
    await asyncio.sleep(seconds)
    return reads.count - before


async def test_somebody_who_has_to_know_keeps_it_at_a_slow_pace() -> None:
    """Nobody watches, and it is read now and then, for as long as one of them needs it."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.1)
    slow, slower = sampler.keep("alerts", 0.2), sampler.keep("leases", 5)
    try:
        both = await _reads_in(reads, 1.1)
        slow()
        slow()
        one = await _reads_in(reads, 0.6)
        await sampler.report()
        fast = await _reads_in(reads, 0.1)
        slower()
        await asyncio.sleep(0.3)
        none = await _reads_in(reads, 0.3)
    finally:
        sampler.close()

    assert 4 <= both <= 7
    assert one <= 1
    assert fast >= 3
    assert none == 0


async def test_a_slow_follower_asks_for_no_more_than_it_needs() -> None:
    """Its samples come at its pace and are not old at it; when somebody watches, all come."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.1)
    async with aclosing(sampler.follow(every=0.3)) as reports:
        began = time.monotonic()
        states = [(await anext(reports)).state for _ in range(4)]
        took = time.monotonic() - began
        slowly = reads.count
        await sampler.report()
        for _ in range(4):
            await anext(reports)
        quickly = time.monotonic() - began - took
    asleep = await _reads_in(reads, 0.3), await _reads_in(reads, 0.4)
    sampler.close()

    assert [GpuState.NO_GPU] * 4 == states
    assert 0.8 <= took < 1.5
    assert 4 <= slowly <= 5
    assert quickly < 0.3
    assert asleep[1] == 0


async def test_a_slow_follower_hears_of_a_hung_driver() -> None:
    """Within one and a half times its pace it is told the last values, in state STALE."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.1, patience=0.1)
    async with aclosing(sampler.follow(every=0.2)) as reports:
        await anext(reports)
        reads.go.clear()
        began = time.monotonic()
        while (await anext(reports)).state is not GpuState.STALE:
            assert time.monotonic() - began < 2
        reads.go.set()
    sampler.close()


async def test_who_asks_is_not_told_what_is_old_at_a_slow_pace() -> None:
    """Someone who asks between two slow reads gets a new one at once."""
    reads = Reads()
    sampler = Sampler(reads, interval=0.02, linger=0.1)
    release = sampler.keep("alerts", 10)
    await asyncio.sleep(0.2)
    assert reads.count == 1
    report = await sampler.report()
    release()
    sampler.close()

    assert time.time() - report.time < 0.1


async def test_faults_are_counted_by_kind() -> None:
    """What reading raises, what the driver says, and a read that hangs, each once."""
    answers: list[GpuReport | Exception] = [
        RuntimeError("no"),
        GpuReport(state=GpuState.DRIVER_MISMATCH, time=1.0),
        GpuReport(state=GpuState.DRIVER_MISMATCH, time=2.0),
    ]
    go = threading.Event()

    def read() -> GpuReport:
        if answers:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        go.wait(5)
        return GpuReport(state=GpuState.NO_LIBRARY, time=3.0)

    sampler = Sampler(read, interval=0.02, patience=0.1)
    assert (sampler.age, sampler.errors) == (None, {})
    await sampler.report()
    await asyncio.sleep(0.5)
    hung = sampler.errors
    old = sampler.age
    for _ in range(3):
        await sampler.report()
    go.set()
    await asyncio.sleep(0.2)
    counted = sampler.errors
    young = sampler.age
    sampler.close()

    assert {"RuntimeError": 1, "driver_mismatch": 2, "stale": 1} == hung == counted
    assert old is not None
    assert young is not None
    assert young < 0.2 < old


async def test_a_driver_that_does_not_tell_is_as_old_as_its_last_word() -> None:
    """Reports of a driver that cannot be read are no news of the GPUs: the age goes on."""
    states = [GpuState.OK]

    def read() -> GpuReport:
        return GpuReport(state=states[-1], time=1.0)

    sampler = Sampler(read, interval=0.02)
    await sampler.report()
    young = sampler.age
    states.append(GpuState.DRIVER_MISMATCH)
    await asyncio.sleep(0.3)
    old = sampler.age
    states.append(GpuState.OK)
    await asyncio.sleep(0.2)
    again = sampler.age
    sampler.close()

    assert young is not None
    assert old is not None
    assert again is not None
    assert young < 0.2 <= old
    assert again < old
