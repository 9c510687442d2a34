"""A lab's choice and packages as a file and as a link; an administrator makes an image of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dllab_hub import images
from dllab_hub.errors import Conflict, InvalidRequest, NotFound, TooLarge
from dllab_hub.sharing import SharedLab, adopt, link, of_this_lab
from dllab_hub.specs import LabSpec
from dllab_hub.state import StateDir

LAB = LabSpec(image="pytorch", gpus=1, volumes=("imagenet", "scratch"), tensorboard=False)


def shared(*packages: str, **lab: Any) -> SharedLab:
    return SharedLab(lab=LAB.model_copy(update=lab), title="PyTorch 2.13", packages=packages)


def environ(tmp_path: Path, **lab: Any) -> dict[str, str]:
    """What the hub says to a lab, with an overlay that has three packages."""
    site = tmp_path / "overlay" / "lib" / "python3.11" / "site-packages"
    for name, version, origin in (
        ("einops", "0.8.1", None),
        ("mine", "1.0", {"url": "file:///home/ada/mine", "dir_info": {}}),
        (
            "forked",
            "2.0",
            {
                "url": "https://git.example/forked",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee"},
            },
        ),
    ):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if origin:
            (info / "direct_url.json").write_text(json.dumps(origin))
    spec = LAB.model_copy(update=lab)
    return {
        "DLLAB_LAB": json.dumps(spec.model_dump(mode="json", exclude={"ssh_key"})),
        "DLLAB_OVERLAY": str(tmp_path / "overlay"),
        "DLLAB_IMAGE_TITLE": "PyTorch 2.13",
    }


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state", tmp_path / "envs")


def test_a_lab_is_what_was_picked_and_installed(tmp_path: Path) -> None:
    """Packages of the index travel; those of a directory or a repository are named."""
    found, left = of_this_lab(environ(tmp_path))

    assert LAB == found.lab
    assert ("einops==0.8.1",) == found.packages
    assert ["forked", "mine"] == left


def test_nothing_personal_is_in_it(tmp_path: Path) -> None:
    """A lab with SSH is shared without it."""
    said = environ(tmp_path, ssh=True, ssh_key="ssh-ed25519 AAAA ada@laptop")
    found, _ = of_this_lab(said)

    assert not found.lab.ssh
    assert "ada" not in found.to_text()
    assert "ssh" not in found.to_text()


def test_a_requirement_that_was_installed_is_pinned_once(tmp_path: Path) -> None:
    """What was asked for at the start is in the file at the version that is there."""
    found, _ = of_this_lab(environ(tmp_path, requirements=("Einops>=0.8", "numpy>=2")))

    assert (("numpy>=2",), ("einops==0.8.1",)) == (found.lab.requirements, found.packages)


def test_outside_of_a_lab_there_is_nothing_to_share() -> None:
    """The sentence says where to run it."""
    with pytest.raises(Conflict, match="in a terminal of a lab"):
        of_this_lab({})


def test_a_file_is_read_as_it_was_written() -> None:
    """Text and back is the same."""
    lab = shared("einops==0.8.1", "my.pkg_x==1!2.0+cpu")

    assert lab == SharedLab.from_text(lab.to_text())


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", ""),
        ("[" * 50_000, ""),
        ("[]", ""),
        ("{}", "lab"),
        ('{"lab": {}}', "lab.image"),
        ('{"lab": {"image": "pytorch"}, "format": "dllab-lab/2"}', "format"),
        ('{"lab": {"image": "pytorch"}, "more": 1}', "more"),
        ('{"lab": {"image": "<b>"}}', "lab.image"),
        ('{"lab": {"image": "pytorch", "ssh": true, "ssh_key": "k"}}', "lab.ssh_key"),
        ('{"lab": {"image": "pytorch"}, "title": "a\\u0007b"}', "title"),
        ('{"lab": {"image": "pytorch"}, "packages": "einops==1"}', "packages"),
        *(
            (json.dumps({"lab": {"image": "pytorch"}, "packages": [package]}), "packages.0")
            for package in (
                "einops",
                "einops>=1",
                "-r /etc/passwd",
                "--index-url==http://x",
                "einops==1\n--index-url http://x",
                "einops==1\n",
                "einops==1; os_name=='x'",
                "einops @ https://x.example/einops.whl",
                "<script>==1",
                "",
            )
        ),
    ],
)
def test_a_wrong_file_is_refused(text: str, field: str) -> None:
    """The field is named and nothing of the content is echoed."""
    with pytest.raises(InvalidRequest) as caught:
        SharedLab.from_text(text)

    assert field == caught.value.field
    assert "<" not in str(caught.value)


def test_a_huge_file_is_refused_unread() -> None:
    """Nobody's lab is that long."""
    with pytest.raises(TooLarge):
        SharedLab.from_text(" " * 200_000)


