"""What a job finds in its run directory before its first attempt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

MakeJob = Callable[..., Any]


def test_the_labs_packages_are_there_before_the_code(job: MakeJob, tmp_path: Path) -> None:
    """The overlay that the plan names is the job's own when the first replica starts."""
    (tmp_path / "lab" / "bin").mkdir(parents=True)
    (tmp_path / "lab" / "module.py").write_text("print('here')")
    overlay = {"from": str(tmp_path / "lab"), "to": "overlay"}
    made = job("print(open('../overlay/module.py').read())", overlay=overlay).start()

    assert "SUCCEEDED" == made.end()["state"]
    assert "print('here')\n" == made.log()


def test_a_job_whose_packages_are_gone_does_not_start(job: MakeJob, tmp_path: Path) -> None:
    """It has failed with a sentence, before any attempt of this launch."""
    overlay = {"from": str(tmp_path / "nowhere"), "to": "overlay"}
    made = job("pass", overlay=overlay, first_attempt=3, ran=12.0, max_restarts=3).start()
    end = made.end()

    assert ("FAILED", 2, 12.0) == (end["state"], end["attempt"], end["ran"])
    assert end["reason"].startswith("what was installed in your lab is gone")
    assert not (made.run / "attempts").exists()


def test_a_job_whose_volume_is_gone_does_not_start(job: MakeJob, tmp_path: Path) -> None:
    """The same for a data volume; restarts would meet the same."""
    volumes = {"sets": {"path": str(tmp_path / "nowhere"), "place": "data/sets"}}
    end = job("pass", volumes=volumes, max_restarts=3).start().end()

    reason = "the volume sets is not there now, or is closed to your account."
    assert ("FAILED", 0, reason) == (end["state"], end["attempt"], end["reason"])
