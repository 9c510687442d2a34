"""Pickles and the lab service as a process: who loads one, and what is written down of that."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from format_files import SKLEARN, needs, write
from model_service import ModelService, model_service, until
from running_hub import make_image

from dllab_hub.errors import InvalidRequest

pytestmark = needs("serving-sklearn")


class Asking:
    """Writes down which process loads it, and whose child that is."""

    def __init__(self, told: Path) -> None:
        self.told = told

    def __reduce__(self) -> Any:
        code = "import os, json; open({!r}, 'w').write(json.dumps([os.getpid(), os.getppid()]))"
        return exec, (code.format(str(self.told)),)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelService]:
    """A service that has the image for estimators."""
    with model_service(tmp_path_factory.mktemp("pickles")) as made:
        make_image(made.state, "serving-sklearn", Path(SKLEARN))
        yield made


def allow(service: ModelService, *, pickles: bool) -> None:
    """As the administrator does it, while the service runs."""
    text = f"[serving]\npickles = {json.dumps(pickles)}\n"
    (service.state.root / "catalog.toml").write_text(text)


@pytest.mark.parametrize("allowed", [False, True])
def test_who_loads_it(service: ModelService, tmp_path: Path, allowed: bool) -> None:
    """Nobody where pickles are not allowed; where they are a child of the service, never itself."""
    allow(service, pickles=allowed)
    told, file = tmp_path / "told", tmp_path / "net.pkl"
    file.write_bytes(pickle.dumps(Asking(told)))
    with pytest.raises(InvalidRequest, match="no predict" if allowed else "is a pickle"):
        service.publish(file)

    assert allowed == told.exists()
    if allowed:
        pid, parent = json.loads(told.read_text())
        assert service.process.pid == parent
        assert pid not in (service.process.pid, os.getpid())
    assert () == service.client.models().models


def test_an_estimator(service: ModelService, tmp_path: Path) -> None:
    """It answers at its address; who published and deployed it is in the audit log."""
    allow(service, pickles=True)
    there = service.serve(write(SKLEARN, tmp_path / "files") / "net.pkl")
    answer = service.v1({"instances": [[1, 2, 3, 4], [1, 1, 1, 1]]})
    events = service.client.deployment_events("net")

    def noted() -> set[tuple[str, str]]:
        lines = (service.state.root / "audit.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        done = [each for each in found if each["status"] == 201]
        return {(each["person"], each["path"].rpartition("/api/")[2]) for each in done}

    wanted = {("ada", "models/net/versions"), ("ada", "deployments")}
    assert until(lambda: wanted <= noted(), "two lines")
    assert {"predictions": [[10, -2], [4, 1]]} == answer.json()
    assert there.warning
    assert there.warning in events[0].message
    assert there.warning == service.client.versions("net")[0].warning
