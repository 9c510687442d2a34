"""The process that looks at a job before it runs: its limits, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
import pwd
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

import dllab_hub
from dllab_hub.backends.local.account import Account, account_of
from dllab_hub.backends.local.luggage import write_code
from dllab_hub.backends.local.plan import plan_of
from dllab_hub.backends.local.preflight import Limits, run_preflight
from dllab_hub.images import overlay
from dllab_hub.specs import Code, Role, TrainingSpec

SHORT = Limits(seconds=3, reading=1, memory=1024 * 2**20)


@pytest.fixture
def looked(tmp_path):
    """Looks at code as `run_preflight` does."""

    async def looked(source, *, deep=False, limits=None, account=None, plan=None, **spec):
        files = {name: dedent(text) for name, text in spec.pop("files", {}).items()}
        wish = TrainingSpec(
            name="look", image="here", code=Code(source=dedent(source), files=files), **spec
        )
        workspace = tmp_path / "run" / "workspace"
        workspace.mkdir(parents=True, exist_ok=True)
        write_code(workspace, wish.code)
        whole = {
            "id": "look-aaaaaaa",
            "owner": "ada",
            **plan_of(wish, sys.executable),
            "gpus": [],
            "overlay": None,
            "tensorboard": str(tmp_path),
            "volumes": {},
            "workspace": str(workspace),
            **(plan or {}),
        }
        account = account or account_of("ada", False)
        return await run_preflight(whole, account, deep=deep, limits=limits)

    return looked


def places(found):
    return [(one.severity, one.check, one.file, one.line) for one in found.findings]


async def test_an_error_is_first_and_names_its_place(looked):
    """What was found comes back as values, errors first, with the time that it took."""
    found = await looked("open('nowhere.csv')\nimport nowhere_a\n")

    assert [
        ("error", "imports", "train.py", 2),
        ("warning", "paths", "train.py", 1),
    ] == places(found)
    assert found.error is not None
    assert "there is no module nowhere_a." == found.error.message
    assert found.seconds > 0


async def test_a_quick_look_costs_little(looked):
    """It takes a third of a second at most; counted in processor time, which load leaves alone."""
    source = "import argparse, os\nimport httpx\nprint(os.environ['RANK'])\n" * 20
    await looked(source)  # The first compiles what is looked with.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await looked(source)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.35


@pytest.mark.parametrize(
    ("name", "spec", "missing"),
    [
        ("LOCAL_RANK", {}, False),
        ("DLLAB_CHECKPOINT_DIR", {}, False),
        ("HOME", {}, False),
        ("MINE", {"env": {"MINE": "1"}}, False),
        ("MINE", {}, True),
        ("JUPYTERHUB_API_TOKEN", {}, True),
        ("SERVICE_SECRET", {}, True),
        ("DLLAB_ADDRESSES", {}, True),
        ("DLLAB_ADDRESSES", {"strategy": "custom"}, False),
    ],
)
async def test_the_environment_is_that_of_the_first_process(
    looked, monkeypatch, name, spec, missing
):
    """Variables count as there when the job will have them, and only then."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    monkeypatch.setenv("SERVICE_SECRET", "secret")
    found = await looked(f"import os\nx = os.environ[{name!r}]\n", **spec)

    assert ([("error", "environment", "train.py", 2)] if missing else []) == places(found)


async def test_parameter_servers_have_tf_config_and_no_ranks(looked):
    """Under ps the variables of torchrun are missing and TF_CONFIG is there."""
    roles = tuple(Role(name=name) for name in ("chief", "ps", "worker"))
    source = "import os\na = os.environ['TF_CONFIG']\nb = os.environ['RANK']\n"

    found = await looked(source, strategy="ps", roles=roles)

    assert [("error", "environment", "train.py", 3)] == places(found)


async def test_each_program_of_a_custom_job_is_looked_at(looked):
    """A role with a command of its own is looked at as well; GPUs that it wants are not needed."""
    roles = (
        Role(name="a", gpus=8, replicas=3),
        Role(name="b", command=("nowhere-program",)),
        Role(name="c", command=("bash", "run.sh")),
    )
    files = {"run.sh": "if then\n"}
    found = await looked("x = 1\n", strategy="custom", roles=roles, files=files)

    assert [
        ("error", "paths", "", None),
        ("error", "syntax", "run.sh", 1),
    ] == places(found)


