"""Thousands of requests that schemathesis makes up from the protocols' description of a model: none
is answered with 5xx, and the replica is as it was before."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_service import ModelService, model_service, until
from open_inference import document
from peer_env import environment

ROW = {"instances": [[1, 2, 3, 4]]}
MEGABYTE = 1_000_000
#: Of all requests these go to the two paths that compute; each of the others gets a share of the
#: rest, though a request without a body has few forms that differ.
CASES = {"v1": 0.45, "v2": 0.45, "other": 0.1}
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Iterator[ModelService]:
    """The model ``net`` with one replica."""
    with model_service(tmp_path_factory.mktemp("fuzz")) as service:
        service.serve(onnx_models / "net.onnx")
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
    traffic = served.client.deployment("net").traffic
    assert traffic is not None
    assert 0 == traffic.failed
    until(
        lambda: all(size - before[part] < 20 * MEGABYTE for part, size in served.memory().items()),
        f"memory back to its base: {before}",
        30,
    )
    print(
        {part: f"{(size - before[part]) / 1e6:+.1f} MB" for part, size in served.memory().items()}
    )
    for name in ("replica-1", "balancer"):
        assert "Traceback" not in served.client.deployment_logs("net", replica=name).text
    assert "Traceback" not in served.log.read_text()
