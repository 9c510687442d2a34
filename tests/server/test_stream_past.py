"""What a page gets first: the past of the GPUs up to the report that follows, and no further."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from dllab_hub.server.stream import Stream
from dllab_hub.specs import GpuHistory, GpuReport, GpuSample, GpuState


async def test_the_past_ends_with_the_present() -> None:
    """A sample that is newer than the report is not told as the past: it comes next."""

    class Ahead:
        """Has read once more than it has told."""

        async def follow(self) -> AsyncGenerator[GpuReport]:
            yield GpuReport(state=GpuState.OK, time=2.0)
            await asyncio.Event().wait()

        def history(self) -> GpuHistory:
            samples = tuple(GpuSample(time=float(time), gpus=()) for time in (1, 2, 3))
            return GpuHistory(period=1.0, samples=samples)

    class Page:
        owner, viewer, interval = "ada", "ada", 0.0

        def __init__(self) -> None:
            self.frames: list[str] = []

        def send(self, *frames: str) -> bool:
            self.frames += frames
            return True

        def end(self) -> None: ...

    async def known(report: GpuReport) -> tuple[GpuReport, None]:
        return report, None

    stream, early, late = Stream(Ahead(), known), Page(), Page()
    stream.join(early)
    while not early.frames:
        await asyncio.sleep(0.01)
    stream.join(late)
    await stream.close()

    for page in (early, late):
        told = GpuHistory.from_wire(json.loads(page.frames[0]))
        assert [1.0, 2.0] == [sample.time for sample in told.samples]
