"""Magics about serving. What they export is tested where PyTorch is: see ``test_export``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from notebooks import Notebook
from served import ONNX, Host

from dllab_hub.deployed import Deployed
from dllab_hub.export import Exported
from dllab_hub.magics import serving as serving_module
from dllab_hub.specs import DeploymentState


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    """A model in the notebook's directory."""
    file = tmp_path / "My_Net.onnx"
    file.write_bytes(ONNX)
    return file


@pytest.fixture
def digits(notebook: Notebook, onnx: Path) -> Notebook:
    """A notebook that has deployed ``digits``."""
    notebook.run("%deploy My_Net.onnx --name digits --replicas 2")
    assert notebook.ok
    return notebook


class Network:
    """Stands for a ``torch.nn.Module``: the tests' own Python has no PyTorch."""


class Layers:
    """Stands for a ``keras.Model``."""


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A ``torch`` whose export writes a file; what it was called with."""
    called: list[tuple[object, ...]] = []

    def export_model(module: object, example: object, folder: Path, *, name: str) -> Exported:
        called.append((module, example, name))
        (folder / "model.onnx").write_bytes(ONNX)
        return Exported(folder / "model.onnx", '{"instances": [[1]]}')

    known = SimpleNamespace(nn=SimpleNamespace(Module=Network))
    monkeypatch.setitem(sys.modules, "torch", known)
    monkeypatch.setattr(serving_module, "export_model", export_model)
    return called


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%deploy", ["WHAT"]),
        ("%deploy x.onnx --replicas two", ["--replicas", "from 1 to 32", "'two'"]),
        ("%deploy x.onnx --replicas 33", ["--replicas", "from 1 to 32"]),
        ("%deploy x.onnx --replica 2", ["no option --replica", "Did you mean --replicas?"]),
        ("%deploy x.onnx --name Big_Net", ["--name", "lower-case"]),
        ("%deploy x.onnx --gpus 9", ["--gpus", "from 0 to 8"]),
        ("%deploy x.onnx --batch-wait 5ms", ["--batch", "is needed with --batch-wait"]),
        ("%deploy x.onnx y.onnx", ["y.onnx is one word too many"]),
        ("%deploy x.onnx --example 3", ["--example", "for a network only"]),
        ("%deploy 7+1", ["7+1 is of type int", "torch.nn.Module", "ONNX file"]),
        ("%deploy nets[0]", ["nets[0]: NameError: name 'nets' is not defined."]),
        ("%deploy net --example x", ["net: NameError"]),
        ("%deploy (1", ["(1: SyntaxError"]),
        ("%deploy None.x", ["AttributeError"]),
        ("%deployments all", ["all is one word too many"]),
        ("%predict", ["NAME, EXPR"]),
        ("%predict digits", ["EXPR"]),
        ("%predict digits x +", ["x +: SyntaxError"]),
        ("%predict digits -x", ["-x: NameError"]),
        ("%scale digits", ["N"]),
        ("%scale digits none", ["N: must be a whole number from 1 to 32"]),
        ("%scale digits 0", ["from 1 to 32"]),
        ("%undeploy", ["NAME"]),
        ("%deploy net --min 0", ["--max: is needed with --min"]),
        ("%deploy net --max 2 --min 3", ["--min: must not be more than max"]),
        ("%predict digits --version two x", ["--version: must be a whole number", "'two'"]),
        ("%predict digits x --version 0", ["--version: must be a whole number from 1 up"]),
        ("%predict digits --version 2", ["--version 2: SyntaxError"]),
        ("%canary digits", ["VERSION"]),
        ("%canary digits 2 --percent 100", ["--percent: must be a whole number from 0 to 99"]),
        ("%canary digits 2 --percents 5", ["no option --percents", "Did you mean --percent?"]),
        ("%promote", ["NAME"]),
        ("%rollback digits now", ["now is one word too many"]),
        ("%undeploy --yess x", ["no option --yess", "--yes"]),
        ("%board --height 5", ["--height", "from 100"]),
    ],
)
def test_a_wrong_line_is_one_line(outside: Notebook, line: str, words: list[str]) -> None:
    """A wrong option, word or expression is one line within a second, and nobody is asked."""
    began = time.monotonic()
    said = outside.run(line)

    assert time.monotonic() - began < 1
    assert not outside.ok
    assert 1 == len(said.splitlines())
    for word in words:
        assert word in said


def test_a_file(digits: Notebook) -> None:
    """A path is published and deployed; the view reads well as text, and the handle is there."""
    info = digits.deployment.info
    assert ("digits", 1, 2) == (info.spec.model, info.version, info.spec.replicas)
    said = digits.run("%deploy My_Net.onnx")

    assert said.startswith("my-net  READY")
    assert ["text/plain"] == list(digits.result._repr_mimebundle_())
    assert "my-net" == digits.deployment.name
    digits.run("path = 'My_Net.onnx'\n%deploy path --name by-name")
    assert ("by-name", True) == (digits.deployment.name, digits.ok)
    digits.run("%deploy 'My_Net.onnx' --name quoted")
    assert ("quoted", True) == (digits.deployment.name, digits.ok)


def test_quotes(digits: Notebook, tmp_path: Path) -> None:
    """A path with a blank and a quoted name are taken as in a terminal."""
    (tmp_path / "my net.onnx").write_bytes(ONNX)
    for line in (
        """%deploy "my net.onnx" --name 'mine' --replicas "2" """,
        """%deploy --name "mine" "my net.onnx\"""",
        """%deploy --wait 'my net.onnx' --name mine""",
    ):
        digits.run(line)
        assert digits.ok, line
        assert "mine" == digits.deployment.name


