"""Thousands of requests that schemathesis makes up from the protocols' description of a model, and
as many with tensors as bytes that lie: none is answered with 5xx, and the replica is as it was
before."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from binary_requests import TAKES, requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_service import ModelService, model_service, until
from open_inference import document
from peer_env import environment

ROW = {"instances": [[1, 2, 3, 4]]}
MEGABYTE = 1_000_000
#: Of all requests these go to the two paths that compute; each of the others gets a share of the
#: rest, though a request without a body has few forms that differ.
CASES = {"v1": 0.45, "v2": 0.45, "other": 0.1}
GOOD = {
    "net": {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]},
    "words": {"name": "x", "datatype": "BYTES", "shape": [1, 2], "data": ["a", "b"]},
}
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Iterator[ModelService]:
    """The model ``net`` with one replica, and ``words``, which takes text."""
    with model_service(tmp_path_factory.mktemp("fuzz")) as service:
        service.serve(onnx_models / "net.onnx")
        service.serve(onnx_models / "id_STRING.onnx", "words")
        yield service


def fuzz(served: ModelService, folder: Path, cases: int) -> int:
    """How many requests were made, at least as many as wished for; fails with what was found."""
    python = environment(
        "clients", "tritonclient[http]==2.*", "kserve==0.21.*", "schemathesis==4.*"
    )
    description = document("net", 4)
    description["components"]["securitySchemes"] = {
        "token": {"type": "apiKey", "in": "header", "name": "Authorization"}
    }
    description["security"] = [{"token": []}]
    made, number = 0, 0
    while (missing := cases - made) > 0:
        for part, share in CASES.items():
            number += 1
            paths = {
                path: known
                for path, known in description["paths"].items()
                if part == ("v1" if "predict" in path else "v2" if "infer" in path else "other")
            }
            file = folder / f"{part}.json"
            file.write_text(json.dumps({**description, "paths": paths}))
            report = folder / f"{number}.json"
            done = subprocess.run(
                [
                    python.with_name("schemathesis"), "run", file,
                    "--url", served.url().rstrip("/"),
                    "-H", f"Authorization: token {served.token}", "--mode", "all",
                    "--phases", "coverage,fuzzing" if number <= len(CASES) else "fuzzing",
                    "--max-examples", str(max(int(missing * share / len(paths)), 1)),
                    "--checks", ",".join(CHECKS), "--request-timeout", "20",
                    "--seed", str(number), "--suppress-health-check", "all",
                    "--warnings", "off", "--generation-database", "none",
                    "--report", "json", "--report-json-path", report,
                ],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )  # fmt: skip
            assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]
            made += json.loads(report.read_text())["test_cases"]["generated"]
    return made


def unharmed(served: ModelService, name: str, before: dict[str, int]) -> None:
    """Nothing failed, every part soon holds what it held, and no log has a traceback."""
    traffic = served.client.deployment(name).traffic
    assert traffic is not None
    assert 0 == traffic.failed

    def grown() -> dict[str, int]:
        return {part: size - before[part] for part, size in served.memory(name).items()}

    until(lambda: max(grown().values()) < 20 * MEGABYTE, f"memory back to its base: {before}", 30)
    print({part: f"{size / MEGABYTE:+.1f} MB" for part, size in grown().items()})
    for replica in ("replica-1", "balancer"):
        assert "Traceback" not in served.client.deployment_logs(name, replica=replica).text
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(300, marks=pytest.mark.timeout(900)),
        pytest.param(10_000, marks=pytest.mark.timeout(5400)),
    ],
)
def test_no_request_is_the_servers_fault(served: ModelService, tmp_path: Path, cases: int) -> None:
    """Good and bad requests are answered as the protocols say, never with 5xx; the replica is the
    same, holds what it held, and its log has no traceback."""
    for _ in range(50):
        assert 200 == served.v1(ROW).status_code
    before, replica = served.memory(), served.replica().pid
    began = time.monotonic()
    made = fuzz(served, tmp_path, cases)
    print(f"{made} requests in {time.monotonic() - began:.0f} s")

    assert made >= cases
    assert replica == served.replica().pid
    unharmed(served, "net", before)


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(300, marks=pytest.mark.timeout(900)),
        pytest.param(10_000, marks=pytest.mark.timeout(5400)),
    ],
)
@pytest.mark.parametrize(("name", "model"), [("net", "net"), ("words", "id_STRING")])
def test_bytes_that_lie(served: ModelService, name: str, model: str, cases: int) -> None:
    """Through the service and the balancer: what is right is answered, what lies gets 4xx."""
    lengths = "Inference-Header-Content-Length"
    statuses: Counter[int] = Counter()

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=HealthCheck)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        sent = data.draw(requests(TAKES[model]))
        more = {} if sent.header is None else {lengths: sent.header}
        path = f"v2/models/{name}/infer"
        if not (sent.header or "").isascii():
            return  # No program can send it.
        answer = served.ask(path, sent.body, name, **more)
        statuses[answer.status_code] += 1
        wanted = (200, *range(400, 500)) if sent.lies else (200,)
        assert answer.status_code in wanted, (sent, answer.text)

    good = json.dumps({"inputs": [GOOD[name]]}).encode()
    for _ in range(50):
        assert 200 == served.ask(f"v2/models/{name}/infer", good, name).status_code
    before, replica = served.memory(name), served.replica(name).pid
    began = time.monotonic()
    ask()
    print(f"{statuses.total()} requests in {time.monotonic() - began:.0f} s: {dict(statuses)}")

    assert {200, 400} <= statuses.keys()
    assert replica == served.replica(name).pid
    unharmed(served, name, before)
