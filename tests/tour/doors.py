"""The doors of a lab, each opened for real: its first page, SSH, packages on top, data in a job."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from browser_session import BrowserSession, Kernel, Refused
from running_hub import RunningHub
from ssh_person import Person

__all__ = ("PACKAGE", "VOLUME", "open_doors", "work_with_data", "write_catalog")

#: A small package without dependencies that no image has.
PACKAGE = "iniconfig"
VOLUME = "answers"
_Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]


def write_catalog(home: Path) -> None:
    """What the administrator offers: a directory with one file."""
    data = home / "volume"
    data.mkdir(parents=True)
    (data / "answer.txt").write_text("42\n")
    (home / "state").mkdir()
    (home / "state" / "catalog.toml").write_text(
        f'[[volumes]]\nname = "{VOLUME}"\ntitle = "Answers"\npath = "{data}"\nread_only = true\n'
    )


def open_doors(step: _Step, hub: RunningHub, session: BrowserSession, person: Person) -> None:
    """What does not need the kernel."""
    lab = f"{hub.facts['address']}/user/{session.user}/"
    with step("the lab's first page") as saw:
        page = session.http.get(f"/user/{session.user}/dllab/").raise_for_status().text
        for word in ("JupyterLab", "TensorBoard", "ssh dllab-", "Answers"):
            if word not in page:
                raise Refused(f"the page lacks {word}")
        saw("JupyterLab, TensorBoard, the SSH command and what was picked")
    with step("dllab ssh-config, then ssh, scp there and back, from another home") as saw:
        person.learn(lab, session.token())
        where = person.ssh("python -c 'import sys, torch; print(sys.prefix, torch.__version__)'")
        data = os.urandom(1_000_000)
        (person.home / "up").write_bytes(data)
        for argv in (("up", f"{person.alias}:up"), (f"{person.alias}:up", "down")):
            if (done := person.run("scp", *argv)).returncode:
                raise Refused(done.stderr)
        if (person.home / "down").read_bytes() != data:
            raise Refused("the copy differs")
        saw(f"torch {where.split()[-1]} in the lab's own layer, 1 MB unharmed")


async def work_with_data(step: _Step, kernel: Kernel) -> None:
    """The packages that were listed in the form, and the volume in the lab and in a job."""
    with step("packages on top, in a layer of this lab") as saw:
        where = await kernel.run(f"import {PACKAGE}; print({PACKAGE}.__file__)", 60)
        if "/overlay/" not in where:
            raise Refused(f"{PACKAGE} is not in the overlay: {where}")
        shown = " ".join((await kernel.run("%pip --version", 60)).split()[:2])
        saw(f"{PACKAGE} is there; {shown} installs there too")
    with step("the data volume in the lab and in a job") as saw:
        told = await kernel.run(f"print(open('data/{VOLUME}/answer.txt').read())", 30)
        code = (
            "%%train --name reads --workers 1\n"
            "from dllab_hub.runtime.data import open_volume\n"
            f"print('the job reads', open_volume('{VOLUME}').cat_file('answer.txt').decode())\n"
        )
        await kernel.run(code, 60)
        wait = "from dllab_hub import Client\nc = Client()\nj = c.list().jobs[0]\n"
        seen = await kernel.run(wait + "print(c.wait(j.id).state)\n%logs", 120)
        if "SUCCEEDED" not in seen or not re.search(r"the job reads 42", seen):
            raise Refused(f"the job did not read it: {seen[-500:]}")
        saw(f"{told.strip()} in both")
