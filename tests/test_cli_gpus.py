"""``dllab gpus`` and ``dllab top``: once, again and again, on a terminal and for a program."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gpu_values import BUSY, report_of
from served import Host, running_loop, service_host
from stub_hub import stub_hub

from dllab_hub.cli.gpus import top_text
from dllab_hub.cli.screen import _fit, _top
from dllab_hub.errors import Unavailable
from dllab_hub.server.lab import Lab
from dllab_hub.specs import Alert, Code, GpuReport, JobState, Progress, TrainingJob, TrainingSpec
from dllab_hub.specs import Host as HostValue
from dllab_hub.testing import MemoryBackend

_Start = Callable[..., "subprocess.Popen[str]"]


class Machine:
    """GPUs that can be away for a while."""

    away = False

    async def report(self) -> GpuReport:
        if self.away:
            raise Unavailable("the lab is away.")
        return report_of(BUSY)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def lab(machine: Machine) -> Iterator[Host]:
    """A lab without processes on a machine with a GPU."""
    lab = Lab(MemoryBackend(gpus=(BUSY.uuid,)), machine, kind="memory")
    with running_loop() as loop, stub_hub(loop) as hub, service_host(loop, hub, lab) as host:
        yield host


@pytest.fixture
def start(tmp_path: Path, lab: Host) -> Iterator[_Start]:
    """Start the command in a terminal of a lab; what still runs in the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def run(
        *words: str, stdout: int = subprocess.PIPE, url: str = lab.url
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "DLLAB_API_URL": url, "DLLAB_API_TOKEN": lab.token},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            # Who runs the tests in the background may have it ignored, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def test_once(start: _Start) -> None:
    """Without --watch both print once; --json is what the lab said."""
    said, errors = start("gpus").communicate(timeout=60)
    assert errors == ""
    assert "H100 <80GB>  42%   10.0 of 80.0 GiB" in said
    assert "no job of yours runs" in start("top").communicate(timeout=60)[0]
    told = json.loads(start("top", "--json").communicate(timeout=60)[0])
    assert set(told) == {"host", "gpus", "jobs", "alerts"}


@pytest.mark.parametrize("command", ["gpus", "top"])
@pytest.mark.parametrize("seconds", ["0", "-1", "x", "1e9", "3601", "0.5"])
def test_a_bad_interval(start: _Start, command: str, seconds: str) -> None:
    """An interval that makes no sense is one line that names it."""
    process = start(command, "--watch", seconds)
    said, errors = process.communicate(timeout=60)

    assert (process.returncode, said) == (2, "")
    assert len(errors.splitlines()) == 1
    assert "--watch: must be a whole number from 1 to 3600" in errors
    assert seconds in errors


def test_again_and_again_for_a_file(start: _Start) -> None:
    """Where there is no terminal whole pictures follow each other; Ctrl-C ends it quietly."""
    process = start("top", "--watch", "1")
    shown = _until(process, "every 1 s") + _until(process, "H100") + _until(process, "every 1 s")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (130, "")
    assert "\x1b" not in shown


def test_again_and_again_for_a_program(start: _Start) -> None:
    """With --json each look is one line."""
    process = start("gpus", "--watch", "1", "--json")
    assert process.stdout is not None
    looks = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert all("gpus" in look for look in looks)


def test_on_a_terminal(start: _Start) -> None:
    """It draws in place on a screen of its own, and gives the terminal back as it was."""
    ours, theirs = pty.openpty()
    process = start("gpus", "--watch", "1", stdout=theirs)
    os.close(theirs)
    seen = _read(ours, lambda text: text.count("\x1b[H") >= 2)
    process.send_signal(signal.SIGINT)
    seen += _read(ours, lambda text: "\x1b[?1049l" in text)
    process.wait(timeout=60)
    os.close(ours)

    assert process.returncode == 130
    assert seen.startswith("\x1b[?1049h\x1b[?25l")
    assert "\x1b[?25h\x1b[?1049l" in seen
    assert "Traceback" not in seen


def test_an_absence_of_the_lab_is_waited_for(start: _Start, machine: Machine) -> None:
    """While nobody answers it says so and goes on asking."""
    process = start("gpus", "--watch", "1")
    _until(process, "H100")
    machine.away = True
    _until(process, "the lab is away. Asked again every 1 s.")
    machine.away = False
    _until(process, "H100")


def test_a_program_hears_of_an_absence_beside_its_lines(start: _Start, machine: Machine) -> None:
    """With --json it is said once on the standard error, and the lines go on afterwards."""
    process = start("gpus", "--watch", "1", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    json.loads(process.stdout.readline())
    machine.away = True
    assert "the lab is away. Asked again every 1 s." in process.stderr.readline()
    time.sleep(1.5)
    machine.away = False
    # One that was on its way may come before.
    assert all("gpus" in json.loads(process.stdout.readline()) for _ in range(3))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (130, "")


def test_a_picture_is_cut_to_the_terminal() -> None:
    """By columns, of which some characters take two; what has no room below is counted."""
    assert [_fit(line, 5) for line in ("abcdef", "数据数据", "e\u0301tudes")] == [
        "abcde",
        "数据",
        "e\u0301tude",
    ]
    assert _top("a\nb\nc", 3) == ["a", "b", "c"]
    assert _top("a\nb\nc\nd", 3) == ["a", "b", "... 2 more lines"]


def test_nobody_is_there_at_the_start(start: _Start) -> None:
    """Then it gives up with one line."""
    process = start("top", "--watch", "1", url="http://127.0.0.1:9/dllab/api/")
    said, errors = process.communicate(timeout=60)

    assert (process.returncode, said, len(errors.splitlines())) == (1, "", 1)


def test_top_is_one_screen() -> None:
    """The machine, the GPUs with their holder, and what one's jobs do."""
    spec = TrainingSpec(name="digits", image="here", code=Code(source="pass"))
    job = TrainingJob(
        id="digits-1",
        owner="ada",
        spec=spec,
        state=JobState.RUNNING,
        created=100.0,
        started=200.0,
        progress=Progress(step=120, total=300, time=300.0, rate=2.0, eta=90.0, source="report"),
    )
    host = HostValue(time=1.0, cpu=1.0, cpus=4.0)
    hot = Alert(
        id="hot", rule="GPUTemperatureHigh", severity="warning", state="firing", kind="gpu",
        message="GPU 0 is hot. " * 9, since=1.0,
    )  # fmt: skip
    text = top_text(host, report_of(BUSY), [job], [hot] * 5, "ada", 380.0)
    lines = text.splitlines()

    assert lines[0].startswith("! warning: GPU 0 is hot.")
    assert lines[3] == "! 2 more: dllab alerts"
    assert lines[5] == "CPU 1.0 of 4"
    assert "lab mine, which lends it" in lines[8]
    assert lines[-2].split() == ["JOB", "STATE", "GPUS", "STEP", "RATE", "RUNS", "FOR"]
    assert lines[-1].split("  ")[0] == "digits-1"
    assert "120 of 300" in lines[-1]
    assert "2 steps/s, 1 min left" in lines[-1]
    assert lines[-1].endswith("3 min")
    assert max(map(len, lines)) <= 100


def _until(process: subprocess.Popen[str], words: str) -> str:
    """Read lines until one has these words."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} was never said")


def _read(fd: int, enough: Callable[[str], bool], seconds: float = 30) -> str:
    """What a terminal shows until it is enough."""
    text, end = "", time.monotonic() + seconds
    while not enough(text) and time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                text += os.read(fd, 65536).decode(errors="replace")
            except OSError:
                break  # Its other end is closed.
    return text