def test_a_file_that_is_none(notebook: Notebook, tmp_path: Path) -> None:
    """A file that is missing or not a model is one line."""
    (tmp_path / "text.onnx").write_text("hello")

    assert "gone.onnx cannot be read: no such file" in notebook.run("%deploy gone.onnx")
    assert "not an ONNX model" in notebook.run("%deploy text.onnx")
    assert not notebook.ok


def test_a_published_model(digits: Notebook) -> None:
    """``MODEL`` and ``MODEL:VERSION`` serve what is published, whatever else has that name."""
    digits.run("%deploy My_Net.onnx --name digits")
    digits.run("%deploy digits --name newest")
    assert ("newest", 2) == (digits.deployment.name, digits.deployment.info.version)
    digits.run("%deploy digits:1 --name oldest")
    assert 1 == digits.deployment.info.version
    digits.run("digits = {'data': 1}\n%deploy digits")
    assert ("digits", 2, True) == (
        digits.deployment.name, digits.deployment.info.version, digits.ok,
    )  # fmt: skip

    said = digits.run("%deploy nett")
    assert "you have no model nett." in said
    assert "there are 2 versions" in digits.run("%deploy digits:7")


def test_a_network(notebook: Notebook, torch: list[tuple[object, ...]], lab: Host) -> None:
    """A module is exported with the example's value, spaces in the expression and all."""
    notebook.shell.push({"Net": Network})
    notebook.run("net = Net(); nets = {'big one': net}; x = [1, 2, 3]")
    notebook.run("%deploy net --example x[:1] --replicas 2")
    assert ("net", 2) == (notebook.deployment.name, notebook.deployment.info.spec.replicas)
    notebook.run("%deploy nets['big one'] --example x + [4] --name digits")
    assert "digits" == notebook.deployment.name
    notebook.run("%deploy --example {'a': x, 'b': (x[0], 7)} --name net net")

    net = notebook.shell.user_ns["net"]
    assert [
        (net, [1], "net"),
        (net, [1, 2, 3, 4], "digits"),
        (net, {"a": [1, 2, 3], "b": (1, 7)}, "net"),
    ] == torch
    assert 2 == notebook.deployment.info.version
    made = lab.ask("GET", "models/net/versions").json()["versions"][0]
    assert ("notebook", '{"instances": [[1]]}') == (made["source"]["kind"], made["example"])


