"""Which volumes a job gets from the words of ``%%train`` and ``dllab submit``."""

from __future__ import annotations

from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import TrainingSpec
from dllab_hub.submission import Words, add_options, in_words, to_spec


def spec_of(root: Path, *words: str) -> TrainingSpec:
    """The wish that these words make."""
    parser = Words(prog="%%train")
    add_options(parser)
    return to_spec(
        parser.read(words),
        "print()",
        name="train",
        filename="train.py",
        root=root,
        args=(),
        default_image=lambda: "here",
    )


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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lab: str,
    words: tuple[str, ...],
    volumes: tuple[str, ...],
) -> None:
    """Those of the lab, or the ones that are named, or none."""
    monkeypatch.setenv("DLLAB_VOLUMES", lab)
    assert volumes == spec_of(tmp_path, *words).volumes


@pytest.mark.parametrize(
    ("lab", "words", "said"),
    [
        ("", ("--volumes", "../etc"), "--volumes: "),
        ("", ("--volumes", "a", "a"), "--volumes: a volume is named twice."),
        ("damaged", (), "--volumes: the variable DLLAB_VOLUMES is damaged. Name the volumes"),
    ],
)
def test_wrong_volumes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lab: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    """What is wrong is one line with the option in front."""
    monkeypatch.setenv("DLLAB_VOLUMES", lab)
    with pytest.raises(InvalidRequest) as caught:
        spec_of(tmp_path, *words)
    assert in_words(caught.value).startswith(said)
