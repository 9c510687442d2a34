"""A model at the hub's URL: real hub, proxy, lab service, HAProxy and KServe."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from running_hub import RunningHub, until

from dllab_hub import Client
from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import Deployment, DeploymentSpec, DeploymentState

ROWS = [[1, 2, 3, 4], [1, 1, 1, 1]]
FLAT = [1, 2, 3, 4, 1, 1, 1, 1]
SUMS = [[10, -2], [4, 1]]


@dataclass
class Person:
    """Somebody with a token, outside of every lab."""

    name: str
    client: Client
    http: httpx.Client

    def ask(self, owner: str, body: Any, path: str = "v1/models/sum:predict") -> httpx.Response:
        """One request to the deployment ``sum`` of somebody."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(f"/services/dllab/serve/{owner}/sum/{path}", content=content)


def person(hub: RunningHub, name: str) -> Person:
    address = hub.facts["address"]
    token = hub.session(name).token()
    headers = {"Authorization": f"token {token}"}
    return Person(
        name,
        Client(f"{address}/services/dllab/dllab/api/", token),
        httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30),
    )


@pytest.fixture(scope="module")
def people(hub: RunningHub, onnx_models: Path) -> Iterator[tuple[Person, Person]]:
    """Ada, who serves a model from two replicas, and Grace."""
    ada, grace = person(hub, "ada-s"), person(hub, "grace-s")
    ada.client.publish("sum", onnx_models / "net.onnx")
    ada.client.deploy(DeploymentSpec(name="sum", model="sum", replicas=2))
    ready(ada)
    yield ada, grace
    ada.client.delete("sum")
    for one in (ada, grace):
        one.client.close()
        one.http.close()


def ready(ada: Person) -> Deployment:
    def look() -> Deployment | None:
        now = ada.client.deployment("sum")
        return now if now.state is DeploymentState.READY else None

    found = until(look, 60)
    assert found, ada.client.deployment("sum")
    return found


def pids(ada: Person) -> set[int | None]:
    return {replica.pid for replica in ready(ada).replicas}


def test_both_protocols_answer_at_the_hubs_url(people: tuple[Person, Person]) -> None:
    """Who has a token of the hub asks with V1 or V2; the version stands in the answer."""
    ada, _ = people
    v2 = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": FLAT}

    first = ada.ask("ada-s", {"instances": ROWS})
    second = ada.ask("ada-s", {"inputs": [v2]}, "v2/models/sum/infer")

    assert (200, {"predictions": SUMS}) == (first.status_code, first.json())
    assert (200, [10, -2, 4, 1]) == (second.status_code, second.json()["outputs"][0]["data"])
    assert "1" == first.headers["x-model-version"]


def test_it_is_its_owners(hub: RunningHub, people: tuple[Person, Person]) -> None:
    """Without a token, with a wrong one and for another person nothing answers."""
    _, grace = people
    url = f"{hub.facts['address']}/services/dllab/serve/ada-s/sum/v1/models/sum:predict"
    wrong = {"Authorization": "token wrong"}
    strangers = [
        httpx.post(url, json={"instances": ROWS}, headers=headers, trust_env=False).status_code
        for headers in ({}, wrong)
    ]
    others = [grace.ask(owner, {"instances": ROWS}) for owner in ("ada-s", "grace-s")]

    assert [403, 403] == strangers
    assert [404, 404] == [answer.status_code for answer in others]
    assert others[0].json() == others[1].json()
    assert () == grace.client.deployments().deployments
    for ask in (grace.client.deployment, grace.client.delete, grace.client.versions):
        with pytest.raises(NotFound):
            ask("sum")


def tensor(**other: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": ROWS[0], **other}]
    }


BAD: list[tuple[str, Any, str, int]] = [
    ("not JSON", b'{"instances": [', "v1", 400),
    ("nothing", b"", "v1", 400),
    ("no rows", {"instances": []}, "v1", 400),
    ("wrong shape", {"instances": [[1, 2, 3]]}, "v1", 400),
    ("ragged", {"instances": [[1, 2, 3, 4], [1]]}, "v1", 400),
    ("NaN", b'{"instances": [[NaN, 1, 1, 1]]}', "v1", 400),
    ("infinite", b'{"instances": [[1e999, 1, 1, 1]]}', "v1", 400),
    ("text", {"instances": [["a", "b", "c", "d"]]}, "v1", 400),
    ("deep", b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "v1", 400),
    ("no inputs", {"inputs": []}, "v2", 400),
    ("negative shape", tensor(shape=[-1, 4]), "v2", 400),
    ("huge shape", tensor(shape=[2**40, 4]), "v2", 400),
    ("shape and data", tensor(shape=[2, 4]), "v2", 400),
    ("unknown input", tensor(name="y"), "v2", 400),
    ("unknown type", tensor(datatype="COMPLEX"), "v2", 400),
    ("40 MB", b"[" + b"0," * 20_000_000 + b"0]", "v1", 413),
    ("4 million numbers", b'{"instances": [[' + b"0," * 4_000_000 + b"0]]}", "v1", 400),
]
PATHS = {"v1": "v1/models/sum:predict", "v2": "v2/models/sum/infer"}


