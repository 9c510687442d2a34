"""Models in a real JupyterLab: from a file by the form to a prediction by a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onnx_files import write_models
from playwright.sync_api import Page, Route, expect
from running_hub import environment_with_images
from running_lab import RunningLab, running_lab

pytestmark = pytest.mark.browser

#: Milliseconds for a model server to start on a busy machine.
START = 60_000
PLANTED = "<img id=planted src=x>"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A plain `jupyter lab` that can serve, with models among its files."""
    tmp = tmp_path_factory.mktemp("serving")
    envs = Path(environment_with_images(tmp)["DLLAB_ENVS"])
    with running_lab(tmp, envs) as running:
        write_models(running.work)
        yield running
        running.undeploy()


def _row(page: Page, name: str) -> Any:
    return page.locator(f'[data-deployment="{name}"]')


def _tab(page: Page, name: str) -> Any:
    return page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=name)


def test_mistakes_stand_at_their_fields(page: Page, lab: RunningLab) -> None:
    """A file that is no model, a bad name, a bad number: said at the field, which has the focus."""
    (lab.work / f"{PLANTED}.onnx").write_text("no model\n")
    page.get_by_role("button", name="New deployment", exact=True).click()
    form = page.get_by_role("form", name="New deployment")
    file, replicas = form.get_by_label("Model file", exact=True), form.get_by_label("Replicas")
    deploy = form.get_by_role("button", name="Deploy")

    for path, said in (
        ("", "Name a model file of your lab"),
        ("../net.onnx", "There is no file here"),
        ("text.onnx", "The file is not an ONNX model"),
        (f"{PLANTED}.onnx", "The file is not an ONNX model"),
    ):
        file.fill(path)
        form.get_by_label("Publish as").fill("mistake")
        deploy.click()
        expect(form.get_by_text(said)).to_be_visible()
        expect(file).to_be_focused()
        expect(file).to_have_attribute("aria-invalid", "true")

    file.fill("net.onnx")
    form.get_by_label("Publish as").fill("Not a name")
    deploy.click()
    expect(form.get_by_label("Publish as")).to_be_focused()
    form.get_by_label("Publish as").fill("net")
    for number in ("0", "1.5", "33", ""):
        replicas.fill(number)
        deploy.click()
        expect(form.get_by_text("Give a whole number from 1 to 32.")).to_be_visible()
        expect(replicas).to_be_focused()
    assert lab.http.get("dllab/api/models").raise_for_status().json()["models"] == []
    expect(page.locator("#planted")).to_have_count(0)


def test_form_deploys_a_file(page: Page, lab: RunningLab) -> None:
    """With the keyboard alone a file becomes a served model, whose tab comes to the front."""
    form = page.get_by_role("form", name="New deployment")
    form.get_by_label("Name of the deployment").fill("adder")
    form.get_by_label("Replicas").fill("1")

    page.keyboard.press("Enter")

    expect(_tab(page, "adder")).to_have_attribute("aria-selected", "true", timeout=START)
    expect(form).to_have_count(0)
    expect(_row(page, "adder")).to_contain_text("Ready", timeout=START)
    expect(_row(page, "adder")).to_contain_text("net, version 1")
    expect(page.get_by_text("adder is ready with 1 replica.")).to_be_visible()
    expect(page.locator(".jp-dllab-Status")).to_contain_text("1 model")
    (deployment,) = lab.http.get("dllab/api/deployments").json()["deployments"]
    assert ("net", 1) == (deployment["spec"]["model"], deployment["spec"]["replicas"])


def test_predict(page: Page) -> None:
    """The example that came with the file is offered, and one key sends it to the model."""
    request = page.get_by_label("Request, as JSON")
    expect(request).to_have_value(re.compile(r"\[1, 2, 3, 4\]"))

    request.press("Shift+Enter")

    expect(page.get_by_text(re.compile("Status 200, "))).to_be_visible()
    expect(page.locator(".jp-dllab-Predict-answer")).to_contain_text("[10.0, -2.0]")


