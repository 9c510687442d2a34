"""Labs on one machine, through a real hub and proxy: asking, starting, holding GPUs, ending."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_hub import GPUS, RunningHub, until

from dllab_hub.hub.lab import Lab as LabPlace
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import LabSpec
from dllab_hub.state import StateDir

UUIDS = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in range(GPUS)]

BAD: list[tuple[Any, str]] = [
    ({"gpus": "-1"}, "gpus: must be 0 or more."),
    ({"gpus": "1.5"}, "gpus: must be a whole number, such as 1."),
    ({"gpus": GPUS + 1}, f"gpus: this machine has {GPUS} GPUs. Choose from 0 to {GPUS}."),
    ({"image": "tensorflow"}, "image: there is no such image. Choose one of: pytorch."),
    ({"volumes": ["imagenet"]}, "volumes: there is no such volume. Choose from: digits."),
    ({"volumes": "digits"}, "volumes: should be a valid array."),
    ({"image": ["pytorch"]}, "image: takes one value, not several."),
    ({"shell": "/bin/sh"}, "shell: there is no such key. Known keys:"),
    ({"gpu": 1}, "gpu: there is no such key. Did you mean gpus?"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[json.dumps(b[0]) for b in BAD])
def test_a_bad_wish_is_answered_at_once(hub: RunningHub, options: Any, said: str) -> None:
    """REST gets 400 with field and fix in less than a second, and nothing was made."""
    hub.add("bad")
    began = time.monotonic()

    answer = hub.spawn("bad", options)

    assert 1 > time.monotonic() - began
    assert (400, True) == (answer.status_code, said in answer.json()["message"]), answer.text
    assert hub.server("bad") is None
    assert not (hub.state.labs / "bad").exists()
    assert not (hub.state.homes / "bad").exists()


def test_the_page_says_the_same_and_forgets_it(hub: RunningHub) -> None:
    """A rejected form comes back with one sentence, and is neither preselected nor saved."""
    session = hub.session("picky")
    answer = session.http.post(
        "/hub/spawn/picky",
        data={"form": "1", "image": "pytorch", "gpus": "77", "_xsrf": session.xsrf("/hub/spawn")},
    )
    page = session.form()
    link = session.http.get("/hub/spawn?opt-gpus=-3")

    alert = re.search(r"spawn-error-msg[^>]*>([^<]*)<", answer.text)
    assert alert
    assert f"Error: gpus: this machine has {GPUS} GPUs. Choose from 0 to {GPUS}." == (
        html.unescape(alert[1]).strip()
    )
    assert (400, 400) == (answer.status_code, link.status_code)
    assert "gpus: must be 0 or more." in link.text
    assert 'value="77"' not in page
    assert "Refused" not in answer.text
    assert {} == hub.server("picky") or hub.server("picky") is None


def test_an_unknown_key_in_a_link_is_refused(hub: RunningHub) -> None:
    """A ``?opt-`` link goes through the same reading."""
    page = hub.session("picky").http.get("/hub/spawn?opt-immage=pytorch")

    assert 400 == page.status_code
    assert "immage: there is no such key. Did you mean image?" in html.unescape(page.text)


def test_a_server_that_cannot_start_says_why(hub: RunningHub) -> None:
    """A lab whose server ends at once is given up at once, with the last thing that it said."""
    config = hub.state.homes / "doomed" / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir(parents=True)
    config.write_text("raise SystemExit('broken by its owner')\n")
    began = time.monotonic()
    hub.spawn("doomed", {"image": "pytorch", "gpus": 1})
    until(lambda: hub.server("doomed") is None, 60)

    assert hub.server("doomed") is None
    assert 60 > time.monotonic() - began
    # All of the log: on a busy machine its end is full of our own questions.
    said = (hub.home / "hub" / "hub.log").read_text()
    assert "ended while it started: broken by its owner" in said
    assert {None} == set(LeaseDir(hub.state.leases).held(UUIDS).values())


class Lab:
    """A lab with one GPU and a volume, started through the form."""

    def __init__(self, hub: RunningHub, user: str) -> None:
        self.hub = hub
        self.user = user
        self.session = hub.session(user)
        self.session.start(
            {"form": "1", "image": "pytorch", "gpus": "1", "volumes": "digits", "tensorboard": "on"}
        )
        self.session.wait_for_lab(90)

    @property
    def shim(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.hub.state.labs / self.user / "lab.json").read_text()
        )["shim"]
        return found


@pytest.fixture(scope="module")
def lab(hub: RunningHub) -> Iterator[Lab]:
    yield Lab(hub, "ada")
    hub.end("ada")


async def test_the_kernel_is_the_images(lab: Lab) -> None:
    """The one kernel has the image's packages, an overlay of its own, and sees only its GPU."""
    specs = lab.session.get("api/kernelspecs")["kernelspecs"]
    kernel = await lab.session.kernel()
    said = await kernel.run(
        "import os, sys, torch\n"
        "print(sys.prefix, torch.__file__, os.environ['CUDA_VISIBLE_DEVICES'], "
        "os.environ['DLLAB_IMAGE'], os.getcwd() == os.environ['HOME'])\n",
        60,
    )
    await kernel.close()

    prefix, torch, *others = said.split()
    assert ["python3"] == list(specs)
    assert "PyTorch 2.13" == specs["python3"]["spec"]["display_name"]
    assert str(lab.hub.state.labs / "ada" / "overlay" / "pytorch") == prefix
    assert torch.startswith(f"{lab.hub.environ['DLLAB_ENVS']}/pytorch-")
    assert [UUIDS[0], "pytorch", "True"] == others


