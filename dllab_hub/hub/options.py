"""One reading of what a person picked, whichever way it came in: form, ``?opt-`` link or REST.

The form and the link carry text in lists; `from_form` and `from_query` only change that shape.
`read_options` turns text into numbers and is the one validation; both spawners call it before a
start and once more in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DLLabError, InvalidRequest
from ..settings import size
from ..specs import CUSTOM, MAX_WAIT, Catalog, LabSpec
from .sshkey import read_keys
from .wishlist import read_requirements

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # Hub 5 has none; there the same attributes on its base class do.
    from tornado.web import HTTPError as SpawnException

__all__ = ("Refused", "brings_code", "from_form", "from_query", "read_options")

_LISTS = {"volumes"}
_FLAGS = ("tensorboard", "ssh", "lend")
_YES = {"1", "on", "true", "yes"}
_NO = {"0", "off", "false", "no"}
#: A hidden field of the form: a check box that is not ticked sends nothing at all.
_FORM_MARK = "form"
#: Fields that bring somebody's programs or let somebody in.
_CODE = ("requirements", "custom", "ssh_key")


class Refused(SpawnException):  # type: ignore[misc]
    """A `DLLabError` as JupyterHub shows it: a plain sentence on the page, its status in REST.

    The hub prints ``jupyterhub_message`` in both places; everything else that it could print
    (class, reason, text meant for the log) stays out of sight.

    Args:
        error: What is in the way.
        html: The same with buttons, for the page that waits for the lab; escaped already.
    """

    log_message = ""  # Tornado's is a property of the class that cannot be set.

    def __init__(self, error: DLLabError, html: str = "") -> None:
        Exception.__init__(self, str(error))
        self.error = error
        self.message = self.jupyterhub_message = str(error)
        self.message_html = ""
        if html:
            self.jupyterhub_html_message = html
        self.log_message = self.message.replace("%", "%%")  # Hub 5 fills `args` into it.
        self.args = ()
        self.reason = error.code
        self.status_code = error.status

    def __str__(self) -> str:
        return self.message


def from_form(data: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The options of a posted form: lists of strings, unticked boxes missing."""
    options = _single(data)
    if options.pop(_FORM_MARK, None) is not None:
        options.setdefault("volumes", [])
        for field in _FLAGS:
            options.setdefault(field, "off")
        if options.get("image") != CUSTOM:
            options.pop("custom", None)  # Typed and then not chosen.
        if options["ssh"] == "off" and not _is_key(options.get("ssh_key")):
            options.pop("ssh_key", None)  # The same; its field is hidden then.
    return options


def from_query(data: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The options of a ``?opt-image=...`` link; hub 5 leaves the prefix for us to strip."""
    prefixed = {key[4:]: value for key, value in data.items() if key.startswith("opt-")}
    return _single(prefixed or data)


def brings_code(options: Mapping[str, Any]) -> str:
    """The field with which these options run what the administrator does not offer, or ``""``."""
    return next((field for field in _CODE if options.get(field)), "")


def read_options(options: object, catalog: Catalog, gpus: int | None) -> LabSpec:
    """What the lab will be.

    Args:
        options: JupyterHub's ``user_options``, which anybody with a token writes as they like.
        catalog: What is offered to this person.
        gpus: How many GPUs this machine has; None on a cluster.

    Raises:
        InvalidRequest: naming the field and the fix.
    """
    if not isinstance(options, dict):
        raise InvalidRequest("the options of a lab are a JSON object.")
    if set(options) == {"user_options"} and isinstance(options["user_options"], dict):
        options = options["user_options"]  # Hub 6 unwraps it, hub 5 does not.
    wish = {"image": catalog.default_image, **options}
    for field, value in wish.items():
        if field in _READ and isinstance(value, list) and field not in _MANY:
            raise InvalidRequest("takes one value, not several.", field=field)
        if field in LabSpec.model_fields and not _is_finite(value):
            raise InvalidRequest("must be a finite number.", field=field)
    if isinstance(wish["image"], str) and wish["image"] != CUSTOM:
        catalog.image(wish["image"])  # Says what there is, also when it is no valid name.
    for field, read in _READ.items():
        if isinstance(wish.get(field), str):
            wish[field] = read(wish[field], field)
    for name in wish.get("volumes") or () if isinstance(wish.get("volumes"), list) else ():
        if isinstance(name, str):
            catalog.volume(name)
    if isinstance(wish.get("gpu_type"), str) and wish["gpu_type"]:
        catalog.gpu_type(wish["gpu_type"])
    _check_gpus(wish.get("gpus"), gpus)
    for field, most in (("wait", MAX_WAIT), ("idle", 100_000)):
        number = wish.get(field)
        if isinstance(number, int) and not isinstance(number, bool) and not 0 <= number <= most:
            raise InvalidRequest(f"must be 0 to {most} minutes.", field=field)
    spec = LabSpec.from_wire(wish).check(catalog)
    if spec.requirements:
        read_requirements("\n".join(spec.requirements), "requirements")
    if spec.ssh:
        read_keys(spec.ssh_key, "ssh_key")
    return spec


def _is_key(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(read_keys(text, "ssh_key"))
    except InvalidRequest:
        return False


def _is_finite(value: object) -> bool:
    """JSON of other languages may hold NaN and Infinity; no field of ours does."""
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _check_gpus(wanted: object, gpus: int | None) -> None:
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return
    if wanted < 0:
        raise InvalidRequest("must be 0 or more.", field="gpus")
    if gpus is None or wanted <= gpus:
        return
    if not gpus:
        raise InvalidRequest(
            "this machine has no NVIDIA GPU.", hint="Choose 0; the CPU is used.", field="gpus"
        )
    has = "one GPU" if gpus == 1 else f"{gpus} GPUs"
    raise InvalidRequest(f"this machine has {has}.", hint=f"Choose from 0 to {gpus}.", field="gpus")


def _single(data: Mapping[str, list[Any]]) -> dict[str, Any]:
    """One value for a list of one, except where a list is meant."""
    return {
        key: values[0] if len(values) == 1 and key not in _LISTS else list(values)
        for key, values in data.items()
        if key != "_xsrf"  # The hub's own.
    }


def _text(text: str, field: str) -> str:
    return text


def _stripped(text: str, field: str) -> str:
    return text.strip(" ")


def _whole(text: str, field: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,6}", text.strip()):
        raise InvalidRequest("must be a whole number, such as 1.", field=field)
    return int(text)


def _number(text: str, field: str) -> float | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,4}([.][0-9]{1,3})?", text.strip()):
        raise InvalidRequest("must be a number, such as 2 or 0.5.", field=field)
    return float(text)


def _bytes(text: str, field: str) -> int | None:
    return size(text, field) if text else None


def _minutes(text: str, field: str) -> int | None:
    return _whole(text, field) if text else None


def _flag(text: str, field: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise InvalidRequest("must be on or off.", field=field)
    return word in _YES


#: How the text of a form or a link is read, for every field that has one value.
_READ: dict[str, Callable[[str, str], Any]] = {
    "image": _text,
    "custom": _stripped,
    "gpus": _whole,
    "gpu_type": _text,
    "cpus": _number,
    "memory": _bytes,
    "tensorboard": _flag,
    "ssh": _flag,
    "ssh_key": read_keys,
    "requirements": read_requirements,
    "idle": _minutes,
    "wait": _whole,
    "lend": _flag,
}
#: Fields whose values are lists also where JSON is sent.
_MANY = {"requirements"}
