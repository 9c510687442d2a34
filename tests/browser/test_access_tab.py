"""Who may ask a deployment, in a real JupyterLab: people of groups, programs with a key, others."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from running_hub import environment_with_images
from running_lab import RunningLab, running_lab

pytestmark = pytest.mark.browser

#: Milliseconds for a model server to start on a busy machine.
START = 60_000
#: Writes a model that gives its input.
MODEL = """
import sys, onnx
from onnx import TensorProto, helper
value = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("Identity", ["x"], ["y"])],
    "same",
    [value("x", TensorProto.FLOAT, ["n", 2])],
    [value("y", TensorProto.FLOAT, ["n", 2])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
onnx.save(model, sys.argv[1])
"""
ASK = {"instances": [[1.5, 2.5]]}


def _serve(lab: RunningLab, name: str) -> None:
    """Publish the model and deploy it under its name."""
    command = [os.environ["DLLAB_TEST_PYTHON"], "-c", MODEL, lab.work / "same.onnx"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": ""}, check=True)
    body = {"path": "same.onnx"}
    lab.http.post(f"dllab/api/models/{name}/versions", json=body).raise_for_status()
    spec = {"name": name, "model": name}
    lab.http.post("dllab/api/deployments", json=spec).raise_for_status()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """Ada's lab, where grace had one before: what she serves goes on, open to everyone."""
    tmp = tmp_path_factory.mktemp("access")
    envs = Path(environment_with_images(tmp)["DLLAB_ENVS"])
    state = {"DLLAB_HOME": str(tmp / "state")}
    with running_lab(tmp / "grace", envs, {**state, "LOGNAME": "grace"}) as grace:
        _serve(grace, "lent")
        wish = {"who": "everyone"}
        grace.http.put("dllab/api/deployments/lent/access", json=wish).raise_for_status()
    with running_lab(tmp / "ada", envs, {**state, "LOGNAME": "ada"}) as ada:
        _serve(ada, "own")
        yield ada
        ada.undeploy()
    with running_lab(tmp / "grace-again", envs, {**state, "LOGNAME": "grace"}) as grace:
        grace.undeploy()


@pytest.fixture
def access(page: Page) -> Locator:
    """The part about who may ask, of ada's deployment."""
    view = page.locator("#dllab-access-of-own")
    if not view.is_visible():
        row = page.locator('[data-deployment="own"]')
        expect(row).to_contain_text("Ready", timeout=START)
        row.get_by_role("button", name="own", exact=True).click()
        page.get_by_role("tab", name="Access").locator("visible=true").click()
    return view


def test_open_to_a_group(access: Locator, lab: RunningLab) -> None:
    """What is chosen holds once it is saved; a list without a name is refused at its field."""
    expect(access.get_by_label("only me")).to_be_checked()
    save = access.get_by_role("button", name="Save")
    expect(save).to_have_attribute("aria-disabled", "true")

    access.get_by_label("people of these groups").check()
    expect(access.get_by_text("Not saved yet.")).to_be_visible()
    save.click()
    groups = access.get_by_label("Groups of the hub")
    expect(groups).to_be_focused()
    expect(access.get_by_text("Name 1 to 50 groups")).to_be_visible()
    groups.fill("vision, text,")
    groups.press("Enter")
    expect(access.get_by_text("Not saved yet.")).to_have_count(0)

    there = lab.http.get("dllab/api/deployments/own/access").json()
    assert there["callers"] == {"who": "groups", "groups": ["vision", "text"]}
    access.get_by_label("only me").check()
    save.click()
    expect(save).to_have_attribute("aria-disabled", "true")


def test_key(access: Locator, page: Page, lab: RunningLab) -> None:
    """It is shown once and asks the deployment; once it is revoked it is refused."""
    url = f"{lab.url}dllab/serve/ada/own/v1/models/own:predict"
    form = access.get_by_role("form", name="New key")
    form.get_by_role("button", name="Make key").click()
    expect(form.get_by_text("Give a title of 1 to 80 characters.")).to_be_visible()
    form.get_by_label("Title").fill("shop")
    form.get_by_label("Good for").select_option("30 days")
    form.get_by_role("button", name="Make key").click()

    made = access.get_by_role("group", name="The new key “shop”")
    expect(made).to_be_focused()
    expect(made).to_contain_text("it is not shown again")
    key = made.locator("code").inner_text()
    assert re.fullmatch("dlk_[0-9a-f]{8}_.{20,}", key)
    row = access.get_by_role("row", name=re.compile("shop"))
    expect(row).to_contain_text("never")
    expect(row).to_contain_text("in 30 d")

    def ask() -> httpx.Response:
        return httpx.post(url, json=ASK, headers={"X-DLLab-Key": key}, trust_env=False, timeout=30)

    assert (ask().status_code, ask().json()) == (200, {"predictions": ASK["instances"]})
    expect(row).not_to_contain_text("never")  # It has been used.

    made.get_by_role("button", name="Done").click()
    expect(page.get_by_text(key)).to_have_count(0)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert key not in kept
    row.get_by_role("button", name="Revoke shop").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("are refused from their next request on")
    dialog.get_by_role("button", name="Keep it").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Revoke shop").click()
    dialog.get_by_role("button", name="Revoke").click()
    expect(access.get_by_text("There is no key.")).to_be_visible()
    assert ask().status_code == 403


def test_programs_with_a_key(access: Locator, page: Page) -> None:
    """The programs are shown for a key as well as for a token."""
    page.get_by_role("tab", name="Try a prediction").locator("visible=true").click()
    view = page.locator("#dllab-predict-of-own")
    view.get_by_text("Call it from a program").click()
    program = view.get_by_label("Program for curl", exact=True)
    expect(program).to_contain_text("Authorization: token YOUR_TOKEN")
    view.get_by_label("a key").check()
    expect(program).to_contain_text("X-DLLab-Key: YOUR_KEY")
    expect(program).not_to_contain_text("Authorization")


def test_what_others_have_opened(page: Page) -> None:
    """It is listed in the sidebar; its tab says what it takes and where, and asks it."""
    shared = page.get_by_role("region", name="Shared with you")
    row = shared.locator('[data-endpoint="grace/lent"]')
    expect(row).to_contain_text("Ready", timeout=START)
    expect(shared.locator("[data-endpoint]")).to_have_count(1)  # One's own are above.

    row.get_by_role("button", name="grace/lent").click()
    tab = page.locator(".jp-dllab-JobTab:visible")
    expect(tab.get_by_role("heading", name="grace/lent")).to_be_visible()
    expect(tab).to_contain_text("takes x FP32 [?, 2]")
    expect(tab).to_contain_text("dllab/serve/grace/lent/v1/models/lent:predict")
    tab.get_by_label("Request, as JSON").fill(json.dumps(ASK))
    tab.get_by_role("button", name="Send", exact=True).click()
    expect(tab.get_by_text(re.compile("Status 200, "))).to_be_visible()
    tab.get_by_text("Call it from a program").click()
    tab.get_by_label("a key").check()
    expect(tab.get_by_text("grace can make one.")).to_be_visible()