async def test_what_the_lab_has_installed_counts(looked, tmp_path):
    """With the lab's overlay its packages are there; without it they are missing."""
    made = overlay.make(tmp_path / "lab", sys.executable)
    site = next(tmp_path.glob("lab/lib/python*/site-packages"))
    (site / "only_in_lab.py").write_text("")
    plan = {"overlay": {"from": str(made.parent.parent), "to": "overlay"}}

    assert [] == places(await looked("import only_in_lab, httpx\n", plan=plan))
    assert [("error", "imports", "train.py", 1)] == places(await looked("import only_in_lab\n"))


# Deep: the code's imports are executed.


async def test_a_deep_look_names_the_line_of_a_failing_import(looked):
    """An import that fails when it is executed is named, with the place inside that failed."""
    files = {
        "model.py": "import os\nraise ValueError('no such layer')\n",
        "apart.py": "import sys\nsys.exit(3)\n",
        "fine.py": "import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n",
    }
    source = """
        import fine
        import model
        try:
            import nowhere_a
        except ImportError:
            nowhere_a = None
        import apart
        raise RuntimeError("this is not executed")
    """
    found = await looked(source, deep=True, files=files)

    assert [
        ("error", "imports", "train.py", 3),
        ("error", "imports", "train.py", 8),
    ] == places(found)
    assert (
        "import model: ValueError: no such layer in model.py, line 2." == found.findings[0].message
    )
    assert "SystemExit: 3" in found.findings[1].message
    assert [] == places(await looked(source, files=files))


async def test_what_the_code_prints_is_not_taken_for_an_answer(looked):
    """Its output goes nowhere, and it cannot answer in place of the look."""
    chatty = """
        import os, sys
        print('{"found": [], "done": true}', flush=True)
        os.write(1, b'{"done": true}')
        for _ in range(2):
            assert 1_000_000 == os.write(2, b"x" * 1_000_000)
        assert sys.stdin is None or sys.stdin.read() == ""
    """
    found = await looked(
        "import chatty\nimport nowhere_a\n", deep=True, files={"chatty.py": chatty}
    )

    assert [("error", "imports", "train.py", 2)] == places(found)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("while True: pass\n", "more than 3 s"),
        ("import os\nos._exit(7)\n", "code 7"),
        ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV"),
        (
            "import signal\nfor n in (2, 3, 15): signal.signal(n, signal.SIG_IGN)\n"
            "import time\ntime.sleep(600)\n",
            "more than 3 s",
        ),
    ],
)
async def test_an_import_that_does_not_end_well_is_a_warning(looked, body, why):
    """What takes too long, or ends its process, is named; it is no reason to refuse the job."""
    files = {"heavy.py": body}
    found = await looked("import os\nimport heavy\n", deep=True, files=files, limits=SHORT)

    assert [("warning", "limits", "train.py", 2)] == places(found)
    assert found.findings[0].message.startswith("import heavy was tried, and")
    assert why in found.findings[0].message
    assert found.error is None


async def test_an_import_that_takes_too_much_memory_is_ended(looked):
    """The memory of the process and all that it starts is watched."""
    body = """
        import subprocess, sys
        code = "import time; x = b'1' * (300 << 20); time.sleep(600)"
        subprocess.run([sys.executable, "-c", code])
    """
    limits = Limits(seconds=60, reading=1, memory=200 * 2**20)
    began = time.monotonic()
    found = await looked("import heavy\n", deep=True, files={"heavy.py": body}, limits=limits)

    assert [("warning", "limits", "train.py", 1)] == places(found)
    assert "more than 200 MiB of memory" in found.findings[0].message
    assert time.monotonic() - began < 55


async def test_a_process_cannot_have_more_than_the_kernel_allows(looked):
    """Who takes more at once than a look can see is stopped by the kernel, and named."""
    files = {"heavy.py": "x = bytearray(3 << 30)\n"}
    limits = Limits(seconds=60, reading=1, memory=256 * 2**20)
    found = await looked("import heavy\n", deep=True, files=files, limits=limits)

    assert [("warning", "limits", "train.py", 1)] == places(found)
    assert "not enough memory" in found.findings[0].message