def test_a_keras_model_needs_no_example(
    notebook: Notebook, torch: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows its own inputs; with an example the two are compared."""
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(Model=Layers))
    notebook.shell.push({"model": (model := Layers())})
    notebook.run("%deploy model")
    assert ("model", True) == (notebook.deployment.name, notebook.ok)
    notebook.run("%deploy model --example [[2]]")

    assert [(model, None, "model"), (model, [[2]], "model")] == torch


def test_other_files(notebook: Notebook, tmp_path: Path) -> None:
    """Each end of a name that a model's file has is a path; the model is called as the file is."""
    for end in ("pt2", "pt", "zip", "tar", "tar.gz", "tgz"):
        (tmp_path / f"My_Net.{end}").write_bytes(ONNX)
        notebook.run(f"%deploy My_Net.{end}")
        assert ("my-net", True) == (notebook.deployment.name, notebook.ok), end


def test_a_network_without_an_example(notebook: Notebook, torch: list[tuple[object, ...]]) -> None:
    """What is missing is named with how it is written; an example that fails is one line."""
    notebook.shell.push({"net": Network()})

    assert "--example: exporting net needs one. Such as --example x[:1]." == notebook.run(
        "%deploy net"
    )
    assert "y[:1]: NameError" in notebook.run("%deploy net --example y[:1]")
    assert [] == torch


def test_deploy_and_wait(digits: Notebook) -> None:
    """``--wait`` shows the view and returns when all replicas answer."""
    said = digits.run("%deploy digits --wait")

    assert digits.ok
    assert said.endswith("digits: READY, 1 of 1 ready")
    assert digits.result is None


def test_waiting_has_an_end(digits: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that is not ready in time is one line, and goes on."""

    def wait(self: Deployed) -> None:
        raise TimeoutError("digits is STARTING after 300 s")

    monkeypatch.setattr(Deployed, "wait", wait)
    out = digits.run("%deploy digits --wait")

    assert not digits.ok
    assert out.endswith("digits is STARTING after 300 s. It goes on starting: _deployment.wait().")
    assert "Traceback" not in out
    assert "READY" == digits.deployment.state


def test_predict(digits: Notebook) -> None:
    """The answer is a value: it can be assigned, and ends where the expression ends."""
    digits.run("x = [[1.5, 2], [3, 4]]")
    digits.run("y = %predict digits x + [[ 5, 6 ]]")

    assert digits.ok
    assert [[1.5, 2], [3, 4], [5, 6]] == [list(row) for row in digits.shell.user_ns["y"]]
    digits.run("z = %predict digits [{'a': row} for row in x]")
    assert digits.ok
    assert "there is no such deployment" in digits.run("%predict nothing x")
    assert "must be rows" in digits.run("%predict digits 7")
    assert "row 0 holds nan" in digits.run("%predict digits [[float('nan')]]")
    assert not digits.ok


def test_a_canary(digits: Notebook, lab: Host) -> None:
    """Start one, ask each version, promote it, go back: each shows the deployment as it is then."""
    digits.run("%deploy My_Net.onnx --name digits")
    digits.run("%deploy digits:1")
    said = digits.run("%canary digits 2 --percent 0 --max-errors none")
    assert said.startswith("digits  READY\n  version 1 of digits, 2 of 2 ready")
    assert "version 2 (canary)  0%" in said
    digits.run("y = %predict digits --version 2 [[7]]")
    digits.run("z = %predict digits [[8, 9]] --version=2")
    digits.run("version = 1\nw = %predict digits [[8]] * -(- --version)")
    assert digits.ok
    ns = digits.shell.user_ns
    assert ([[7]], [[8, 9]]) == (ns["y"].tolist(), ns["z"].tolist())
    versions = lab.ask("GET", "deployments/digits").json()["versions"]
    assert [(1, 1), (2, 2)] == [(each["version"], each["requests"]) for each in versions]

    assert "version 2 of digits" in digits.run("%promote digits")
    assert "version 1 of digits" in digits.run("%rollback digits")
    assert "there is no canary" in digits.run("%promote digits")
    assert "there is no such deployment" in digits.run("%canary nothing 2")
    assert "serves already" in digits.run("%canary digits 1")


def test_bounds(digits: Notebook) -> None:
    """``--max`` alone has the number of replicas follow the load."""
    digits.run("%deploy digits --max 4")
    assert (1, 4) == ((bounds := digits.deployment.info.spec.autoscale).min, bounds.max)
    said = digits.run("%deploy My_Net.onnx --name digits --min 2 --max 3 --idle 5m --target 2")

    assert "2 of 2 ready, scales from 2 to 3" in said
    assert (300, 2.0) == (
        digits.deployment.info.spec.autoscale.idle,
        digits.deployment.info.spec.autoscale.target,
    )


def test_an_image(digits: Notebook) -> None:
    """An image of PIL is a row; what does not fit the model is one line."""
    pytest.importorskip("PIL")
    digits.run("from PIL import Image; image = Image.new('L', (8, 8), 3)")
    digits.run("y = %predict digits image")
    assert digits.ok
    assert [[3] * 64] == digits.shell.user_ns["y"].tolist()

    assert "does not fit the model's input of (64)" in digits.run(
        "%predict digits image.resize((9, 9))"
    )


def test_a_model_that_is_down(digits: Notebook, lab: Host) -> None:
    """The reason why nothing answers is the one line."""
    lab.backend.serving.fail("ada", "digits", "replica-1 ended with exit code 1.")

    assert "replica-1 ended with exit code 1." in digits.run("%predict digits [[1]]")
    assert "digits failed: replica-1 ended" in digits.run("_deployment.wait()")


def test_list_and_scale(digits: Notebook) -> None:
    """The list names every deployment; scaling shows the one that was scaled."""
    digits.run("%deploy digits --name other")
    listed = digits.run("%deployments").splitlines()
    assert [["digits", "READY"], ["other", "READY"]] == [line.split()[:2] for line in listed[1:]]
    assert "3 of 3 ready" in digits.run("%scale digits 3")
    assert "there is no such deployment" in digits.run("%scale nothing 3")


def test_undeploy_asks(digits: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is deleted; where nobody can be asked the line says what to add."""
    answers = iter(["", "no", "y"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert digits.run("%undeploy digits").endswith("digits stays.")
    assert digits.run("%undeploy digits").endswith("digits stays.")
    assert DeploymentState.READY is digits.deployment.state
    said = digits.run("%undeploy digits")
    assert said.endswith("digits is being deleted; the model digits stays.")
    assert "there is no such deployment" in digits.run("%undeploy digits --yes")

    def nobody(question: str) -> str:
        raise serving_module.StdinNotImplementedError(question)

    monkeypatch.setattr("builtins.input", nobody)
    digits.run("%deploy digits")
    assert "Add --yes." in digits.run("%undeploy digits")
    assert digits.run("%undeploy digits --yes").endswith("stays.")


def test_board(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard is a link and the page itself; where there is none the line says so."""
    assert "there is no TensorBoard in this lab" in notebook.run("%board")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    said = notebook.run("%board --height 300")

    assert "TensorBoard is at /user/ada/tensorboard/" == said
    bundle = notebook.result._repr_mimebundle_()
    assert '<iframe src="/user/ada/tensorboard/"' in bundle["text/html"]
    assert 'height="300"' in bundle["text/html"]


@pytest.mark.parametrize(
    "name",
    ["deploy", "deployments", "predict", "scale", "undeploy", "board", "canary", "promote",
     "rollback"],
)  # fmt: skip
def test_help(outside: Notebook, name: str) -> None:
    """``--help`` prints the options and asks nobody."""
    said = outside.run(f"%{name} --help")

    assert outside.ok
    assert f"usage: %{name}" in said