async def test_the_lab_knows_what_was_picked(lab: Lab) -> None:
    """Everything that was picked is in its environment, for whoever runs in it."""
    kernel = await lab.session.kernel()
    said = await kernel.run(
        "import json, os\n"
        "e = os.environ\n"
        "print(json.dumps([json.loads(e['DLLAB_LAB']), json.loads(e['DLLAB_VOLUMES']), "
        "e['DLLAB_IDLE'], e['DLLAB_SSH'], e['DLLAB_PYTHON'], e['DLLAB_IMAGE_TITLE']]))\n",
        60,
    )
    await kernel.close()

    spec, volumes, *others = json.loads(said)
    assert ("pytorch", 1, ["digits"]) == (spec["image"], spec["gpus"], spec["volumes"])
    assert "ssh_key" not in spec
    assert {
        "digits": {
            "title": "Digits",
            "read_only": True,
            "place": "data/digits",
            "path": str(lab.hub.home.parent / "volume"),
        }
    } == volumes
    python = lab.hub.state.labs / "ada" / "overlay" / "pytorch" / "bin" / "python"
    assert ["0", "0", str(python), "PyTorch 2.13"] == others


def test_the_first_page_is_the_welcome_notebook(lab: Lab) -> None:
    """The first start leads into the notebook, which lies in the person's home."""
    page = lab.session.http.get(lab.session.lab)

    assert str(page.url).endswith("/lab/tree/welcome.ipynb")
    assert (lab.hub.state.homes / "ada" / "welcome.ipynb").is_file()


def test_the_volume_is_linked(lab: Lab) -> None:
    """What was picked appears as data/<name>."""
    link = lab.hub.state.homes / "ada" / "data" / "digits"

    assert link.is_symlink()
    assert link.resolve() == (lab.hub.home.parent / "volume").resolve()


def test_the_choice_is_remembered_as_numbers(lab: Lab) -> None:
    """The hub keeps the accepted choice in one form, whichever way it came in."""
    model = lab.hub.server("ada")

    assert model
    assert LabSpec(image="pytorch", gpus=1, volumes=("digits",)).to_wire() == model["user_options"]


def test_taken_gpus_are_refused_with_their_holders(lab: Lab) -> None:
    """Too few free GPUs is 409, names how many are free and the asker's own labs, not others'."""
    others = lab.hub.spawn("grace", {"gpus": GPUS})
    own = lab.hub.spawn("ada", {"gpus": GPUS}, server="second")

    assert (409, 409) == (others.status_code, own.status_code)
    assert f"1 of {GPUS} is free; held by 1 other person" in others.json()["message"]
    assert "held by your lab 'default'" in own.json()["message"]
    assert "ada" not in others.json()["message"]
    assert lab.hub.server("grace") is None
    assert f'value="{GPUS}"' not in lab.hub.session("grace").form()


def test_the_form_predicts_it(lab: Lab) -> None:
    """Before anybody presses Start the page says how many are free and what a wish would meet."""
    page = html.unescape(lab.hub.session("grace").form())

    assert f"1 of {GPUS} is free; held by 1 other person." in page
    assert "Has to wait: 1 of 2 is free; held by 1 other person." in page
    assert "Starts now: 1 of 2 free." in page


