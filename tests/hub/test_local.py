"""Labs on one machine, through a real hub and proxy: starting, holding GPUs, ending."""

from __future__ import annotations

import html
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_hub import GPUS, RunningHub

from dllab_hub.hub.lab import Lab as LabPlace
from dllab_hub.leases import LeaseDir
from dllab_hub.specs import LabSpec
from dllab_hub.state import StateDir

UUIDS = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in range(GPUS)]


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

    lab.hub.kill()

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
    try:
        lab.hub.end("ada")
        left = lab.hub.of_lab("ada")
        spared = stranger.poll() is None
    finally:
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
