"""The words of the hub's pages in a person's language: `Words`.

English is the key: ``words("Start a lab")``. What is not in ``locale/`` stays English, so a page is
never without a word. `Words.say` does the same for sentences that were made elsewhere, such as a
forecast or a refusal, which arrive as finished English.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ("COOKIE", "FIELDS", "LANGUAGES", "Refusal", "Words", "language_of")

#: Languages there are, each by its own name.
LANGUAGES = {"en": "English", "zh-CN": "简体中文"}
#: The cookie in which a person's choice of a language is kept.
COOKIE = "dllab-language"

#: What people call the fields of a `LabSpec`.
FIELDS = {
    "image": "Framework",
    "custom": "Your own environment",
    "gpus": "GPUs",
    "gpu_type": "GPU type",
    "cpus": "CPUs",
    "memory": "Memory",
    "volumes": "Data",
    "tensorboard": "TensorBoard",
    "ssh": "SSH",
    "ssh_key": "Your public key",
    "requirements": "Packages on top",
    "idle": "Stop when unused for",
    "wait": "When GPUs are taken",
    "lend": "Lend the GPUs to my own jobs",
}

#: Sentences end here; a dot inside a version or a file name is followed by no space.
_ENDS = re.compile(r"(?<=[.!?])\s+")
#: What fits into a hole; anything where its name says nothing.
_HOLES = {
    **dict.fromkeys(("bits", "largest", "limit", "mine", "most", "n", "number", "total"), "[0-9]+"),
    **dict.fromkeys(("job", "name"), "[^']+"),
    "free": "[0-9]+|[^;:]+ free",  # A number, or how many are free as a part of a sentence.
}
_HOLE = re.compile(r"\{(\w+)\}")


def language_of(accept: str, chosen: str = "") -> str:
    """The language to speak.

    Args:
        accept: The browser's ``Accept-Language``, most wanted first.
        chosen: What the person chose: a key of `LANGUAGES`, or the beginning of one.

    >>> language_of("fr, zh-TW;q=0.9, en;q=0.8")
    'zh-CN'
    """
    if found := _known(chosen):
        return found
    wishes = []
    for place, wish in enumerate(accept.split(",")[:20]):
        tag, _, weight = wish.partition(";")
        number = re.fullmatch(r"\s*q=([01](?:\.[0-9]{1,3})?)\s*", weight)
        wishes.append((-float(number[1]) if number else -1.0, place, tag.strip()))
    for weighed, _, tag in sorted(wishes):
        if weighed and (found := _known(tag)):
            return found
    return "en"


@dataclass(frozen=True)
class Refusal:
    """Why a start was refused, taken apart for a page.

    Attributes:
        field: Field of the form; empty when it is about none.
        said: The sentences, without the field.
        whole: All of it.
    """

    field: str
    said: str
    whole: str


class Words:
    """One language.

    Args:
        language: A key of `LANGUAGES`; anything else is English.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language if language in LANGUAGES else "en"
        self.languages = LANGUAGES
        found = _locale(self.language)
        self._words = found["words"]
        self._sentences = found["sentences"]

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language, with ``{holes}`` filled. Plain text: escape it."""
        said = self._words.get(text, text)
        return said.format(**values) if values else said

    def gpus(self, number: int) -> str:
        """So many GPUs."""
        return self("one GPU") if number == 1 else self("{n} GPUs", n=number)

    def minutes(self, number: int) -> str:
        """A length of time, in the largest unit that needs no fraction."""
        for unit, one, many in (
            (1440, "1 day", "{n} days"),
            (60, "1 hour", "{n} hours"),
            (1, "1 minute", "{n} minutes"),
        ):
            if number >= unit and not number % unit:
                count = number // unit
                return self(one) if count == 1 else self(many, n=count)
        return self("{n} minutes", n=number)

    def bytes(self, number: int) -> str:
        """A size, in units of 1024."""
        for power, unit in ((40, "TB"), (30, "GB"), (20, "MB")):
            if number >= 1 << power:
                return f"{number / (1 << power):.4g} {unit}"
        return f"{number} B"

    def refusal(self, message: str) -> Refusal:
        """What ``field: sentences`` of a `DLLabError` says, in this language."""
        name, colon, said = message.partition(": ")
        if not colon or name not in FIELDS:
            return Refusal("", message, self.say(message))
        whole = message if self.language == "en" else f"{self(FIELDS[name])}：{self.say(said)}"
        return Refusal(name, self.say(said), whole)

    def say(self, sentences: str) -> str:
        """Finished English sentences in this language; what is unknown stays as it is."""
        if self.language == "en" or not sentences:
            return sentences
        parts = [self._say(part) for part in _ENDS.split(sentences)]
        return "".join(
            part + (" " if part.isascii() and part is not parts[-1] else "") for part in parts
        )

    def _say(self, text: str, inside: bool = False) -> str:
        """One sentence, or with ``inside`` a part of one; the text itself when it is unknown."""
        if text in self._sentences or text in self._words:
            return self._sentences.get(text) or self._words[text]
        for pattern, said, is_list in _patterns(self.language):
            found = None if is_list and not inside else pattern.fullmatch(text)
            if found:
                return said.format(**{k: self._say(v, True) for k, v in found.groupdict().items()})
        if not inside:
            return text
        parts = text.split(", ")
        known = [self._say(part, True) for part in parts] if parts[1:] else []
        if known and known != parts:
            return "、".join(known)
        # A sentence inside another one has lost its dot.
        whole = "" if text.endswith(".") else self._say(f"{text}.")
        return whole.removesuffix("。") if whole and whole != f"{text}." else text


def _known(tag: str) -> str:
    first = tag.lower().partition("-")[0]
    return {"en": "en", "zh": "zh-CN"}.get(first, "")


@cache
def _locale(language: str) -> dict[str, dict[str, str]]:
    if language == "en":
        return {"words": {}, "sentences": {}}
    path = resources.files(__package__).joinpath("locale", f"{language.replace('-', '_')}.json")
    found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], str, bool], ...]:
    """Sentences with holes: how they look, what to say, and whether they only join parts.

    Those with more words of their own are tried first.
    """
    found = _locale(language)
    keys = {key: said for part in found.values() for key, said in part.items() if _HOLE.search(key)}
    own = {key: len(_HOLE.sub("", key)) for key in keys}
    return tuple(
        (re.compile(_pattern(key)), keys[key], own[key] < 6)
        for key in sorted(keys, key=lambda key: -own[key])
    )


def _pattern(english: str) -> str:
    """A regular expression for a sentence; a hole is as short as can be."""
    parts = _HOLE.split(english)
    return "".join(
        f"(?P<{part}>{_HOLES.get(part, '.+?')})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
