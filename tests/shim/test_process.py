"""Who is who, clean children, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import dllab_hub
from dllab_hub.shim.children import start
from dllab_hub.shim.process import identity, is_alive, send, strays, sweep

PACKAGE = str(Path(dllab_hub.__file__).parents[1])


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_more_than_its_number(child: subprocess.Popen[bytes]) -> None:
    """A process that got the number later, or after a restart of the machine, is a stranger."""
    known = identity(child.pid)
    assert known is not None

    assert is_alive(known)
    assert is_alive({**known, "started": 1.0})
    assert not is_alive({**known, "ticks": known["ticks"] + 1})
    assert not is_alive({**known, "boot_id": "another"})
    assert not is_alive({})
    assert not is_alive({"pid": -1})


def test_a_zombie_is_dead(child: subprocess.Popen[bytes]) -> None:
    """A process that has ended and was not collected does not count as alive."""
    known = identity(child.pid)
    assert known is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    os.kill(child.pid, 0)  # The kernel still knows the number.
    assert not is_alive(known)
    assert identity(child.pid) is None
    assert not send(known, signal.SIGTERM)


def test_a_signal_never_reaches_a_stranger(child: subprocess.Popen[bytes]) -> None:
    """A signal is only sent to the very process that was meant."""
    known = identity(child.pid)
    assert known is not None

    assert not send({**known, "ticks": known["ticks"] + 1}, signal.SIGKILL)
    assert child.poll() is None
    assert send(known, signal.SIGKILL)
    assert -signal.SIGKILL == child.wait()


def test_a_sweep_finds_what_is_marked_and_what_it_started() -> None:
    """Marked processes and their descendants go, wherever they hang; others of like mark stay."""
    own = f"sweep-{os.getpid()}"
    script = textwrap.dedent(
        """
        import os, subprocess, sys
        env = {"PATH": os.environ["PATH"]}  # Without the mark: found by descent.
        inner = subprocess.Popen(["sleep", "61"], env=env, start_new_session=True)
        lost = subprocess.Popen(["sh", "-c", "sleep 62 & echo $!"], stdout=subprocess.PIPE)
        said = lost.stdout.readline().decode().strip()
        lost.wait()  # The shell; its child stays.
        print(inner.pid, said, flush=True)
        inner.wait()
        """
    )
    env = {**os.environ, "DLLAB_LEASE": own}
    marked = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE)
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, "DLLAB_LEASE": own + "0"})
    try:
        assert marked.stdout is not None
        pids = {marked.pid, *map(int, marked.stdout.readline().split())}
        assert pids == set(strays(own))

        assert [] == sweep(own)
        assert [] == strays(own)
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.communicate()


def test_a_sweep_outruns_processes_that_fork() -> None:
    """A process that keeps moving into a new one is gone when the sweep says so."""
    chain = "import os, time\nwhile True:\n    time.sleep(0.005)\n    os.fork() and os._exit(0)"
    script = textwrap.dedent(
        f"""
        import os, sys, time
        from dllab_hub.shim.children import become_subreaper, start
        from dllab_hub.shim.process import sweep
        become_subreaper()
        for env in ({{"DLLAB_LEASE": "chain"}}, {{}}):
            start([sys.executable, "-S", "-c", {chain!r}], env=env, output=1)
            time.sleep(0.2)
            left = sweep("chain", children=True)
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                print(left, flush=True)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert ("[]\n[]\n", "") == (done.stdout, done.stderr)


def test_children_start_clean() -> None:
    """A child has default handlers, no blocked signal, nothing to read and one open file."""
    look = (
        "import json, os, signal; "
        "handlers = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]; "
        "print(json.dumps([sorted(os.listdir('/proc/self/fd')),"
        " list(signal.pthread_sigmask(0, ())),"
        " [n for n in handlers if n not in (signal.SIGPIPE, signal.SIGXFSZ)],"
        " os.readlink('/proc/self/fd/0')]))"
    )
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        from dllab_hub.shim.children import start
        from dllab_hub.shim.signals import Signals
        for number in (signal.SIGUSR1, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signals = Signals()
        os.set_inheritable(os.open("/etc/passwd", os.O_RDONLY), True)
        child = start([sys.executable, "-c", {look!r}], env={{}}, output=1)
        os.waitpid(child, 0)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": PACKAGE},
        capture_output=True,
        text=True,
        check=True,
    )

    # 3 is the directory that is being listed.
    assert [["0", "1", "2", "3"], [], [], "/dev/null"] == json.loads(done.stdout)


@pytest.mark.parametrize(
    ("argv", "env", "cwd", "error"),
    [
        (
            ["/nowhere/it"],
            {},
            None,
            FileNotFoundError(2, "No such file or directory", "/nowhere/it"),
        ),
        (["not-there"], {"PATH": "/bin"}, None, FileNotFoundError(2, "", "not-there")),
        (["/etc/passwd"], {}, None, PermissionError(13, "Permission denied", "/etc/passwd")),
        (["/bin/true"], {}, "/nowhere/深", FileNotFoundError(2, "", "/nowhere/深")),
        (["/bin/true", "a\0b"], {}, None, ValueError("embedded null byte")),
        (["/bin/true"], {"A=B": "1"}, None, ValueError("illegal environment variable name")),
    ],
)
def test_a_child_that_cannot_start(
    argv: list[str], env: dict[str, str], cwd: str | None, error: Exception
) -> None:
    """The reason comes back as the error that it is, with what was missing, and no child stays."""
    before = psutil.Process().children()
    with pytest.raises(type(error)) as caught:
        start(argv, env=env, output=1, cwd=cwd)

    if isinstance(error, OSError):
        assert (error.errno, error.filename) == (caught.value.errno, caught.value.filename)
    else:
        assert str(error) == str(caught.value)
    assert before == psutil.Process().children()


def test_a_child_is_found_on_its_own_path() -> None:
    """A program without a directory is looked for on the PATH that the child gets."""
    pid = start(["true"], env={"PATH": "/nowhere:/usr/bin:/bin"}, output=2, errors=1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def imported(statement: str) -> set[str]:
    """Modules that a bare interpreter imports for this."""
    path = f"import sys; sys.path.append({PACKAGE!r}); "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", "-c", path + statement],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_the_shim_of_a_job_starts_light() -> None:
    """A job's shim imports the standard library only: neither pydantic nor argparse nor asyncio."""
    found = imported("import dllab_hub.shim.supervisor, dllab_hub.shim.job")

    assert "dllab_hub.shim.gang" in found
    assert not found & {"pydantic", "argparse", "asyncio", "dllab_hub.specs", "logging"}


def test_the_shim_of_a_lab_starts_lighter() -> None:
    """Every lab waits for its shim: none of the modules that take longer than all it does."""
    found = imported("import dllab_hub.shim.supervisor, dllab_hub.shim.lab")

    assert "dllab_hub.shim.children" in found
    assert not found & {
        *("collections", "contextlib", "dataclasses", "enum", "functools", "importlib", "json"),
        *("pathlib", "re", "selectors", "signal", "site", "subprocess", "traceback", "typing"),
    }
