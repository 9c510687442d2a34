"""One reading of what a person picked, whichever way it came in: form, ``?opt-`` link or REST.

The form and the link carry text in lists; `from_form` and `from_query` only change that shape.
`read_options` turns text into numbers and is the one validation; the spawner calls it before a
start and once more in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import DLLabError, InvalidRequest
from ..specs import Catalog, LabSpec

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # Hub 5 has none; there the same attributes on its base class do.
    from tornado.web import HTTPError as SpawnException

__all__ = ("Refused", "from_form", "from_query", "read_options")

_LISTS = {"volumes"}
_YES = {"1", "on", "true", "yes"}
_NO = {"0", "off", "false", "no"}
#: A hidden field of the form: a check box that is not ticked sends nothing at all.
_FORM_MARK = "form"


class Refused(SpawnException):  # type: ignore[misc]
    """A `DLLabError` as JupyterHub shows it: a plain sentence on the page, its status in REST.

    The hub prints ``jupyterhub_message`` in both places; everything else that it could print
    (class, reason, text meant for the log) stays out of sight.
    """

    log_message = ""  # Tornado's is a property of the class that cannot be set.

    def __init__(self, error: DLLabError) -> None:
        Exception.__init__(self, str(error))
        self.error = error
        self.message = self.jupyterhub_message = str(error)
        self.message_html = ""
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
        options.setdefault("tensorboard", "off")
    return options


def from_query(data: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The options of a ``?opt-image=...`` link; hub 5 leaves the prefix for us to strip."""
    prefixed = {key[4:]: value for key, value in data.items() if key.startswith("opt-")}
    return _single(prefixed or data)


def read_options(options: object, catalog: Catalog, gpus: int) -> LabSpec:
    """What the lab will be.

    Args:
        options: JupyterHub's ``user_options``, which anybody with a token writes as they like.
        catalog: What is offered.
        gpus: How many GPUs this machine has.

    Raises:
        InvalidRequest: naming the field and the fix.
    """
    if not isinstance(options, dict):
        raise InvalidRequest("the options of a lab are a JSON object.")
    if set(options) == {"user_options"} and isinstance(options["user_options"], dict):
        options = options["user_options"]  # Hub 6 unwraps it, hub 5 does not.
    wish = {"image": catalog.default_image, **options}
    if isinstance(wish["image"], str):
        catalog.image(wish["image"])  # Says what there is, also when it is no valid name.
    if isinstance(wish.get("gpus"), str):
        wish["gpus"] = _number(wish["gpus"])
    if isinstance(wish.get("tensorboard"), str):
        wish["tensorboard"] = _flag(wish["tensorboard"])
    for name in wish.get("volumes") or () if isinstance(wish.get("volumes"), list) else ():
        if isinstance(name, str):
            catalog.volume(name)
    for field in ("image", "gpus", "tensorboard"):
        if isinstance(wish.get(field), list):
            raise InvalidRequest("takes one value, not several.", field=field)
    number = wish.get("gpus")
    if isinstance(number, int) and number < 0:
        raise InvalidRequest("must be 0 or more.", field="gpus")
    if isinstance(number, int) and number > gpus:
        if not gpus:
            raise InvalidRequest(
                "this machine has no NVIDIA GPU.", hint="Choose 0; the CPU is used.", field="gpus"
            )
        has = "one GPU" if gpus == 1 else f"{gpus} GPUs"
        raise InvalidRequest(
            f"this machine has {has}.", hint=f"Choose from 0 to {gpus}.", field="gpus"
        )
    return LabSpec.from_wire(wish).check(catalog)


def _single(data: Mapping[str, list[Any]]) -> dict[str, Any]:
    """One value for a list of one, except where a list is meant."""
    return {
        key: values[0] if len(values) == 1 and key not in _LISTS else list(values)
        for key, values in data.items()
        if key != "_xsrf"  # The hub's own.
    }


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,6}", text.strip()):
        raise InvalidRequest("must be a whole number, such as 1.", field="gpus")
    return int(text)


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise InvalidRequest("must be on or off.", field="tensorboard")
    return word in _YES
