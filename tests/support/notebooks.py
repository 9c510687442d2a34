"""`Notebook`: a real IPython shell, with what a person would see of each cell."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from dllab_hub.deployed import Deployed
from dllab_hub.job import Job

__all__ = ("Notebook",)


class Notebook:
    """Runs cells and remembers what a person would see."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.result: Any = None
        self.ok = True

    def run(self, cell: str) -> str:
        """What the cell printed, or the one line it failed with."""
        with capture_output(display=False) as seen:
            done = self.shell.run_cell(cell)
        self.ok, self.result = done.success, done.result
        return re.sub(r"(?m)^Out\[\d+\]: \n?", "", seen.stdout + seen.stderr).strip()

    @property
    def job(self) -> Job:
        """The handle that ``%%train`` leaves."""
        job = self.shell.user_ns["_job"]
        assert isinstance(job, Job)
        return job

    @property
    def deployment(self) -> Deployed:
        """The handle that ``%deploy`` leaves."""
        deployment = self.shell.user_ns["_deployment"]
        assert isinstance(deployment, Deployed)
        return deployment
