"""One person's lab for another: what was picked and what was installed, as a small file or a link.

The file is JSON, `SharedLab` in its own shape. Nothing personal is in it: no SSH key, no notebook,
no path. Who gets it fills in their form with it, or an administrator makes an image of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlencode, urlsplit

from pydantic import Field, model_validator

from . import images
from .errors import Conflict, InvalidRequest, TooLarge
from .images import ImageEnv, overlay
from .specs import CUSTOM, Image, LabSpec, Value
from .state import StateDir

__all__ = ("SharedLab", "adopt", "link", "of_this_lab")

#: Characters of a file that somebody sends; a lab of a hundred packages has four thousand.
_LARGEST = 100_000
#: One package of an index at one version: what pip takes from a list without an option or address.
_PIN = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]{0,80}"
#: What a form takes as a package: by its name, with versions and a condition perhaps. Somebody else
#: has written it, and it becomes a line of a requirements file: it has no option and no address.
_WANTED = re.compile(
    r"(?!.* -)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])? ?(\[[A-Za-z0-9._, -]*\])?"
    r" ?\(?((~=|===?|!=|<=?|>=?) ?[A-Za-z0-9][A-Za-z0-9.*+!_-]* ?(, ?)?)*\)?"
    r" ?(;[A-Za-z0-9_.,<>=!~()'\" +*-]*)?"
)
#: What the link does not carry: the key is personal, waiting and lending are up to who starts it.
_PERSONAL = {"ssh", "ssh_key", "wait", "lend", "requirements"}
#: Requirements a form takes.
_MOST_IN_A_LINK = 100


class SharedLab(Value):
    """What another lab needs to be like this one.

    Attributes:
        format: Of the file.
        lab: What was picked, without SSH.
        title: Of its image, for people.
        packages: What was installed on top of the image, ``name==version`` each.
    """

    format: Literal["dllab-lab/1"] = "dllab-lab/1"
    lab: LabSpec
    title: str = Field(default="", max_length=100)
    packages: tuple[Annotated[str, Field(pattern=f"^{_PIN}$")], ...] = Field(
        default=(), max_length=500
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lab.ssh_key:
            raise InvalidRequest("does not belong into a file for others.", field="lab.ssh_key")
        if not self.title.isprintable():
            raise InvalidRequest("has characters that cannot be printed.", field="title")
        for number, line in enumerate(self.lab.requirements):
            if not _WANTED.fullmatch(line):
                raise InvalidRequest(
                    "is no package of the index.", field=f"lab.requirements.{number}"
                )
        return self

    @classmethod
    def from_text(cls, text: str) -> SharedLab:
        """Read the file.

        Raises:
            InvalidRequest: it is no such file; the field is named.
            TooLarge: nobody's lab is that long.
        """
        if len(text) > _LARGEST:
            raise TooLarge("this is too long for the description of a lab.")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidRequest(
                "this is not JSON.", hint="It should be what `dllab lab export` has printed."
            ) from None
        if isinstance(data, dict) and "lab" not in data:
            raise InvalidRequest("this is no description of a lab.", field="lab")
        return cls.from_wire(data)

    def to_text(self) -> str:
        """The file's content."""
        wire = self.to_wire()
        wire["lab"] = self.lab.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"format": self.format, **wire}, indent=2, ensure_ascii=False) + "\n"


def of_this_lab(environ: Mapping[str, str]) -> tuple[SharedLab, list[str]]:
    """The lab that this process runs in.

    Args:
        environ: With what the hub said about the lab.

    Returns:
        It, and the names of packages that cannot travel: they came from a file, a directory or a
        repository and not from the package index.

    Raises:
        Conflict: this is no lab.
    """
    said = environ.get("DLLAB_LAB")
    if not said:
        raise Conflict("this is no lab.", hint="Run it in a terminal of a lab.")
    picked = LabSpec.from_wire(
        {key: value for key, value in json.loads(said).items() if key not in ("ssh", "ssh_key")}
    )
    place = environ.get("DLLAB_OVERLAY", "")
    there = overlay.installed(place) if place else []
    pins = [pin for pin in there if re.fullmatch(_PIN, pin)]
    left = [pin.partition(" @ ")[0] for pin in there if pin not in pins]
    lab = picked.model_copy(update={"requirements": _unmet(picked.requirements, pins)})
    shared = SharedLab(lab=lab, title=environ.get("DLLAB_IMAGE_TITLE", ""), packages=tuple(pins))
    return shared, sorted({*left, *(overlay.local(place) if place else ())}, key=str.lower)


