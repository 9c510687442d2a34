"""The hub's pages in a person's language."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import dllab_hub.hub
from dllab_hub.hub.form import _SAID_BY_SCRIPT
from dllab_hub.hub.words import FIELDS, LANGUAGES, Words, _locale, language_of
from dllab_hub.specs.capacity import SHORTAGES
from dllab_hub.specs.forecast import FORECASTS

HUB = Path(dllab_hub.hub.__file__).parent


def said_in(path: Path) -> set[str]:
    """Texts that a file hands to `Words`."""
    return set(re.findall(r'\b(?:t|words|self)\(\s*"((?:[^"\\]|\\.)*)"', path.read_text()))


@pytest.mark.parametrize(
    ("accept", "chosen", "expected"),
    [
        ("", "", "en"),
        ("de, fr", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"),
        ("fr, zh-TW;q=0.9, en;q=0.8", "", "zh-CN"),
        ("en;q=0.5, zh", "", "zh-CN"),
        ("zh;q=0, en;q=0.1", "", "en"),
        ("zh", "en", "en"),
        ("en", "zh", "zh-CN"),
        ("en", "<script>", "en"),
        ("zh;q=nonsense", "", "zh-CN"),
        (";;;,,," * 1000, "", "en"),
    ],
)
def test_language(accept: str, chosen: str, expected: str) -> None:
    """What the person chose, else what the browser wants most of what there is."""
    assert expected == language_of(accept, chosen)


def test_every_text_is_translated() -> None:
    """No page shows English among Chinese; no translation has a hole of its own."""
    texts = set().union(
        *(said_in(path) for path in HUB.rglob("*.html")),
        *(said_in(path) for path in HUB.glob("*.py")),
        _SAID_BY_SCRIPT.values(),
        FIELDS.values(),
        FORECASTS,
        SHORTAGES,
        ("1 minute", "{n} minutes", "1 hour", "{n} hours", "1 day", "{n} days"),
    )
    found = _locale("zh-CN")

    assert set() == texts - found["words"].keys()
    for english, chinese in {**found["words"], **found["sentences"]}.items():
        assert _holes(english) >= _holes(chinese), english
    assert {"en", "zh-CN"} == LANGUAGES.keys()


def _holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "Has to wait: none of 4 is free; held by your lab 'x', your job 'y' and 2 other people."
            " 3 jobs wait for GPUs too.",
            "需要等待：4 个全部被占用；占用者：您的实验室“x”、您的任务“y”和另外 2 人。"
            "另有 3 个任务也在等待 GPU。",
        ),
        ("PyTorch 2.13 is being built: 45 %.", "正在构建 PyTorch 2.13：45 %。"),
        ("must be 0 or more.", "必须是 0 或更大的数。"),
        (
            "Nobody has translated this, yet. Choose fewer.",
            "Nobody has translated this, yet. 请减少数量。",
        ),
        ("", ""),
    ],
)
def test_finished_sentences(english: str, chinese: str) -> None:
    """Sentences made elsewhere are recognized, with what stands in their holes."""
    assert chinese == Words("zh-CN").say(english)
    assert english == Words("en").say(english)


def test_a_refusal_is_taken_apart() -> None:
    """The field is found, so that the page can point at it."""
    message = "gpus: this machine has 2 GPUs. Choose from 0 to 2."
    english, chinese = Words().refusal(message), Words("zh-CN").refusal(message)
    none = Words().refusal("the hub is full: come back later")

    assert ("gpus", message) == (english.field, english.whole)
    assert "this machine has 2 GPUs. Choose from 0 to 2." == english.said
    assert "GPU：这台机器只有 2 个 GPU。请选择 0 到 2。" == chinese.whole
    assert ("", "the hub is full: come back later") == (none.field, none.whole)


def test_numbers() -> None:
    """Times and sizes are read in the unit that people would use."""
    words = Words()

    assert ["1 minute", "90 minutes", "1 hour", "4 hours", "1 day", "0 minutes"] == [
        words.minutes(n) for n in (1, 90, 60, 240, 1440, 0)
    ]
    assert ["one GPU", "2 GPUs"] == [words.gpus(1), words.gpus(2)]
    assert ["512 MB", "8 GB", "1.5 TB"] == [words.bytes(n << 20) for n in (512, 8192, 1572864)]
