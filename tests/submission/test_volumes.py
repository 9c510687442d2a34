"""Which image, volumes and lab a job gets from the words of ``%%train`` and ``dllab submit``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.submission import Submission, in_words

Make = Callable[..., Submission]


@pytest.mark.parametrize(
    ("lab", "words", "volumes"),
    [
        ("", (), ()),
        ('{"sets": {"path": "/s"}, "bucket": {"url": "s3://b"}}', (), ("sets", "bucket")),
        ('{"sets": {"path": "/s"}}', ("--volumes", "other", "more"), ("other", "more")),
        ('{"sets": {"path": "/s"}}', ("--volumes",), ()),
        ("damaged", ("--volumes", "sets"), ("sets",)),
    ],
)
def test_which_volumes(
    made: Make,
    monkeypatch: pytest.MonkeyPatch,
    lab: str,
    words: tuple[str, ...],
    volumes: tuple[str, ...],
) -> None:
    """Those of the lab, or the ones that are named, or none."""
    monkeypatch.setenv("DLLAB_VOLUMES", lab)
    assert volumes == made(*words, cell="print()").spec.volumes


@pytest.mark.parametrize(
    ("lab", "words", "said"),
    [
        ("", ("--volumes", "../etc"), "--volumes: "),
        ("", ("--volumes", "a", "a"), "--volumes: a volume is named twice."),
        ("damaged", (), "--volumes: the variable DLLAB_VOLUMES is damaged. Name the volumes"),
    ],
)
def test_wrong_volumes(
    made: Make, monkeypatch: pytest.MonkeyPatch, lab: str, words: tuple[str, ...], said: str
) -> None:
    """What is wrong is one line with the option in front."""
    monkeypatch.setenv("DLLAB_VOLUMES", lab)
    with pytest.raises(InvalidRequest) as caught:
        made(*words, cell="print()")
    assert in_words(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("words", "image", "lab"),
    [
        ((), "here", "a-lab"),
        (("--image", "here"), "here", "a-lab"),
        (("--image", "other"), "other", None),
        (("--image", "other", "--lab", "b-lab"), "other", "b-lab"),
        (("--no-lab",), "here", None),
    ],
)
def test_the_labs_packages_go_along(
    made: Make,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    image: str,
    lab: str | None,
) -> None:
    """What was installed in the lab is wanted in the job when the job has the lab's own image."""
    monkeypatch.setenv("DLLAB_IMAGE", "here")
    monkeypatch.setenv("DLLAB_LAB_ID", "a-lab")
    monkeypatch.setenv("DLLAB_OVERLAY", "/somewhere")
    spec = made(*words, cell="print()").spec

    assert (image, lab) == (spec.image, spec.lab)


def test_a_lab_that_keeps_no_packages_apart(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing of it that a job could have."""
    monkeypatch.setenv("DLLAB_IMAGE", "here")
    monkeypatch.setenv("DLLAB_LAB_ID", "a-lab")

    assert None is made(cell="print()").spec.lab


def test_a_lab_on_a_cluster(made: Make, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """What was installed there does not travel, which is said where there is any of it."""
    for name, value in {"IMAGE": "here", "LAB_ID": "a-lab", "TARGET": "cluster"}.items():
        monkeypatch.setenv(f"DLLAB_{name}", value)
    monkeypatch.setenv("DLLAB_OVERLAY", str(here / "overlay"))
    first = made(cell="print()")
    before = first.travels
    packages = here / "overlay" / "lib" / "python3.11" / "site-packages"
    (packages / "x-1.dist-info").mkdir(parents=True)

    assert (None, "") == (first.spec.lab, before)
    assert "installed in this lab" in made(cell="print()").travels
    assert "" == made("--image", "other", cell="print()").travels


def test_outside_of_a_lab(made: Make) -> None:
    """The image is the catalog's default, and there is no lab whose packages could go along."""
    spec = made(cell="print()").spec

    assert ("here", None) == (spec.image, spec.lab)


def test_a_lab_with_an_environment_of_its_own(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no image that a job could have: the line says so and names those there are."""
    monkeypatch.setenv("DLLAB_IMAGE", "custom")
    monkeypatch.setenv("DLLAB_LAB_ID", "a-lab")
    with pytest.raises(InvalidRequest) as caught:
        made(cell="print()")
    assert (
        "--image: this lab has an environment of its own, in which jobs cannot run. "
        "Choose an image for the job: one of here, other."
    ) == in_words(caught.value)

    assert None is made("--image", "here", cell="print()").spec.lab
