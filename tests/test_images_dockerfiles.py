"""The Dockerfiles and the files that build them all, read as what they are: instructions."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dllab_hub import __version__, images

ROOT = Path(images.__file__).parents[2]
SHIPPED = ROOT / "images"
ALL = sorted(path.parent.name for path in SHIPPED.glob("*/Dockerfile"))
BAKE = json.loads((SHIPPED / "bake.json").read_text())
CI = json.loads((SHIPPED / "bake-ci.json").read_text())
#: A digest, or the one image of which none is known.
PINNED = re.compile(
    r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}|quay\.io/jupyterhub/k8s-hub:\d+\.\d+\.\d+"
)


def instructions(name: str) -> list[tuple[str, str]]:
    """Verb and the rest of each instruction of a Dockerfile, on one line."""
    text = (SHIPPED / name / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r" *\\\n *", " ", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines()]
    return [(verb, rest) for verb, rest in pairs]


def of(name: str, wanted: str) -> list[str]:
    return [rest for verb, rest in instructions(name) if verb == wanted]


@pytest.mark.parametrize("name", ALL)
def test_the_base_is_pinned(name: str) -> None:
    """One stage on one known image, by digest or by its full version."""
    (base,) = of(name, "FROM")

    assert PINNED.fullmatch(base)
    assert len({*of("base", "FROM"), *of("hub", "FROM"), base}) == 2


@pytest.mark.parametrize("name", ALL)
def test_the_last_account_is_a_number_that_is_not_root(name: str) -> None:
    """Kubernetes can see it, and nothing is installed after it."""
    verbs = [verb for verb, _ in instructions(name)]

    assert "1000" == of(name, "USER")[-1]
    assert not {"RUN", "COPY"} & set(verbs[len(verbs) - verbs[::-1].index("USER") :])


@pytest.mark.parametrize("name", ALL)
def test_only_locked_packages_and_our_wheel_are_installed(name: str) -> None:
    """Every `pip install` has digests and builds nothing, or is of our wheel without anything."""
    commands = " && ".join(of(name, "RUN")).split(" && ")
    installs = [command for command in commands if "pip install" in command]
    locked = [command for command in installs if "--require-hashes" in command]
    ours = [command for command in installs if "--no-deps /tmp/dist/*.whl" in command]

    assert installs == [command for command in installs if (command in locked) != (command in ours)]
    assert all("--only-binary :all:" in command for command in locked)
    assert all("--no-cache-dir" in command for command in installs)
    assert len(locked) == len(ours) == sum(command.endswith("pip check") for command in commands)


@pytest.mark.parametrize("name", ALL)
def test_what_is_copied_exists(name: str) -> None:
    """Files of images/ that the context has, and the wheel of `make build`."""
    sources = [rest.split()[0] for rest in of(name, "COPY")]

    assert "dist/*.whl" in sources
    assert f"images/{name}/lock.txt" in sources
    assert [] == [s for s in sources if s != "dist/*.whl" and not (ROOT / s).is_file()]
    assert ["*", "!dist/*.whl", "!images"] == [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] != "#"
    ]


@pytest.mark.parametrize("name", ALL)
def test_no_secret_and_no_address_is_in_an_image(name: str) -> None:
    """No password is an argument or a variable, nothing is downloaded but by apt and pip."""
    settings = " ".join([*of(name, "ARG"), *of(name, "ENV")])

    assert not re.search(r"(?i)token|secret|passw|api_?key|credential", settings)
    assert not re.search(r"curl|wget|://|--index-url|--trusted-host", " ".join(of(name, "RUN")))
    assert [] == of(name, "ADD")


@pytest.mark.parametrize("name", ALL)
def test_compiled_python_has_no_time(name: str) -> None:
    """The epoch is set before the first command, to the number that all builds use."""
    verbs = [verb for verb, _ in instructions(name)]
    epoch = BAKE["variable"]["SOURCE_DATE_EPOCH"]["default"]

    assert [f"SOURCE_DATE_EPOCH={epoch}"] == of(name, "ARG")
    assert verbs.index("ARG") < verbs.index("RUN")


def test_lab_images_share_their_first_layers() -> None:
    """Debian's packages and the lab are the same bytes in all: a node has them once."""
    labs = [name for name in ALL if "labs" in groups_of(name)]

    def first(name: str) -> list[tuple[str, str]]:
        whole = instructions(name)
        return whole[: whole.index(("COPY", f"images/{name}/lock.txt /opt/lock.txt"))]

    assert [first("base")] * len(labs) == [first(name) for name in labs]
    assert any("/opt/lab/bin/pip install" in rest for _, rest in first("base"))


def groups_of(name: str) -> list[str]:
    return [group for group, what in BAKE["group"].items() if name in what["targets"]]


def version(name: str) -> str:
    if name == "hub":
        return __version__
    return str(tomllib.loads((SHIPPED / name / "image.toml").read_text())["version"])


@pytest.mark.parametrize("name", ALL)
def test_one_command_builds_every_image(name: str) -> None:
    """The target of a folder is in the default group, with its Dockerfile and its version."""
    target: dict[str, Any] = BAKE["target"][name]

    assert f"images/{name}/Dockerfile" == target["dockerfile"]
    assert [f"${{REGISTRY}}/{name}:{version(name)}${{SUFFIX}}"] == target["tags"]
    assert ["common"] == target["inherits"]
    default = BAKE["group"]["default"]["targets"]
    assert name in default or set(groups_of(name)) & set(default)


def test_nothing_else_is_built() -> None:
    """No target lacks a folder, and both files have the same ones."""
    assert {*ALL, "common"} == set(BAKE["target"]) == set(CI["target"])
    assert ["linux/amd64"] == BAKE["target"]["common"]["platforms"]  # The locks are for no other.


def test_variables_are_declared() -> None:
    """What a file refers to has a default in the first one."""
    used = re.findall(r"\$\{(\w+)\}", json.dumps([BAKE, CI]))

    assert {"REGISTRY", "SUFFIX", "SOURCE_DATE_EPOCH"} == set(BAKE["variable"]) == set(used)


def test_ci_pushes_with_provenance_and_a_cache_of_each_image() -> None:
    """What is only for a registry is in the second file: no local build writes to one."""
    common = CI["target"]["common"]

    assert ["type=provenance,mode=max"] == common["attest"]
    assert ["type=registry,rewrite-timestamp=true"] == common["output"]
    caches = [CI["target"][name]["cache-to"] for name in ALL]
    assert [[f"type=registry,ref=${{REGISTRY}}/cache:{n},mode=max"] for n in ALL] == caches
    assert not re.search("cache-|output|attest", json.dumps(BAKE))


def test_the_readme_names_every_image() -> None:
    """Its table is of what is built, and its commands of files that exist."""
    text = (SHIPPED / "README.md").read_text()

    assert ALL == sorted(re.findall(r"^\| `([a-z0-9-]+)` \| \d", text, re.M))
    for path in set(re.findall(r"images/[\w./-]+\.(?:json|txt|py)", text)):
        assert (ROOT / path).is_file(), path