@pytest.mark.parametrize(("body", "protocol", "status"), [
    pytest.param(*case[1:], id=case[0]) for case in BAD
])  # fmt: skip
def test_a_bad_request_costs_a_second_and_nothing_else(
    people: tuple[Person, Person], body: Any, protocol: str, status: int
) -> None:
    """It gets 4xx and a sentence within a second, and the same replicas answer the next one."""
    ada, _ = people
    before = pids(ada)
    memory = resident(before)
    began = time.monotonic()

    answer = ada.ask("ada-s", body, PATHS[protocol])

    took = time.monotonic() - began
    assert (status, True) == (answer.status_code, bool(answer.json()["error"])), answer.text
    assert 1 > took or len(body) > 2**20, took  # Larger ones take longer on a busy machine.
    assert SUMS == ada.ask("ada-s", {"instances": ROWS}).json()["predictions"]
    assert before == pids(ada)
    assert until(lambda: resident(before) < memory + 64 * 2**20, 10), (memory, resident(before))


def resident(processes: set[int | None]) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in processes)


@pytest.mark.parametrize("path", [
    "v1/models/../../../sum/v1/models/sum:predict", "%2e%2e/sum/v1/models/sum:predict",
    "v2/repository/index", "v2/repository/models/sum/unload", "v1/models/other:predict",
])  # fmt: skip
def test_only_the_models_own_paths_are_there(people: tuple[Person, Person], path: str) -> None:
    """A path that leads elsewhere is 4xx, and the model stays loaded."""
    ada, _ = people
    url = f"/services/dllab/serve/ada-s/sum/{path}"
    # As it is: the client library would tidy the path up.
    request = ada.http.build_request("POST", "/", json={})
    request.url = request.url.copy_with(raw_path=url.encode())

    assert ada.http.send(request).status_code in {400, 404, 405}
    assert SUMS == ada.ask("ada-s", {"instances": ROWS}).json()["predictions"]


def test_what_is_no_model_is_refused(
    people: tuple[Person, Person], tmp_path: Path, onnx_models: Path
) -> None:
    """A missing model, a text file and a cut file are each one line, and nothing is kept."""
    ada, _ = people
    (tmp_path / "text.onnx").write_text("this is no model")
    (tmp_path / "cut.onnx").write_bytes((onnx_models / "net.onnx").read_bytes()[:100])
    for name in ("text", "cut"):
        with pytest.raises(InvalidRequest) as refused:
            ada.client.publish("nothing", tmp_path / f"{name}.onnx")
        assert "\n" not in str(refused.value)
    with pytest.raises(InvalidRequest, match="model"):
        ada.client.deploy(DeploymentSpec(name="other", model="nothing"))
    with pytest.raises(InvalidRequest, match="version"):
        ada.client.deploy(DeploymentSpec(name="other", model="sum", version=7))

    assert ["sum"] == [model.name for model in ada.client.models().models]
    assert ["sum"] == [one.name for one in ada.client.deployments().deployments]


def test_it_survives_hub_and_service(hub: RunningHub, people: tuple[Person, Person]) -> None:
    """The hub and the lab service are killed; the same processes answer afterwards."""
    ada, _ = people
    before = pids(ada)
    service = next(
        process.pid
        for process in psutil.process_iter(["cmdline", "environ"])
        if "dllab_hub.hub.service" in (process.info["cmdline"] or ())
        and str(hub.home) == (process.info["environ"] or {}).get("DLLAB_HOME")
    )
    os.kill(service, signal.SIGKILL)
    assert until(lambda: answers(ada), 60)  # The hub looks after its services every 30 s.
    assert before == pids(ada)

    hub.kill()
    assert until(lambda: answers(ada), 60)
    assert before == pids(ada)


def answers(ada: Person) -> bool:
    """Whether the model answers as it should; who is being started again says nothing."""
    try:
        answer = ada.ask("ada-s", {"instances": ROWS})
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json() == {"predictions": SUMS}