def link(shared: SharedLab, hub: str = "/hub/") -> str:
    """Address of the hub's form, filled in like the lab; nothing starts by itself.

    Args:
        shared: The lab.
        hub: Address or path of the hub, with or without a slash at its end.

    Raises:
        InvalidRequest: more packages than a form takes, or ``hub`` is no address.
    """
    parts = urlsplit(hub)
    if parts.scheme not in ("", "http", "https") or (parts.scheme and not parts.netloc):
        raise InvalidRequest("must be an address such as https://hub.example/hub/.", field="hub")
    wanted = (*shared.lab.requirements, *shared.packages)
    if len(wanted) > _MOST_IN_A_LINK:
        raise InvalidRequest(
            f"the form takes {_MOST_IN_A_LINK} packages, and this lab has {len(wanted)}.",
            hint="Send the file; the administrator can make an image of it.",
            field="packages",
        )
    lab = shared.lab.model_dump(mode="json", exclude_defaults=True, exclude=_PERSONAL)
    fields: list[tuple[str, str]] = []
    for key, value in lab.items():
        if isinstance(value, bool):
            fields.append((key, "on" if value else "off"))
        elif isinstance(value, list):
            fields += [(key, str(each)) for each in value]
        else:
            fields.append((key, f"{value:g}" if isinstance(value, float) else str(value)))
    if wanted:
        fields.append(("requirements", "\n".join(wanted)))
    return f"{hub.rstrip('/')}/spawn#{urlencode(fields)}"


def adopt(state: StateDir, shared: SharedLab, name: str, title: str = "") -> ImageEnv:
    """Make a new image: the lab's image and what was installed on top of it.

    Only its files are written, below ``<root>/images/<name>``; build it like any other.

    Args:
        state: Where the administrator's images lie.
        shared: The lab.
        name: Of the new image.
        title: What people read; made of the image's title and the packages when empty.

    Raises:
        Conflict: there is an image of this name.
        InvalidRequest: the lab ran on an environment of the person's own, or no image can have this
            name or title.
        NotFound: this machine does not have the lab's image.
    """
    if shared.lab.image == CUSTOM:
        raise InvalidRequest(
            "this lab ran on an environment of the person's own.",
            hint="Only a lab of one of the hub's images can be adopted.",
            field="lab.image",
        )
    base = images.named(state, shared.lab.image)
    if base.image.serves:
        raise InvalidRequest("this image serves models.", field="lab.image")
    if any(env.image.name == name for env in images.find(state)):
        raise Conflict("there is an image of this name.", hint="Choose another.", field="name")
    added = (*shared.lab.requirements, *shared.packages)
    words = ", ".join(map(_name, added[:3])) + (", …" if len(added) > 3 else "")
    about = tomllib.loads((base.source / "image.toml").read_text())
    about["title"] = title or f"{base.image.title} with {words}"[:100] if added else title or name
    if not about["title"].isprintable():
        raise InvalidRequest("has characters that cannot be printed.", field="title")
    about["description"] = f"{base.image.title} with: {', '.join(added)}"[:500]
    about.pop("container", None)  # Of the image below, which lacks the packages.
    Image.from_wire({"name": name, **{key: about[key] for key in about if key != "contains"}})
    top = state.root / "images"
    top.mkdir(parents=True, exist_ok=True)
    partial = top / f".{name}.{os.getpid()}.tmp"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o755)
    (partial / "requirements.txt").write_text(_merged(base.source, added))
    (partial / "image.toml").write_text(
        "".join(f"{key} = {_toml(value)}\n" for key, value in about.items()), encoding="utf-8"
    )
    partial.replace(top / name)
    return images.named(state, name)


def _merged(base: Path, added: Sequence[str]) -> str:
    """The image's list, without what the lab had in another version, and what was added."""
    replaced = set(map(_name, added))
    kept = [
        line
        for line in (base / "requirements.txt").read_text().splitlines()
        if not line.strip() or line.startswith(("#", "-")) or _name(line) not in replaced
    ]
    return "\n".join([*kept, "# Of the lab that was adopted:", *added]) + "\n"


def _unmet(wanted: Sequence[str], pins: Sequence[str]) -> tuple[str, ...]:
    """What was asked for at the start and is not pinned: the image had it, or it is gone again."""
    there = set(map(_name, pins))
    return tuple(line for line in wanted if _name(line) not in there)


def _name(requirement: str) -> str:
    """The package's name as the index has it (PEP 503)."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else requirement


def _toml(value: object) -> str:
    """Strings and lists of strings: JSON's way to write them is TOML's too, but for one sign."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
