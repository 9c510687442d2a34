"""What a person does with trainings besides starting them: pause, resume, change, find mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from browser_session import Kernel, Refused

__all__ = ("Step", "found", "operate")

#: A step of the tour by its title; what it gives is told what was seen.
Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]

#: Counts to its argument with checkpoints; every step is as long as a small network's.
COUNTS = """\
%%train --name counts --workers 2 --cpus 0.5 --checkpoint-every 10 --no-workspace -- 400
import json, sys, time
from dllab_hub.runtime.checkpoint import Checkpointer
from dllab_hub.runtime.report import report
state = {"sum": 0}
def save(path):
    with open(path, "w") as file:
        json.dump(state, file)
def load(path):
    with open(path) as file:
        state.update(json.load(file))
keeper, total = Checkpointer(save=save, load=load), int(sys.argv[1])
for step in range(keeper.restore() + 1, total + 1):
    state["sum"] += step
    report(step, total=total, sum=state["sum"])
    keeper.step(step)
    time.sleep(0.02)
print("sum", state["sum"], flush=True)
"""
PAUSES = """\
import time
while (now := _job.refresh().info).progress is None or now.progress.step < 45:
    time.sleep(0.05)
%pause -y
while _job.state != "PAUSED":
    time.sleep(0.05)
print("REASON", _job.info.reason, "PIDS", [r.pid for r in _job.info.replicas])
"""
RESUMES = """\
_ = %resume
_job.wait(60)
print("END", _job.state, _job.info.attempt, _job.logs("worker-0"))
"""
RERUNS = """\
_ = %rerun -- 50
print("RERUN", _job.wait(60).state, _job.logs("worker-0"))
"""
WRONG = """\
%%train --name wrong --no-workspace
import os

import not_installed_anywhere
"""
#: A project with a package that the program needs, a file that is no Python, and much to leave out.
PROJECT = """\
import os, pathlib
project = pathlib.Path("project")
(project / "net").mkdir(parents=True, exist_ok=True)
(project / "net" / "__init__.py").write_text("from .layers import WIDTH\\n")
(project / "net" / "layers.py").write_text("WIDTH = 64\\n")
(project / "net" / "__main__.py").write_text(
    "import os, net\\n"
    "print('WIDTH', net.WIDTH, open('config.json').read(), os.path.exists('junk.bin'))\\n")
(project / "config.json").write_text('{"depth": 3}')
(project / "junk.bin").write_bytes(bytes(5_000_000))
(project / ".dllabignore").write_text("*.bin\\n")
os.chdir("project")
_ = %train --name project --module net --workspace
os.chdir("..")
print("PROJECT", _job.wait(60).state, _job.logs("worker-0"))
"""
CUSTOM = """\
%%train --name roles --role server=1,cpus=0.5 --role asker=2,cpus=0.5 --success-role asker
import json, os, socket, time
host, port = json.loads(os.environ["DLLAB_ADDRESSES"])["server"][0].split(":")
if os.environ["DLLAB_ROLE"] == "server":
    server = socket.create_server((host, int(port)))
    while True:
        peer, _ = server.accept()
        peer.sendall(b"forty-two\\n")
        peer.close()
while True:
    try:
        peer = socket.create_connection((host, int(port)), 30)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
print(os.environ["DLLAB_ROLE"], os.environ["DLLAB_REPLICA"], peer.makefile().readline(), flush=True)
"""
ROLES = "print('ROLES', _job.wait(60).state, _job.logs())"


async def operate(step: Step, kernel: Kernel) -> None:
    """Every step in a notebook of the lab."""
    with step("%pause a training, with what that loses; %resume it to its end") as saw:
        await kernel.run(COUNTS, 60)
        said = await kernel.run(PAUSES, 60)
        paused = found(r"REASON (paused .*checkpoint.* step (\d+).*) PIDS \[(.*)\]", said)
        if set(paused[3]) - set("None, "):
            raise Refused(f"a paused job still has processes: {said}")
        end = await kernel.run(RESUMES, 120)
        resumed = found(r"END SUCCEEDED 2 .*resumed from step (\d+)", end)
        found(rf"sum {sum(range(401))}\b", end)
        if resumed[1] != paused[2]:
            raise Refused(f"it said {paused[1]}, and resumed from step {resumed[1]}")
        saw(f'"{paused[1]}"; resumed from step {resumed[1]}, and the sum is right')
    with step("%rerun it with one change") as saw:
        said = await kernel.run(RERUNS, 90)
        found(rf"RERUN SUCCEEDED .*sum {sum(range(51))}\b", said)
        saw("-- 50 instead of 400, and nothing else")
    with step("a mistake is found before anything is started") as saw:
        try:
            said = await kernel.run(WRONG, 60)
        except Refused as exc:
            mistake = found(r"[^\n]*not_installed_anywhere[^\n]*", str(exc))[0]
            line = found(r"line (\d+)", str(exc))[1]
            saw(f"line {line}: {mistake.strip()}")
        else:
            raise Refused(f"it was started: {said}")
    with step("a whole project travels, without what .dllabignore names") as saw:
        said = await kernel.run(PROJECT, 90)
        found(r'PROJECT SUCCEEDED WIDTH 64 \{"depth": 3\} False', said)
        saw("its package, its configuration, and not 5 MB of junk")
    with step("roles of one's own: a server and two that ask it") as saw:
        await kernel.run(CUSTOM, 60)
        said = await kernel.run(ROLES, 90)
        if "ROLES SUCCEEDED" not in said or said.count("forty-two") != 2:
            raise Refused(said[-800:])
        saw("both were answered; the server was ended with the job")


def found(pattern: str, text: str) -> re.Match[str]:
    """The first match.

    Raises:
        Refused: there is none.
    """
    match = re.search(pattern, text, re.S)
    if not match:
        raise Refused(f"expected {pattern!r} in: {text[-800:]}")
    return match