def test_bad_requests_are_said_at_the_request(page: Page) -> None:
    """What is no JSON is not sent, and what the model refuses is said in its own words, as text."""
    request = page.get_by_label("Request, as JSON")
    alert = page.locator(".jp-dllab-Predict").get_by_role("alert")

    for text, said in (
        ('{"instances": [', "This is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"instances": [[1, 2]]}', "takes the shape [?, 4], not [1, 2]"),
        (json.dumps({"inputs": [{"name": PLANTED}]}), PLANTED),
    ):
        request.fill(text)
        request.press("Control+Enter")
        expect(alert).to_contain_text(said)
        expect(request).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#planted")).to_have_count(0)

    page.get_by_role("button", name="Example", exact=True).click()
    request.press("Shift+Enter")
    expect(alert).to_be_empty()
    expect(page.locator(".jp-dllab-Predict-answer")).to_contain_text("[10.0, -2.0]")


def test_log_and_events(page: Page) -> None:
    """The other views show what the model server wrote and what happened."""
    page.get_by_role("tab", name="Try a prediction").press("ArrowRight")
    log = page.get_by_role("log", name="Log of adder")
    expect(log).to_contain_text("adder, version 1: x FP32 [?, 4]")

    page.keyboard.press("ArrowRight")

    events = page.get_by_role("tabpanel", name="Events")
    expect(events).to_contain_text("replica-1 answers.")
    expect(log).to_be_hidden()


def test_scale_while_watched(page: Page) -> None:
    """One press more is one replica more, and the row and the tab follow until it answers."""
    replicas = page.locator(".jp-dllab-Replicas", has_text="Up for").get_by_role("row")
    expect(replicas).to_have_count(2)  # The heads of the columns and one replica.

    page.get_by_role("button", name="One replica more").click()

    expect(page.locator(".jp-dllab-Stepper")).to_contain_text("2 replicas")
    expect(_row(page, "adder")).to_contain_text("2 of 2 replicas ready", timeout=START)
    expect(replicas).to_have_count(3)


def test_delete_asks_and_the_tab_of_a_name_comes_back(page: Page, lab: RunningLab) -> None:
    """Delete says what is lost; a tab that outlives its deployment goes on with the next one."""
    _row(page, "adder").get_by_role("button", name="Delete adder").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The model net stays with all its versions")
    dialog.get_by_role("button", name="Keep it").click()
    expect(_row(page, "adder")).to_contain_text("Ready")

    lab.http.delete("dllab/api/deployments/adder").raise_for_status()
    expect(page.get_by_text("There is no deployment adder.")).to_be_visible(timeout=START)
    expect(_row(page, "adder")).to_have_count(0)
    spec = {"name": "adder", "model": "net", "replicas": 1}
    lab.http.post("dllab/api/deployments", json=spec).raise_for_status()
    expect(page.get_by_text("There is no deployment adder.")).to_have_count(0, timeout=START)
    expect(_row(page, "adder")).to_contain_text("Ready", timeout=START)

    _row(page, "adder").get_by_role("button", name="Delete adder").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(_tab(page, "adder")).to_have_count(0)
    expect(_row(page, "adder")).to_have_count(0, timeout=START)
    expect(page.locator('[data-model="net"]')).to_be_visible()


def test_names_and_reasons_are_text_in_a_narrow_panel(page: Page, lab: RunningLab) -> None:
    """What a failed deployment is called and says is text, fits the panel, and is told once."""
    name = "a-model-with-a-name-of-forty-characters-"
    failed = {
        "name": name,
        "owner": "ada",
        "spec": {"name": name, "model": name, "version": None, "replicas": 2},
        "version": 1,
        "state": "FAILED",
        "reason": f"{PLANTED} {'x' * 200}",
        "replicas": [],
        "ready": 0,
        "traffic": None,
        "url": "",
        "created": 1.0,
        "updated": 1.0,
    }
    shown = [failed]

    def answer(route: Route) -> None:
        route.fulfill(json={"deployments": shown, "next": None})

    page.route("**/dllab/api/deployments?*", answer)
    expect(_row(page, name)).to_contain_text(PLANTED)
    toast = page.locator(".Toastify__toast", has_text=f"{name} failed")
    expect(toast).to_be_visible()

    assert page.evaluate(
        """() => [...document.querySelectorAll('.jp-dllab-Sidebar .jp-dllab-Section')]
          .every(section => section.scrollWidth <= section.clientWidth)"""
    )
    expect(page.locator("#planted")).to_have_count(0)
    shown.clear()
    expect(toast).to_have_count(0)
    page.unroute("**/dllab/api/deployments?*", answer)
