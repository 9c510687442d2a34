"""A deployment's tab in a real JupyterLab: ways to ask, programs, canaries, following the load."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from running_hub import environment_with_images
from running_lab import TOKEN, RunningLab, running_lab

pytestmark = pytest.mark.browser

#: Milliseconds for a model server to start on a busy machine.
START = 60_000
#: Writes models, each the sum over its input for every output, times its number plus one.
MODELS = """
import sys, numpy, onnx
from onnx import TensorProto, helper, numpy_helper

def save(name, shape, factor, example=""):
    size = int(numpy.prod(shape))
    weights = numpy.outer(numpy.ones(size), factor * numpy.arange(1, 4)).astype("float32")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        name,
        [value("x", TensorProto.FLOAT, ["n", *shape])],
        [value("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    if example:
        model.metadata_props.add(key="dllab.example", value=example)
    onnx.save(model, f"{sys.argv[1]}/{name}.onnx")

save("rows", [2], 1, '{"instances": [[1, 2]]}')
save("rows2", [2], -1, '{"instances": [[1, 2]]}')
save("drawn", [1, 28, 28], 1)
"""
#: A picture of four pixels: red and white, and twice black.
PICTURE = """
import sys, zlib, struct
def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))
rows = b"\\0\\xff\\0\\0\\xff\\xff\\xff" + b"\\0" + bytes(6)
with open(sys.argv[1], "wb") as file:
    file.write(b"\\x89PNG\\r\\n\\x1a\\n")
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)))
    file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A plain `jupyter lab` with two models served, one of which has two versions."""
    tmp = tmp_path_factory.mktemp("serving")
    envs = Path(environment_with_images(tmp)["DLLAB_ENVS"])
    with running_lab(tmp, envs) as running:
        python, work = os.environ["DLLAB_TEST_PYTHON"], running.work
        for source, target in ((MODELS, work), (PICTURE, work / "four.png")):
            environ = {**os.environ, "PYTHONPATH": ""}
            subprocess.run([python, "-c", source, target], env=environ, check=True)
        for model, path in (("rows", "rows"), ("rows", "rows2"), ("drawn", "drawn")):
            body = {"path": f"{path}.onnx"}
            running.http.post(f"dllab/api/models/{model}/versions", json=body).raise_for_status()
        for name in ("rows", "drawn"):
            spec = {"name": name, "model": name, "version": 1}
            running.http.post("dllab/api/deployments", json=spec).raise_for_status()
        yield running
        running.undeploy()


def _row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-deployment="{name}"]')


def _open(page: Page, name: str) -> Locator:
    """The view for a prediction of a deployment that is ready."""
    expect(_row(page, name)).to_contain_text("Ready", timeout=START)
    _row(page, name).get_by_role("button", name="Try a prediction").click()
    return page.locator(f"#dllab-predict-of-{name}")


def _request(view: Locator) -> Any:
    return json.loads(view.get_by_label("Request, as JSON").input_value())


def _answer(view: Locator) -> Locator:
    return view.locator("pre.jp-dllab-Predict-answer")


def test_table(page: Page) -> None:
    """Cells make the request and are made of it; pasted ones grow rows; the answer has bars."""
    view = _open(page, "rows")
    expect(view.get_by_label("a drawing")).to_have_count(0)  # Two numbers are no picture.

    view.get_by_label("a table").check()
    expect(view.get_by_label("Row 0, column 1")).to_have_value("2")
    view.get_by_label("Row 0, column 0").evaluate(
        """cell => {
          const clipboardData = new DataTransfer();
          clipboardData.setData('text', '1\\t0\\n0.5\\t3\\n');
          const paste = { clipboardData, bubbles: true, cancelable: true };
          cell.dispatchEvent(new ClipboardEvent('paste', paste));
        }"""
    )
    assert _request(view) == {"instances": [[1, 0], [0.5, 3]]}
    view.get_by_label("Row 1, column 1").press("Shift+Enter")

    expect(view.get_by_text(re.compile("Status 200, "))).to_be_visible()
    expect(_answer(view)).to_contain_text("[3.5, 7.0, 10.5]")
    bars = view.get_by_role("table", name="Row 1").get_by_role("row")
    expect(bars).to_have_text(["PlaceBarValue", "03.5", "17", "210.5 largest"])


def test_cell_that_is_no_number_is_not_sent(page: Page) -> None:
    """The first bad cell is said and has the focus, until it is right or its row is gone."""
    view = page.locator("#dllab-predict-of-rows")
    view.get_by_role("button", name="Add a row").click()
    view.get_by_label("Row 2, column 0").fill("1,5")
    view.get_by_role("button", name="Send", exact=True).click()

    expect(view.get_by_label("Row 2, column 0")).to_be_focused()
    expect(view.get_by_role("alert").get_by_text("takes a number")).to_be_visible()
    view.get_by_role("button", name="Remove row 2").click()
    expect(view.get_by_text("takes a number")).to_have_count(0)
    view.get_by_label("Request, as JSON").fill('{"instances": [[7, 8]]}')
    expect(view.get_by_label("Row 0, column 0")).to_have_value("7")
    expect(view.get_by_label("Row 1, column 0")).to_have_count(0)


def test_programs_can_be_copied_and_run(page: Page, lab: RunningLab) -> None:
    """The curl command on show answers once its placeholder is a token."""
    view = page.locator("#dllab-predict-of-rows")
    view.get_by_text("Call it from a program").click()
    expect(view.get_by_text("YOUR_TOKEN stands for a token of yours.")).to_be_visible()
    program = view.get_by_label("Program for curl", exact=True).inner_text()
    assert f"{lab.url}dllab/serve/" in program

    run = subprocess.run(
        ["sh", "-c", program.replace("curl ", "curl --silent ", 1).replace("YOUR_TOKEN", TOKEN)],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
        capture_output=True,
        check=True,
        timeout=30,
    )

    assert json.loads(run.stdout) == {"predictions": [[15, 30, 45]]}
    for label in ("curl", "Python", "JavaScript"):
        expect(view.get_by_role("button", name=f"Copy the program for {label}")).to_be_visible()


def test_drawing(page: Page) -> None:
    """What is drawn with mouse or keys is the request, pixel by pixel; it can be cleared."""
    view = _open(page, "drawn")
    view.get_by_label("a drawing").check()
    expect(view.get_by_text("The request below is sent, until you draw here.")).to_be_visible()
    pad = view.get_by_role("application", name="Drawing, 28 by 28 pixels")
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(view.get_by_text("These 28 by 28 pixels are what is sent.")).to_be_visible()
    (((rows,),),) = (_request(view)["instances"],)
    assert (len(rows), {len(row) for row in rows}) == (28, {28})
    assert max(rows[7]) == 1
    assert max(rows[20]) == 0

    view.get_by_role("button", name="Send", exact=True).click()
    expect(view.get_by_text(re.compile("Status 200, "))).to_be_visible()

    pad.press("Delete")
    assert max(map(max, _request(view)["instances"][0][0])) == 0
    for key in ("ArrowDown", "Space", "ArrowRight", "ArrowRight"):
        pad.press(key)
    assert max(map(max, _request(view)["instances"][0][0])) > 0
    view.get_by_role("button", name="Clear").click()
    assert max(map(max, _request(view)["instances"][0][0])) == 0


def test_image(page: Page, lab: RunningLab) -> None:
    """A picture is scaled to what the model takes, in the chosen range; other files are not."""
    view = page.locator("#dllab-predict-of-drawn")
    view.get_by_label("an image").check()
    file = view.get_by_label("Picture", exact=True)

    (lab.work / "no.png").write_text("no picture\n")
    file.set_input_files(lab.work / "no.png")
    expect(view.get_by_text("The browser cannot read no.png as a picture.")).to_be_visible()

    file.set_input_files(lab.work / "four.png")
    expect(view.get_by_text("Scaled from 2 by 2 to 28 by 28 pixels.")).to_be_visible()
    expect(view.get_by_role("img", name="four.png as it is sent")).to_be_visible()
    rows = _request(view)["instances"][0][0]
    assert rows[0][27] == 1
    assert rows[0][0] == pytest.approx(0.299, abs=0.01)
    assert rows[27][0] == 0
    view.get_by_label("Each pixel is sent as").select_option("255")
    assert _request(view)["instances"][0][0][0][27] == 255
    view.get_by_label("Exchange light and dark").check()
    assert _request(view)["instances"][0][0][27][0] == 255


def test_canary(page: Page, lab: RunningLab) -> None:
    """Another version gets a part of the requests, and both can be asked the same."""
    view = _open(page, "rows")
    page.get_by_role("tab", name="Versions").locator("visible=true").click()
    form = page.get_by_role("form", name="Start a canary")
    start = form.get_by_role("button", name="Start canary")
    start.click()
    expect(form.get_by_text("Choose a version.")).to_be_visible()
    expect(form.get_by_label("Version", exact=True)).to_be_focused()
    form.get_by_label("Version", exact=True).select_option("2")
    form.get_by_label("Percent of the requests", exact=True).fill("100")
    start.click()
    expect(form.get_by_text("Give a whole number from 0 to 99.")).to_be_visible()
    form.get_by_label("Percent of the requests", exact=True).fill("25")
    start.click()

    table = page.get_by_role("table", name="Versions that get requests")
    canary = table.get_by_role("row", name=re.compile("2 canary"))
    expect(canary).to_contain_text("25 %")
    expect(canary.get_by_role("cell").nth(1)).to_have_text("1", timeout=START)
    there = lab.http.get("dllab/api/deployments/rows").json()["canary"]
    assert (there["version"], there["percent"], there["max_errors"]) == (2, 25, 0.05)

    page.get_by_role("tab", name="Try a prediction").locator("visible=true").click()
    view.get_by_role("button", name="Example", exact=True).click()
    view.get_by_role("button", name="Ask both versions").click()
    expect(view.get_by_text("3 values differ; they are marked.")).to_be_visible(timeout=START)
    one, other = (view.get_by_label(f"Answer of version {version}") for version in (1, 2))
    expect(one.locator("mark")).to_have_text(["3.0", "6.0", "9.0"])
    expect(other.locator("mark")).to_have_text(["-3.0", "-6.0", "-9.0"])


def test_promote_and_roll_back_ask_first(page: Page) -> None:
    """Both say what will happen; after the promotion the version before can be brought back."""
    page.get_by_role("tab", name="Versions").locator("visible=true").click()
    form = page.get_by_role("form", name="Change the canary")
    form.get_by_label("Percent of the requests", exact=True).fill("40")
    form.get_by_role("button", name="Change").click()
    table = page.get_by_role("table", name="Versions that get requests")
    expect(table.get_by_role("row", name=re.compile("2 canary"))).to_contain_text("40 %")

    page.get_by_role("button", name="Promote version 2…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Version 2 answers all requests from then on")
    dialog.get_by_role("button", name="Leave it so").click()
    expect(table.get_by_role("row", name=re.compile("2 canary"))).to_be_visible()
    page.get_by_role("button", name="Promote version 2…").click()
    dialog.get_by_role("button", name="Promote", exact=True).click()

    back = page.get_by_role("button", name="Roll back to version 1…")
    expect(back).to_be_visible(timeout=START)
    expect(table.get_by_role("row", name=re.compile("^2 100 %"))).to_be_visible(timeout=START)
    back.click()
    expect(dialog).to_contain_text("Version 1 is started and takes the place of version 2")
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(table.get_by_role("row", name=re.compile("^1 100 %"))).to_be_visible(timeout=START)


def test_following_the_load(page: Page, lab: RunningLab) -> None:
    """The form begins with what the deployment is now; its bounds are said in words then."""
    page.get_by_role("button", name="Change rows").click()
    form = page.get_by_role("form", name="Change rows")
    expect(form.get_by_label("Name of the deployment")).to_have_value("rows")
    form.get_by_label("Follow the load").check()
    form.get_by_label("Most replicas").fill("0")
    form.get_by_role("button", name="Deploy").click()
    expect(form.get_by_text("Give a whole number from 1 to 32.")).to_be_visible()
    expect(form.get_by_label("Most replicas")).to_be_focused()
    form.get_by_label("Most replicas").fill("3")
    form.get_by_role("button", name="Deploy").click()

    expect(form).to_have_count(0)
    header = page.locator(".jp-dllab-JobHeader:visible")
    expect(header).to_contain_text("1 replica, between 1 and 3 by load", timeout=START)
    autoscale = lab.http.get("dllab/api/deployments/rows").json()["spec"]["autoscale"]
    assert (autoscale["min"], autoscale["max"], autoscale["target"]) == (1, 3, 4)
