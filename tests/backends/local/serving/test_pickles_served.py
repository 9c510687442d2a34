"""Pickles that the administrator allows, from the file to an answer: whose process loads them, and
what everybody is told of them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from format_files import SKLEARN, TORCH, needs, write
from serving_place import ServingPlace, local_serving

from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.specs import DeploymentState
from dllab_hub.specs.model import ModelFacts
from dllab_hub.tables import deployment_text

ROWS = [[1, 2, 3, 4], [1, 1, 1, 1]]
EXAMPLE = json.dumps({"instances": [[1.0, 2, 3, 4]]})
sklearn = needs("serving-sklearn")


def interpreter(_: Any, format: str) -> Path:
    """Of the environments that there are here."""
    pythons = {"onnx": os.environ["DLLAB_TEST_SERVER"], "pickle": SKLEARN, "torch-pickle": TORCH}
    if not pythons[format]:
        raise Unavailable(f"no image that serves {format} is built.")
    return Path(pythons[format])


@pytest.fixture
def allow(a_state):
    """Allows pickles, or forbids them again."""

    def allow(*, pickles: bool) -> None:
        a_state.root.mkdir(exist_ok=True)
        text = f"[serving]\npickles = {str(pickles).lower()}\n"
        (a_state.root / "catalog.toml").write_text(text)

    return allow


@pytest.fixture
async def place(a_state, allow, onnx_models):
    """Serving on this machine, with pickles."""
    allow(pickles=True)
    async with local_serving(a_state, interpreter=interpreter) as serving:
        place = ServingPlace(serving, onnx_models)
        yield place
        await place.clear()


@pytest.fixture
def publish(place, tmp_path):
    """Publishes a copy of a file as the next version of ``digits``."""

    async def publish(file: Path, **facts: Any) -> Any:
        copy = Path(shutil.copy(file, tmp_path / "upload"))
        return await place.serving.publish("ada", "digits", copy, ModelFacts(**facts))

    return publish


@pytest.fixture
def evil(tmp_path):
    """A file that runs a statement when it is loaded."""

    def evil(code: str) -> Path:
        class Evil:
            def __reduce__(self) -> Any:
                return exec, (code,)

        file = tmp_path / "evil.pkl"
        file.write_bytes(pickle.dumps(Evil()))
        return file

    return evil


async def answers(place: ServingPlace) -> Any:
    """To `ROWS`."""
    reply = await place.ask(ROWS)
    assert 200 == reply.status, reply.body
    return json.loads(reply.body)["predictions"]


@sklearn
async def test_an_estimator(place, publish, tmp_path):
    """It answers; its record, its deployment and the deployment's events have the warning."""
    made = await publish(write(SKLEARN, tmp_path / "files") / "net.pkl")
    await place.deploy()
    there = await place.ready()
    events = await place.serving.events("ada", "digits")

    assert ("pickle", [[10, -2], [4, 1]]) == (made.format, await answers(place))
    assert "runs in each replica" in made.warning
    assert made.warning == there.warning
    assert f"warning: {made.warning}" in deployment_text(there)
    assert made.warning in next(e.message for e in events if e.reason == "Deployed")


@needs("serving-torch")
async def test_a_module(place, publish, tmp_path):
    """A whole module answers as it did, with the example that was published beside it."""
    made = await publish(write(TORCH, tmp_path / "files") / "whole.pth", example=EXAMPLE)
    await place.deploy()
    await place.ready()

    assert ("torch-pickle", [[10, -2], [4, 1]]) == (made.format, await answers(place))


@sklearn
async def test_it_is_forbidden_later(place, publish, allow, tmp_path):
    """What runs goes on and can be scaled; nothing of the kind is deployed any more."""
    await publish(write(SKLEARN, tmp_path / "files") / "net.pkl")
    await place.publish()
    await place.deploy(version=1)
    await place.ready()
    allow(pickles=False)
    await place.serving.scale("ada", "digits", 2)
    await place.ready()
    assert [[10, -2], [4, 1]] == await answers(place)
    with pytest.raises(InvalidRequest, match="is a pickle"):
        await place.deploy(version=1)
    await place.deploy(version=2)
    there = await place.only(2)
    assert "" == there.warning
    for refused in (place.canary(1), place.serving.rollback("ada", "digits")):
        with pytest.raises(InvalidRequest, match="is a pickle"):
            await refused

    assert 2 == len(await place.serving.versions("ada", "digits"))
    assert DeploymentState.READY is (await place.ready()).state


@sklearn
async def test_who_loads_it(publish, evil, place, tmp_path):
    """Another process than the service's does; nothing of what is no estimator is kept."""
    who = tmp_path / "who"
    code = f"import os; open({str(who)!r}, 'w').write(str([os.getpid(), os.getppid()]))"
    with pytest.raises(InvalidRequest, match="no predict"):
        await publish(evil(code))
    pid, parent = json.loads(who.read_text())

    assert os.getpid() == parent != pid
    assert () == (await place.serving.models("ada")).models


@sklearn
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.system('echo said; exit 3')", "no predict"),
        ("import os; os._exit(3)", "ended its process with code 3"),
        ("import sys; sys.exit('no')", "SystemExit: no"),
        ("import os; os.kill(os.getpid(), 9)", "ended its process with signal 9"),
        ("bytearray(1 << 40)", "more memory than there is"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
async def test_a_file_that_means_harm(publish, evil, code, words):
    """Whatever it does when it is loaded, whoever publishes it reads a sentence."""
    with pytest.raises(InvalidRequest) as caught:
        await publish(evil(code))

    assert words in caught.value.message
    assert "Traceback" not in caught.value.message


@sklearn
async def test_what_it_leaves_running(publish, evil, tmp_path):
    """A process that it starts, in a session of its own, does not outlive the look at it."""
    mark = tmp_path / "pid"
    code = (
        "import subprocess; none = subprocess.DEVNULL; "
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=none, "
        f"stderr=none); open({str(mark)!r}, 'w').write(str(child.pid))"
    )
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="no predict"):
        await publish(evil(code))
    pid = int(mark.read_text())

    assert time.monotonic() - began < 30
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