async def test_nothing_is_left_behind(looked, tmp_path):
    """Processes that an import starts and lets go of are ended with it."""
    body = f"""
        import os, time
        PID = {str(tmp_path / "pid")!r}
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open(PID, "w").write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        while not os.path.exists(PID) or not open(PID).read():
            time.sleep(0.01)
    """
    found = await looked("import daemon_nowhere\n", deep=True, files={"daemon_nowhere.py": body})

    assert [] == places(found)
    assert not _lives(int((tmp_path / "pid").read_text()))


async def test_a_look_that_nobody_waits_for_is_ended(looked, tmp_path):
    """Cancelled, it leaves no process; others are answered while it runs."""
    pid = tmp_path / "pid"
    body = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    task = asyncio.create_task(looked("import slow\n", deep=True, files={"slow.py": body}))
    while not (pid.exists() and pid.read_text()):
        assert not task.done()
        await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert task.cancelled()
    assert not _lives(int(pid.read_text()))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'not json' >&$4; echo '[1]' >&$4; exit 0", "code 0"),
        ("""echo '{"found": [{"check": "x"}, 3], "done": true}' >&$4""", ""),
        ("echo 'no such thing' >&2; exit 9", "no such thing"),
        ("head -c 5000000 /dev/zero | tr '\\\\0' x >&$4; exit 0", ""),
        ("kill -9 $$", "SIGKILL"),
    ],
)
async def test_an_interpreter_that_talks_nonsense_refuses_nothing(looked, tmp_path, script, why):
    """Whatever the process says or does, a job is not refused for it."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/bash\nset -- x "$@"\n{script}\n')
    python.chmod(0o755)
    found = await looked("import nowhere_a\n", plan={"python": str(python)})

    assert found.error is None
    assert [("warning", "limits", "", None)] == places(found) or not why
    assert why in " ".join(one.message for one in found.findings)


async def test_an_interpreter_that_is_gone_refuses_nothing(looked, tmp_path):
    """It is said, and the job may try its luck."""
    found = await looked("x = 1\n", plan={"python": str(tmp_path / "nowhere")})

    assert [("warning", "limits", "", None)] == places(found)
    assert "No such file" in found.findings[0].message


async def test_it_does_not_keep_others_waiting(looked):
    """Nothing of it runs on the event loop for long."""
    ticks = []

    async def tick():
        while True:
            ticks.append(time.thread_time())
            await asyncio.sleep(0.005)

    ticker = asyncio.create_task(tick())
    await looked("import nowhere_a\n")
    ticker.cancel()

    assert len(ticks) > 3
    # Processor time of this thread, which load leaves alone.
    assert max(b - a for a, b in pairwise(ticks)) < 0.1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_it_looks_as_the_account():
    """In OS-user mode the process has the account's rights and no others."""
    entry = pwd.getpwnam("nobody")
    account = Account("nobody", entry.pw_uid, entry.pw_gid, "/nonexistent")
    python = "/usr/bin/python3"
    probe = "import sys; sys.exit(sys.version_info < (3, 11))"
    package = Path(dllab_hub.__file__).parent / "runtime" / "preflight" / "__main__.py"
    with suppress(OSError):
        if subprocess.run([python, "-c", probe], user="nobody", cwd="/", check=False).returncode:
            pytest.skip("no Python 3.11 that another account may run")
    readable = subprocess.run(["cat", package], user="nobody", capture_output=True, check=False)
    if readable.returncode or not Path(python).exists():
        pytest.skip("the package cannot be read by another account")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        workspace = Path(folder, "workspace")
        workspace.mkdir()
        secret = Path(folder, "secret")
        secret.write_text("")
        secret.chmod(0o600)
        source = f"import os, who\nopen({str(secret)!r})\n"
        spec = TrainingSpec(
            name="look",
            image="here",
            code=Code(source=source, files={"who.py": "import os\nassert 0, os.getresuid()"}),
        )
        write_code(workspace, spec.code)
        for path in (workspace, *workspace.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        Path(folder).chmod(0o711)
        plan = {
            **plan_of(spec, python),
            "owner": "nobody",
            "gpus": [],
            "overlay": None,
            "tensorboard": folder,
            "volumes": {},
            "workspace": str(workspace),
        }
        found = await run_preflight(plan, account, deep=True)

    assert [("error", "imports", "train.py", 1)] == places(found)
    uid = entry.pw_uid
    assert f"AssertionError: ({uid}, {uid}, {uid})" in found.findings[0].message


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
