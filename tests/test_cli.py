"""The ``dllab`` command as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import ONNX, Host, lab_host

from dllab_hub import __version__
from dllab_hub.specs import Finding

_Dllab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab() -> Iterator[Host]:
    """A lab without processes."""
    with lab_host() as host:
        yield host


@pytest.fixture
def dllab(tmp_path: Path) -> _Dllab:
    """Run the command in an empty directory, with an empty state."""

    def run(
        *words: str, said: str = "", stdin: int | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        typed = {"input": said} if stdin is None else {"stdin": stdin}
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            **typed,  # type: ignore[call-overload]
            cwd=tmp_path,
            env={**os.environ, "DLLAB_HOME": str(tmp_path / "state"), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def in_lab(dllab: _Dllab, lab: Host) -> _Dllab:
    """The same in a terminal of a lab."""

    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """``said`` is what is typed at its questions."""
        return dllab(*words, **{"DLLAB_API_URL": lab.url, "DLLAB_API_TOKEN": lab.token, **env})

    return run


def test_version_at_once(dllab: _Dllab) -> None:
    """The version takes no longer than Python's own start and a bit."""

    def took(*argv: str) -> float:
        began = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True)
        return time.monotonic() - began

    assert dllab("--version").stdout == f"dllab-hub {__version__}\n"
    bare = min(took(sys.executable, "-c", "") for _ in range(5))
    ours = min(took(sys.executable, "-m", "dllab_hub.cli", "--version") for _ in range(5))
    assert ours - bare < 0.1