def test_a_second_lab_by_name(lab: Lab) -> None:
    """One person may have several labs, each with its own shim and the same home."""
    assert lab.hub.spawn("ada", {}, server="second").status_code in (201, 202)
    lab.hub.wait_ready("ada", "second")
    marks = [path.name for path in lab.hub.state.labs.iterdir() if path.name.startswith("ada")]
    [second] = [mark for mark in marks if mark != "ada"]
    running = bool(lab.hub.of_lab(second))
    lab.hub.end("ada", "second")

    assert running
    assert [] == lab.hub.of_lab(second)
    assert (lab.hub.state.homes / "ada" / "data" / "digits").is_symlink()


def test_a_killed_hub_finds_its_labs_again(lab: Lab) -> None:
    """`dllab up` starts the hub anew; the lab has not noticed, its GPU is still taken."""
    before = lab.shim
    hub_pid = json.loads((lab.hub.home / "hub" / "hub.json").read_text())["pid"]

    os.kill(hub_pid, signal.SIGKILL)
    assert until(lambda: "the hub is back at" in lab.hub.log.read_text(), 60)

    model = lab.hub.server("ada")
    assert model
    assert model["ready"]
    assert before == lab.shim
    assert {"shim": before, "pid": before["pid"], "idle": 0} == model["state"]
    assert 200 == lab.session.http.get(f"{lab.session.lab}api/status").status_code
    assert 409 == lab.hub.spawn("grace", {"gpus": GPUS}).status_code


def test_the_end_leaves_nothing_and_gives_the_gpus_back(lab: Lab) -> None:
    """When the hub says stopped, no process of the lab runs and its GPUs are free at once."""
    # Another hub of the same account may have a lab of the same name.
    mark = LabPlace(StateDir.at(Path("/elsewhere")), "ada", "ada", "", False).mark
    stranger = subprocess.Popen(["sleep", "600"], env={**os.environ, "DLLAB_LEASE": mark})
    was = lab.hub.of_lab("ada")
    lab.hub.end("ada")
    left = lab.hub.of_lab("ada")
    spared = stranger.poll() is None
    stranger.kill()
    stranger.wait()
    held = LeaseDir(lab.hub.state.leases).held(UUIDS)

    assert was
    assert spared
    assert [] == left
    assert dict.fromkeys(UUIDS) == held


def test_a_second_up_says_where_the_hub_is(hub: RunningHub) -> None:
    """Nothing is started twice on one state directory."""
    done = subprocess.run(
        hub.command(), env=hub.environ, capture_output=True, text=True, timeout=30, cwd="/"
    )

    assert 0 == done.returncode
    assert f"already running at {hub.facts['address']}" in done.stdout


def test_a_taken_port_is_one_line_with_the_fix(hub: RunningHub, tmp_path: Path) -> None:
    """Another hub on the same port says which option helps."""
    port = int(hub.facts["address"].rsplit(":", 1)[1])
    other = RunningHub(tmp_path / "state", hub.environ)
    done = subprocess.run(
        other.command(port), env=hub.environ, capture_output=True, text=True, timeout=30, cwd="/"
    )

    assert 0 != done.returncode
    assert f"port {port} is taken by another program. Choose another one: dllab up --port" in (
        done.stdout + done.stderr
    )
    assert "Traceback" not in done.stderr


def test_secrets_are_private(hub: RunningHub) -> None:
    """Only the account that runs the hub can read passwords and the database."""
    directory = hub.home / "hub"

    assert 0 == directory.stat().st_mode & 0o077
    for name in ("password", "admin-password", "cookie_secret"):
        assert 0 == (directory / name).stat().st_mode & 0o077
    assert 12 == len(hub.facts["password"])


def test_everything_listens_on_the_loopback_only(hub: RunningHub) -> None:
    """No port of the hub, proxy, service or labs can be reached from another machine."""
    settings = json.loads((hub.home / "hub" / "settings.json").read_text())
    ports = {value for key, value in settings.items() if key.endswith("port")}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            host, port = address.rsplit(":", 1)
            if state == "0A" and int(port, 16) in ports:
                listening.add((host, int(port, 16)))

    assert ports == {port for _, port in listening}
    assert {"0100007F"} == {host for host, _ in listening}
