"""What a person wants to know of trainings: the cause, the curves, what changed, what there was."""

from __future__ import annotations

from browser_session import Kernel, Refused
from operate import Step, found

__all__ = ("know",)

LEARNS = """\
%%train --name learns --tag tour --no-workspace -- 0.5
import sys, time
from dllab_hub.runtime.report import report
rate = float(sys.argv[1])
for step in range(1, 61):
    report(step, total=60, loss=1 / (1 + rate * step))
    time.sleep(0.02)
"""
CURVES = """\
job = _job
print("END", job.wait(60).state)
again = %rerun -- 2.0
other = _job
print("END", other.wait(60).state)
curves = [c for c in job.client.curves(job.id).curves if c.name == "loss"]
print("POINTS", [len(c.values) for c in curves], "LAST", round(curves[0].values[-1], 4))
use = {c.name for c in job.client.curves(job.id, "usage").curves}
print("USE", sorted(use))
"""
COMPARES = """\
made = job.client.compare(job.id, other.id)
print("DIFFERS", [(d.part, d.field, d.values) for d in made.differences if d.part == "spec"])
job.client.annotate(job.id, notes="the slow one", favourite=True)
print("FOUND", [j.id == job.id for j in job.client.list(tag="tour", text="slow one").jobs])
"""
FAILS = """\
%%train --name breaks --workers 2 --max-restarts 0 --no-workspace
import os, torch
if os.environ["RANK"] == "1":
    torch.nn.Linear(8, 4)(torch.zeros(3, 7))
import time
time.sleep(60)
"""
CAUSE = """\
print("END", _job.wait(90).state)
said = _job.info.diagnosis
print("CAUSE", said.cause.value, said.replica, "|", said.message, "|", said.hint)
"""
KEEPS = """\
client, broken = _job.client, _job
lines = [record.model_dump_json() for record in client.export(name="learns")]
client.remove_files(job.id)
kept = client.record(job.id)
print("KEPT", kept.job.files, len(kept.curves) > 0, len(kept.events) > 2, kept.job.notes)
client.delete_job(other.id)
from dllab_hub.specs import JobRecord
back = client.take_in(JobRecord.model_validate_json(line) for line in lines)
print("BACK", back.added == (other.id,), back.known == (job.id,), client.get(other.id).state)
"""


async def know(step: Step, kernel: Kernel) -> None:
    """Every step in a notebook of the lab."""
    with step("a training's curves, from its own reports and from what it used") as saw:
        await kernel.run(LEARNS, 60)
        said = await kernel.run(CURVES, 120)
        points = found(r"POINTS \[(\d+)[^]]*\] LAST ([\d.]+)", said)
        use = found(r"USE \[(.*?)\]", said)[1]
        if "'memory'" not in use:
            raise Refused(f"nothing is known of its memory: {use}")
        saw(f"{points[1]} points, last loss {points[2]}; and {use}")
    with step("two runs compared; one is found again by its notes") as saw:
        said = await kernel.run(COMPARES, 60)
        differs = found(r"DIFFERS \[(.*?)\]\n", said)[1]
        if "0.5" not in differs or "2.0" not in differs or "FOUND [True]" not in said:
            raise Refused(said[-800:])
        saw(differs)
    with step("a failed training says who failed first, and why") as saw:
        await kernel.run(FAILS, 60)
        said = await kernel.run(CAUSE, 120)
        cause = found(r"CAUSE shape worker-1 \| ([^|]*) \|", said)
        saw(cause[1])
    with step("files removed, the record stays; export, delete, import") as saw:
        said = await kernel.run(KEEPS, 90)
        found(r"KEPT False True True the slow one", said)
        found(r"BACK True True SUCCEEDED", said)
        saw("curves, events and notes are still there; the deleted run came back")