def test_a_link_fills_in_the_form() -> None:
    """It has the form's own fields; personal ones, and what is the default, are not in it."""
    address = link(
        shared("einops==0.8.1", requirements=("numpy>=2",), idle=60, wait=30, lend=True),
        "https://hub.example/hub/",
    )

    assert address.startswith("https://hub.example/hub/spawn#")
    assert {
        "image": ["pytorch"],
        "gpus": ["1"],
        "volumes": ["imagenet", "scratch"],
        "tensorboard": ["off"],
        "idle": ["60"],
        "requirements": ["numpy>=2\neinops==0.8.1"],
    } == parse_qs(urlsplit(address).fragment)


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/passwd",
        "--index-url https://evil.example",
        "numpy\n--index-url https://evil.example",
        "numpy>=2\n",
        "numpy --index-url https://evil.example",
        "numpy>=2 --config-settings=x",
        "numpy; os_name == 'a\x0b--index-url https://evil.example'",
        "numpy; os_name == 'a\u2028--index-url https://evil.example'",
        "numpy @ https://evil.example/numpy.whl",
        "git+https://evil.example/numpy",
        "https://evil.example/numpy.whl",
        "./numpy",
        "${HOME}",
        "",
    ],
)
def test_a_foreign_wish_is_only_a_package(line: str) -> None:
    """An administrator who adopts a file hands pip no option, address or second line of it."""
    with pytest.raises(InvalidRequest) as caught:
        SharedLab.from_text(json.dumps({"lab": {"image": "pytorch", "requirements": [line]}}))

    assert "lab.requirements.0" == caught.value.field
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        "numpy>=2",
        "numpy >= 2, < 3",
        "numpy (>=2)",
        "my.pkg_x[extra-1, two]~=1.0",
        "numpy==2.*; python_version < '3.13' and os_name == \"posix\"",
        "scikit-learn !=1.7.0,>=1.6",
    ],
)
def test_a_wish_with_versions_travels(line: str) -> None:
    """What the form takes is in the file too."""
    lab = shared(requirements=(line,))

    assert lab == SharedLab.from_text(lab.to_text())


@pytest.mark.parametrize("hub", ["javascript:alert(1)", "ftp://hub", "http://"])
def test_a_link_leads_to_a_hub(hub: str) -> None:
    """Anything but an address of the web is refused."""
    with pytest.raises(InvalidRequest, match="hub:"):
        link(shared(), hub)


def test_more_packages_than_a_form_takes_need_the_file() -> None:
    """The sentence says what to do instead."""
    with pytest.raises(InvalidRequest, match="Send the file"):
        link(shared(*(f"p{n}==1" for n in range(101))))


def test_an_adopted_image_is_the_labs(state: StateDir) -> None:
    """It has the image's list and what was on top, in the lab's version where they differ."""
    env = adopt(state, shared("einops==0.8.1", "Scikit_Learn==1.6.0"), "ours")
    lines = (env.source / "requirements.txt").read_text().splitlines()

    assert state.root / "images" / "ours" == env.source
    assert {"torch==2.13.0", "einops==0.8.1", "Scikit_Learn==1.6.0"} <= set(lines)
    assert "scikit-learn>=1.7" not in lines
    assert ("PyTorch 2.13 with einops, scikit-learn", "pytorch", "2.13.0", "missing") == (
        env.image.title,
        env.image.framework,
        env.image.version,
        env.image.state,
    )


def test_an_adopted_image_is_written_as_toml(state: StateDir) -> None:
    """A title of any printable text is what people read."""
    title = 'Ada\'s "größte" \\ 图像'
    env = adopt(state, shared("einops==0.8.1"), "ours", title)

    assert title == env.image.title
    assert title == tomllib.loads((env.source / "image.toml").read_text("utf-8"))["title"]
    assert ["images"] == [path.name for path in state.root.iterdir()]


def test_a_lab_without_packages_is_adopted_as_it_is(state: StateDir) -> None:
    """The new image is the old one under another name."""
    assert "ours" == adopt(state, shared(), "ours").image.title


@pytest.mark.parametrize(
    ("lab", "name", "error", "field"),
    [
        ({"image": "nothing"}, "ours", NotFound, "image"),
        ({"image": "serving"}, "ours", InvalidRequest, "lab.image"),
        ({"image": "custom", "custom": "/home/ada/env"}, "ours", InvalidRequest, "lab.image"),
        ({}, "jax", Conflict, "name"),
        ({}, "custom", InvalidRequest, "name"),
        ({}, "../ours", InvalidRequest, "name"),
    ],
)
def test_what_cannot_be_adopted(
    state: StateDir, lab: dict[str, Any], name: str, error: type[Exception], field: str
) -> None:
    """Nothing is written, and the sentence names the reason."""
    with pytest.raises(error) as caught:
        adopt(state, shared("einops==0.8.1", **lab), name)

    assert field == getattr(caught.value, "field")  # noqa: B009
    assert not (state.root / "images").exists()


def test_a_title_that_cannot_be_printed_is_refused(state: StateDir) -> None:
    """It would be no TOML."""
    with pytest.raises(InvalidRequest, match="title"):
        adopt(state, shared("einops==0.8.1"), "ours", "a\x00b")


def test_too_long_a_title_costs_nothing(state: StateDir) -> None:
    """A file that nobody can read would take every image away."""
    with pytest.raises(InvalidRequest, match="title"):
        adopt(state, shared("einops==0.8.1"), "ours", "x" * 101)

    assert images.find(state)


def test_an_adoption_that_was_cut_short_is_no_image(state: StateDir) -> None:
    """What it left is not read."""
    adopt(state, shared("einops==0.8.1"), "ours")
    (state.root / "images" / "ours").rename(state.root / "images" / ".ours.1.tmp")

    assert not any("ours" in env.image.name for env in images.find(state))


def test_an_adopted_image_can_be_adopted_again(state: StateDir) -> None:
    """A lab of it is shared like any other."""
    adopt(state, shared("einops==0.8.1"), "ours")
    again = adopt(state, shared("lion==1.0", image="ours"), "more")

    lines = (again.source / "requirements.txt").read_text().splitlines()
    assert {"torch==2.13.0", "einops==0.8.1", "lion==1.0"} <= set(lines)
    assert "more" in {env.image.name for env in images.find(state)}