def test_help_lists_the_commands(dllab: _Dllab) -> None:
    """Help, and no command at all, list what there is."""
    for words in ((), ("--help",)):
        said = dllab(*words)

        assert said.returncode == 0
        for command in (
            *("up", "env", "submit", "rerun", "jobs", "logs", "cancel", "pause", "resume"),
            *(
                "gpus",
                "top",
                "doctor",
                "job",
                "compare",
                "note",
                "rm",
                "export",
                "import",
                "notices",
            ),
            *("deploy", "deployments", "predict", "scale", "undeploy"),
            *("canary", "promote", "rollback", "models", "publish", "download"),
        ):
            assert f"\n    {command} " in said.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["frobnicate"], 2, "invalid choice: 'frobnicate'"),
        (["submit"], 2, "SCRIPT"),
        (["submit", "missing.py"], 2, "missing.py cannot be read: No such file or directory."),
        (["submit", "x.py", "--workers", "two"], 2, "--workers: must be a whole number"),
        (["submit", "x.py", "--worker", "2"], 2, "Did you mean --workers?"),
        (["jobs", "-n", "0"], 2, "from 1 to 500"),
        (["jobs", "--", "x"], 2, "only submit and rerun take words after --"),
        (["pause"], 2, "id"),
        (["rerun", "x", "--module", "y"], 2, "there is no option --module"),
        (["submit", "--command"], 2, "the command comes after --"),
        (["submit", "x.py", "--role", "a"], 2, "--role: 'a' is not of the form NAME=REPLICAS"),
        (["logs", "x", "-f", "-n", "3"], 2, "-f prints everything"),
        (["cancel"], 2, "id"),
        (["up", "--port", "70000"], 2, "--port: must be a whole number from 0 to 65535"),
        (["env", "build"], 2, "IMAGE"),
        (
            ["env", "build", "nothing"],
            1,
            "there is no such image. Choose one of: base, jax, pytorch,",
        ),
        (["jobs"], 1, "DLLAB_API_URL"),
        (["gpus"], 1, "DLLAB_API_URL"),
        (["deploy"], 2, "FILE.onnx|MODEL[:VERSION]"),
        (["deploy", "x", "--replicas", "33"], 2, "--replicas: must be a whole number from 1 to 32"),
        (["deploy", "x", "--name", "A b"], 2, "--name: a name has"),
        (["deploy", "x"], 1, "DLLAB_API_URL"),
        (["predict", "x", "missing.json"], 2, "missing.json cannot be read: No such file"),
        (["scale", "x", "0"], 2, "N: must be a whole number from 1 to 32"),
        (["undeploy"], 2, "NAME"),
        (["deploy", "x", "--min", "0"], 2, "--max: is needed with --min."),
        (["deploy", "x", "--max", "2", "--min", "3"], 2, "--min: must not be more than max"),
        (["deploy", "x", "--max", "33"], 2, "--max: must be a whole number from 1 to 32"),
        (["deploy", "x", "--max", "2", "--idle", "1s"], 2, "--idle: "),
        (["deploy", "x", "--max", "2", "--target", "0"], 2, "--target: must be a number above 0"),
        (["deploy", "x", "--max", "2", "--signal", "cpu"], 2, "--signal: invalid choice: 'cpu'"),
        (["deploy", "x", "--gpus", "9"], 2, "--gpus: must be a whole number from 0 to 8"),
        (["deploy", "x", "--cpus", "0"], 2, "--cpus: must be a whole number from 1 to 64"),
        (["deploy", "x", "--batch", "1"], 2, "--batch: must be a whole number from 2 to 1024"),
        (["deploy", "x", "--batch-wait", "5ms"], 2, "--batch: is needed with --batch-wait."),
        (["deploy", "x", "--batch", "2", "--batch-wait", "5"], 2, "must be a time such as 5ms"),
        (["deploy", "x", "--batch", "2", "--batch-wait", "2s"], 2, "must be a time such as 5ms"),
        (["predict", "x", "y", "--version", "0"], 2, "--version: must be a whole number from 1"),
        (["canary", "x"], 2, "VERSION"),
        (["canary", "x", "two"], 2, "VERSION: must be a whole number from 1 up"),
        (["canary", "x", "2", "--percent", "100"], 2, "--percent: must be a whole number from 0"),
        (["canary", "x", "2", "--max-errors", "nan"], 2, "--max-errors: must be a share from 0"),
        (["canary", "x", "2", "--max-slowdown", "0"], 2, "--max-slowdown: must be a number from"),
        (["promote"], 2, "NAME"),
        (["rollback", "x", "y"], 2, "y is one word too many"),
    ],
)
def test_an_error_is_one_line(dllab: _Dllab, words: list[str], code: int, message: str) -> None:
    """What goes wrong is one line on stderr: 2 for the command line itself, else 1."""
    said = dllab(*words)

    assert (said.returncode, said.stdout) == (code, "")
    assert len(said.stderr.splitlines()) == 1
    assert said.stderr.startswith("dllab: ")
    assert message in said.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"x = (\n", "line 1: '(' was never closed. Nothing was started."),
        (b"", "there is no code"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_broken_script(in_lab: _Dllab, tmp_path: Path, source: bytes, message: str) -> None:
    """A script that cannot run is refused before anything starts."""
    (tmp_path / "train.py").write_bytes(source)
    said = in_lab("submit", "train.py")

    assert said.returncode == 2
    assert message in said.stderr


def test_a_job_from_a_terminal(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """Submit, list, read the log, cancel; ids may be abbreviated."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/My_Train.py").write_text("import helpers\n")
    (tmp_path / "code/helpers.py").write_text("")
    said = in_lab("submit", "code/My_Train.py", "--workers", "2", "--json", "--", "--lr", "0.1")
    job = json.loads(said.stdout)
    assert said.returncode == 0
    assert job["spec"]["name"] == "my-train"
    assert job["spec"]["code"]["filename"] == "My_Train.py"
    assert job["spec"]["code"]["args"] == ["--lr", "0.1"]
    assert list(job["spec"]["code"]["files"]) == ["helpers.py"]

    lab.backend.write_log(job["id"], "worker-0", "one\ntwo\n")
    assert in_lab("logs", "my-train").stdout == "[worker-0] one\n[worker-0] two\n"
    assert in_lab("logs", "-n", "1", "--replica", "worker-0").stdout == "two\n"
    assert job["id"] in in_lab("jobs").stdout
    assert [j["id"] for j in json.loads(in_lab("jobs", "--json").stdout)] == [job["id"]]
    assert in_lab("cancel", "my-t").stdout == f"{job['id']} is being cancelled\n"
    assert "had ended already: CANCELLED" in in_lab("cancel", job["id"]).stdout
    assert "you have no job other" in in_lab("cancel", "other").stderr


def test_pause_resume_rerun(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """A pause says what it loses; where nobody can be asked it wants --yes. A rerun changes what
    is typed.
    """
    (tmp_path / "run.sh").write_text("echo $1\n")
    job = json.loads(in_lab("submit", "run.sh", "--json", "--", "a").stdout)
    assert ("shell", "run") == (job["spec"]["code"]["kind"], job["spec"]["name"])
    said = in_lab("pause", "run")
    assert (2, "RUNNING") == (said.returncode, lab.backend._records[job["id"]].job.state)
    assert "goes on; nothing was saved yet: after a pause it starts over" in said.stderr
    assert "add --yes" in said.stderr

    lab.backend.save_checkpoint(job["id"], 20)
    said = in_lab("pause", "run", "-y")
    assert said.stdout.startswith(f"{job['id']} is being paused; last checkpoint: step 20, ")
    assert f"Go on with it: dllab resume {job['id']}" in said.stdout
    assert f"{job['id']} had been paused already\n" == in_lab("pause", "run").stdout
    said = in_lab("resume", "run")
    assert f"{job['id']} is queued again; its last checkpoint: step 20\n" == said.stdout
    said = in_lab("resume", "run")
    assert said.stdout.startswith(f"{job['id']} was not resumed; it is RUNNING")
    silent = in_lab("logs", "run")
    assert ("", True) == (silent.stdout, silent.stderr.startswith("no output yet; run-"))

    new = json.loads(in_lab("rerun", "run", "--workers", "3", "--json", "--", "b").stdout)
    assert ("run", 3, ["b"], "echo $1\n") == (
        new["spec"]["name"],
        new["spec"]["roles"][0]["replicas"],
        new["spec"]["code"]["args"],
        new["spec"]["code"]["source"],
    )


def test_a_pause_asks_who_sits_there(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """At a terminal it asks; anything but yes leaves the job alone."""
    (tmp_path / "train.py").write_text("pass")
    id = json.loads(in_lab("submit", "train.py", "--json").stdout)["id"]
    for typed, code, state in ((b"\n", 1, "RUNNING"), (b"y\n", 0, "PAUSED")):
        keyboard, terminal = os.openpty()
        os.write(keyboard, typed)
        said = in_lab("pause", id, stdin=terminal)
        os.close(keyboard)
        os.close(terminal)
        assert (code, state) == (said.returncode, lab.backend._records[id].job.state)
        assert "Pause it? [y/N] " in said.stderr


def test_only_a_check(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """``--check`` prints what was found and fails on an error; nothing is submitted."""
    (tmp_path / "train.py").write_text("pass")
    said = in_lab("submit", "train.py", "--check")
    assert (0, "nothing was found that would make it fail (0.0 s).\n") == (
        said.returncode,
        said.stdout,
    )
    lab.backend.findings = (Finding(check="imports", severity="error", message="no module x."),)
    said = in_lab("submit", "train.py", "--check")
    assert (1, "error: no module x.\n") == (said.returncode, said.stdout)
    assert {} == lab.backend._records


def test_a_project_travels(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """What travels is said on stderr, so that what is on stdout stays JSON."""
    (tmp_path / ".dllabignore").write_text("*.csv\n")
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / "train.py").write_text("pass")
    said = in_lab("submit", "train.py", "--json", HOME="/nowhere")

    assert json.loads(said.stdout)["spec"]["workspace"]
    assert f"{tmp_path.name}: 2 files, 0.0 MB travel with the job" in said.stderr


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_follow_ends_as_the_job_ends(
    in_lab: _Dllab, lab: Host, tmp_path: Path, state: str, code: int
) -> None:
    """``submit --wait`` prints the output; its exit code tells scripts how the job ended."""
    (tmp_path / "train.py").write_text("pass")
    lab.end_new_jobs_after(0.3, state, "hello\n")
    said = in_lab("submit", "train.py", "--wait")

    assert said.returncode == code
    assert said.stdout == "[worker-0] hello\n"
    assert state in said.stderr


def test_gpus(in_lab: _Dllab) -> None:
    """A machine without a GPU is a sentence and success."""
    said = in_lab("gpus")

    assert said.returncode == 0
    assert "GPU" in said.stdout
    assert "state" in json.loads(in_lab("gpus", "--json").stdout)


def test_a_models_life(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """Deploy a file, see it, ask it, scale it, deploy it again, delete it."""
    (tmp_path / "My_Net.onnx").write_bytes(ONNX)
    (tmp_path / "rows.json").write_text("[[1, 2], [3, 4.5]]")
    deployed = in_lab("deploy", "My_Net.onnx", "--replicas", "2", "--wait")

    assert (0, "") == (deployed.returncode, deployed.stderr)
    lines = deployed.stdout.splitlines()
    assert ["my-net  READY", "  version 1 of my-net, 2 of 2 ready, 0 s"] == lines[:2]
    assert "  at /services/dllab/serve/ada/my-net/" in lines
    assert "  replica-2  READY  version 1" in lines
    listed = in_lab("deployments").stdout.splitlines()
    assert ["NAME", "STATE", "MODEL", "READY", "REQUESTS", "RATE", "AGE"] == listed[0].split()
    assert ["my-net", "READY", "my-net:1", "2/2"] == listed[1].split()[:4]

    assert [[1, 2], [3, 4.5]] == json.loads(in_lab("predict", "my-net", "rows.json").stdout)
    piped = in_lab("predict", "my-net", "-", said='{"instances": [[7]]}')
    assert "[[7]]\n" == piped.stdout
    scaled = json.loads(in_lab("scale", "my-net", "1", "--json").stdout)
    assert (1, 2) == (scaled["spec"]["replicas"], scaled["traffic"]["requests"])

    in_lab("deploy", "My_Net.onnx")
    assert 2 == lab.ask("GET", "deployments/my-net").json()["version"]
    again = in_lab("deploy", "my-net:1", "--name", "old", "--json")
    assert ("old", 1) == (json.loads(again.stdout)["name"], json.loads(again.stdout)["version"])

    assert 1 == in_lab("undeploy", "old", said="n\n").returncode
    assert "Add --yes." in in_lab("undeploy", "old").stderr
    assert 0 == in_lab("undeploy", "old", said="y\n").returncode
    said = in_lab("undeploy", "my-net", "--yes").stdout
    assert "my-net is being deleted; the model my-net stays\n" == said
    assert "no deployments yet\n" == in_lab("deployments").stdout


def test_versions_side_by_side(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """A canary shows in the list with its part and errors, answers, and is promoted; and back."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    (tmp_path / "rows.json").write_text("[[1]]")
    for _ in range(2):
        in_lab("deploy", "net.onnx", "--max", "3", "--min", "0", "--idle", "2m", "--target", "8")
    in_lab("deploy", "net:1", "--max", "3")
    made = json.loads(in_lab("canary", "net", "2", "--percent", "0", "--json").stdout)
    assert (2, 0, 0.05) == tuple(made["canary"][k] for k in ("version", "percent", "max_errors"))
    assert "[[1]]\n" == in_lab("predict", "net", "rows.json", "--version", "2").stdout
    words = ("--percent", "25", "--max-errors", "none", "--max-slowdown", "2.5")
    said = in_lab("canary", "net", "2", *words).stdout
    assert "  version 1           75%  1 ready, 0 requests, 0 failed\n" in said
    assert "  version 2 (canary)  25%  1 ready, 1 request, 0 failed, p50 " in said
    listed = in_lab("deployments").stdout.splitlines()
    assert ["net", "READY", "net:1", "2/2"] == listed[1].split()[:4]
    assert listed[3].startswith("  version 2 (canary)  25%  1 ready, 1 request, 0 failed, p50 ")
    assert ", p95 " in listed[3]

    assert "net  READY\n  version 2 of net, 1 of 1 ready, scales from 1 to 3, " in (
        promoted := in_lab("promote", "net").stdout
    )
    assert "version 1 was before; a rollback brings it back" in promoted
    assert 1 == json.loads(in_lab("rollback", "net", "--json").stdout)["version"]
    assert 1 == (wrong := in_lab("promote", "net")).returncode
    assert "there is no canary." in wrong.stderr
    assert "from 1 to 3" in in_lab("scale", "net", "4").stderr


def test_bounds(in_lab: _Dllab, lab: Host, tmp_path: Path) -> None:
    """Options become the bounds; a deployment that sleeps says so in words."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    words = ("--max", "3", "--min", "0", "--idle", "2m", "--target", "0.5", "--signal", "gpu")
    refused = in_lab("deploy", "net.onnx", *words)
    assert (2, 404) == (refused.returncode, lab.ask("GET", "models/net/versions").status_code)
    assert "the replicas have no GPUs" in refused.stderr
    made = json.loads(in_lab("deploy", "net.onnx", *words, "--gpus", "1", "--json").stdout)
    assert {"min": 0, "max": 3, "signal": "gpu", "target": 0.5, "idle": 120.0} == (
        made["spec"]["autoscale"]
    )
    assert (1, 1) == (made["spec"]["replicas"], made["wished"])
    lab.backend.serving.idle("ada", "net")
    assert ["net", "IDLE", "net:1", "0/0"] == in_lab("deployments").stdout.splitlines()[1].split()[
        :4
    ]
    shown = in_lab("deploy", "net", "--max", "4", "--min", "2").stdout
    assert "2 of 2 ready, scales from 2 to 4" in shown


def test_what_each_gets(in_lab: _Dllab, tmp_path: Path) -> None:
    """Options become what each replica gets, and are shown; without them it has nothing of it."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    words = ("--gpus", "2", "--cpus", "4", "--batch", "32", "--batch-wait", "5ms")
    made = json.loads(in_lab("deploy", "net.onnx", *words, "--json").stdout)["spec"]
    assert (2, 4, {"size": 32, "wait": 0.005}) == (made["gpus"], made["cpus"], made["batch"])
    shown = in_lab("deploy", "net", "--gpus", "1", "--batch", "8").stdout
    assert "each with 1 GPU, batches of 8" in shown
    assert "each with" not in in_lab("deploy", "net").stdout


@pytest.mark.parametrize(
    ("words", "typed", "code", "message"),
    [
        (["canary", "nothing", "1"], "", 1, "there is no such deployment"),
        (["canary", "net", "1"], "", 1, "version 1 serves already"),
        (["canary", "net", "7"], "", 2, "there are 1 versions"),
        (["promote", "net"], "", 1, "there is no canary"),
        (["rollback", "net"], "", 1, "no other version was served before"),
        (["predict", "net", "-", "--version", "2"], "[[1]]", 2, "version 2 does not serve here"),
        (["deploy", "missing.onnx"], "", 2, "missing.onnx cannot be read: no such file"),
        (["deploy", "text.onnx"], "", 2, "the file is not an ONNX model"),
        (["deploy", "nothing"], "", 2, "you have no model nothing."),
        (["deploy", "net:x"], "", 2, "'x' is no version"),
        (["deploy", "net:7"], "", 2, "there are 1 versions"),
        (["deploy", "../x"], "", 2, "a name has"),
        (["predict", "nothing", "-"], "[[1]]", 1, "there is no such deployment"),
        (["predict", "net", "-"], "[[1]", 2, "what came from stdin is not JSON: line 1"),
        (["predict", "net", "-"], "[[NaN]]", 2, "row 0 holds nan"),
        (["predict", "net", "-"], "7", 2, "must be rows"),
        (["predict", "net", "-"], "[]", 2, "no row"),
        (["predict", "net", "-"], "[" + "1" * 5000 + "]", 2, "a number of thousands of digits"),
        (["predict", "net", "-"], "[" * 100_000, 2, "nested too deeply"),
        (["scale", "nothing", "1"], "", 1, "there is no such deployment"),
        (["undeploy", "nothing", "--yes"], "", 1, "there is no such deployment"),
    ],
)
def test_a_model_that_is_wrong(
    in_lab: _Dllab, tmp_path: Path, words: list[str], typed: str, code: int, message: str
) -> None:
    """What is wrong with a model, a name or rows is one line."""
    (tmp_path / "text.onnx").write_text("print('hello')")
    (tmp_path / "net.onnx").write_bytes(ONNX)
    assert 0 == in_lab("deploy", "net.onnx").returncode
    said = in_lab(*words, said=typed)

    assert (code, "") == (said.returncode, said.stdout)
    assert 1 == len(said.stderr.splitlines())
    assert message in said.stderr


def test_env_list(dllab: _Dllab, tmp_path: Path) -> None:
    """Images that are not built say how to build them."""
    said = dllab("env", "list", DLLAB_ENVS=str(tmp_path / "envs"))

    assert said.returncode == 0
    assert "not built: dllab env build pytorch" in said.stdout
    listed = json.loads(dllab("env", "list", "--json", DLLAB_ENVS=str(tmp_path / "e")).stdout)
    assert {"pytorch", "serving"} <= {image["name"] for image in listed}
    assert not any(image["ready"] for image in listed)


def test_doctor_outside_of_a_lab(dllab: _Dllab, tmp_path: Path) -> None:
    """Every line is ok or says what to do; what is missing makes the exit code 1."""
    said = dllab("doctor", DLLAB_ENVS=str(tmp_path / "envs"))
    lines = said.stdout.splitlines()

    assert said.returncode == 1
    assert any(line.startswith("ok      Python: 3.") for line in lines)
    assert "missing image pytorch: not built" in lines
    assert "        -> dllab env build pytorch" in lines
    assert any(line.startswith("note    service: DLLAB_API_URL is not set") for line in lines)
    assert any("free in" in line for line in lines)
    assert not (tmp_path / "state").exists()


def test_doctor_in_a_lab(in_lab: _Dllab) -> None:
    """The service is asked who one is and what it offers; what only a hub needs is left out."""
    said = in_lab("doctor", "--json")
    seen = {f["what"]: (f["verdict"], f["seen"]) for f in json.loads(said.stdout)}

    assert said.returncode == 0
    assert seen["service"] == ("ok", f"you are ada; dllab-hub {__version__}")
    assert seen["images"] == ("ok", "here")
    assert "npm" not in seen


def test_doctor_in_a_lab_whose_service_is_away(dllab: _Dllab) -> None:
    """A service that does not answer is missing, with what to do."""
    said = dllab("doctor", DLLAB_API_URL="http://127.0.0.1:9/dllab/api/")

    assert said.returncode == 1
    assert "missing service: " in said.stdout
