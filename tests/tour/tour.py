"""The product's main job, unattended, on real input. Non-zero exit at the first step that fails.

make tour
make tour ARGS="--keep"       leave the state directory, whose path is printed
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from browser_session import BrowserSession, Kernel, Refused
from clicks import click_through
from doors import PACKAGE, VOLUME, open_doors, work_with_data, write_catalog
from know import know
from lend import lend
from load import kill_under_load
from operate import operate
from running_hub import RunningHub, marked
from ssh_person import Person

ACCURACY = 0.95
#: Pictures of every view that was clicked through, kept until the next tour.
SHOTS = Path(__file__).parents[2] / ".make" / "tour"


class Tour:
    """Steps in order; each says what it saw and how long it took."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.count = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """One step: the body tells what it saw through the function it is given."""
        self.count += 1
        began = time.monotonic()
        seen: list[str] = []
        try:
            yield seen.append
        except Exception as exc:
            print(f"{self.count:2} FAIL {time.monotonic() - began:6.1f} s  {title}: {exc}")
            raise SystemExit(1) from exc
        print(
            f"{self.count:2} ok   {time.monotonic() - began:6.1f} s  {title}: {'; '.join(seen)}",
            flush=True,
        )


def cells(notebook: dict[str, Any]) -> dict[str, str]:
    """Source of the tagged cells: tag -> source."""
    found = {}
    for cell in notebook["cells"]:
        for tag in cell["metadata"].get("tags", []):
            if tag.startswith("tour:"):
                found[tag.removeprefix("tour:")] = "".join(cell["source"])
    return found


def number(pattern: str, text: str) -> float:
    """The first group of the first match, as a number."""
    found = re.search(pattern, text)
    if not found:
        raise Refused(f"expected {pattern!r} in: {text[-800:]}")
    return float(found[1])


async def work(tour: Tour, session: BrowserSession) -> None:
    """What a person does in JupyterLab."""
    with tour.step("open the welcome notebook") as saw:
        notebook = session.get("api/contents/welcome.ipynb")["content"]
        code = cells(notebook)
        saw(f"cells {', '.join(code)}")
        missing = {"load", "train", "crash", "wait", "predict", "deploy", "serve", "ask"} - set(
            code
        )
        if missing:
            raise Refused(f"the notebook lacks the cells {missing}")
    with tour.step("open a kernel over the server's WebSocket") as saw:
        kernel: Kernel = await session.kernel()
        version = await kernel.run("import torch, sys; print(torch.__version__, sys.prefix)", 120)
        saw(f"torch {version.split()[0]}")
    await work_with_data(tour.step, kernel)
    with tour.step("load the handwritten digits") as saw:
        saw(" ".join((await kernel.run(code["load"], 120)).split()))
    with tour.step("%%train --workers 2") as saw:
        said = await kernel.run(code["train"], 60)
        page = session.get("dllab/api/jobs")
        job = page["jobs"][0]
        saw(f"{job['id']} is {job['state']}, {job['spec']['roles'][0]['replicas']} workers")
        if job["id"] not in said:
            raise Refused(f"the cell's plain text does not name the job: {said[:300]}")
    with tour.step("kill -9 one worker; the gang resumes from its checkpoint") as saw:
        said = await kernel.run(code["crash"], 120)
        step = number(r"resumed from step (\d+)", said)
        saw(" ".join(said.split()[-24:]))
        job = session.get(f"dllab/api/jobs/{job['id']}")
        if job["attempt"] < 2 or step < 1:
            raise Refused(f"attempt {job['attempt']}, resumed from step {step}")
    with tour.step("wait for the end") as saw:
        await kernel.run(code["wait"], 180)
        job = session.get(f"dllab/api/jobs/{job['id']}")
        saw(f"{job['state']} in attempt {job['attempt']}, checkpoint {job['checkpoint']['step']}")
        if job["state"] != "SUCCEEDED":
            raise Refused(job["reason"])
    with tour.step("read the loss curve back through TensorBoard at the hub's URL") as saw:
        saw(await asyncio.to_thread(curve, session, job["id"]))
    with tour.step("accuracy of the final checkpoint on held-out digits") as saw:
        accuracy = number(r"accuracy (0\.\d+|1\.0+)", await kernel.run(code["predict"], 120))
        saw(f"{accuracy:.3f} (must be >= {ACCURACY})")
        if accuracy < ACCURACY:
            raise Refused("too low")
    with tour.step("%deploy --replicas 2") as saw:
        await kernel.run(code["deploy"], 120)
        await kernel.run(code["serve"], 120)
        digits = session.get("dllab/api/deployments/digits")
        saw(f"{digits['state']}, {digits['ready']} replicas, at {digits['url']}")
        if (digits["state"], digits["ready"]) != ("READY", 2):
            raise Refused(digits["reason"])
    with tour.step("predict the held-out digits through the balancer") as saw:
        accuracy = number(r"accuracy (0\.\d+|1\.0+)", await kernel.run(code["ask"], 60))
        saw(f"accuracy {accuracy:.3f} (must be >= {ACCURACY})")
        if accuracy < ACCURACY:
            raise Refused("too low")
    with tour.step("kill -9 one replica while four programs ask at the hub's URL") as saw:
        rows = json.loads(
            await kernel.run("import json; print(json.dumps((test_x[:1] / 16).tolist()))", 30)
        )
        saw(await asyncio.to_thread(kill_under_load, session, "digits", rows))
    await lend(tour.step, kernel, session)
    await operate(tour.step, kernel)
    await know(tour.step, kernel)
    await kernel.close()


def curve(session: BrowserSession, job: str) -> str:
    """Loss from first to last step as TensorBoard tells it."""
    for _ in range(40):
        tags = session.get("tensorboard/data/plugin/scalars/tags")
        runs = [run for run in tags if run.startswith(job)]
        if runs and "loss" in tags[runs[0]]:
            points = session.get("tensorboard/data/plugin/scalars/scalars", run=runs[0], tag="loss")
            steps = [point[1] for point in points]
            if steps != sorted(set(steps)):
                raise Refused(f"steps are not in order: {steps}")
            first, last = points[0][2], points[-1][2]
            if last >= first:
                raise Refused(f"the loss did not fall: {first} -> {last}")
            return f"{len(points)} points, loss {first:.3f} -> {last:.3f}, no step twice"
        time.sleep(0.5)
    raise Refused(f"TensorBoard does not show the run {job}: {list(tags)}")


def main() -> int:
    """Walk."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the state directory")
    keep = parser.parse_args().keep
    tour = Tour()
    home = Path(tempfile.mkdtemp(prefix="dllab-tour-"))
    hub = RunningHub(home / "state", dict(os.environ))
    person = Person.at(home / "laptop")
    write_catalog(home)
    try:
        with tour.step("dllab up") as saw:
            hub.start(1200)  # The first time an image is built.
            saw(f"hub at {hub.facts['address']}")
        session = BrowserSession(hub.facts["address"], hub.facts["user"])
        with tour.step("log in") as saw:
            session.log_in(hub.facts["password"])
            saw(f"as {session.user}")
        with tour.step("the login form") as saw:
            page = session.form()
            for field in ("image", "gpus", "volumes", "tensorboard", "ssh_key", "requirements"):
                if f'name="{field}"' not in page:
                    raise Refused(f"the form has no field {field}")
            saw("image, GPUs, data, TensorBoard, SSH and packages are offered")
        with tour.step("press Start, wait for JupyterLab") as saw:
            wish = {"image": "pytorch", "gpus": "0", "tensorboard": "on", "volumes": VOLUME}
            wish |= {"ssh": "on", "ssh_key": person.public_key, "requirements": PACKAGE}
            session.start(wish)
            session.wait_for_lab(120)
            saw(f"{session.lab}lab")
        open_doors(tour.step, hub, session, person)
        asyncio.run(work(tour, session))
        click_through(hub, SHOTS, tour.step)
        with tour.step("Ctrl-C") as saw:
            began = time.monotonic()
            code = hub.stop()
            if left := marked(f"DLLAB_HOME={hub.home}"):
                raise Refused(f"still running: {left}")
            saw(f"all gone in {time.monotonic() - began:.1f} s, exit code {code}")
    finally:
        if hub.process is not None and hub.process.poll() is None:
            hub.stop()
        if keep:
            print(f"state kept in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print(f"pictures of the clicks are in {SHOTS}")
    print(f"tour done: {tour.count} steps in {time.monotonic() - tour.began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
