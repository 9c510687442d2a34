"""Who may ask a deployment: its owner, groups of the hub, everyone in it, and who has a key."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .deployment import DeploymentState
from .model import Tensor
from .wire import Name, Value

__all__ = (
    "MAX_KEYS",
    "Access",
    "Callers",
    "DeploymentKey",
    "Endpoint",
    "EndpointPage",
    "KeyWish",
    "NewKey",
)

#: Keys of one deployment.
MAX_KEYS = 50
#: A group of a hub: printable, since people read it.
_Group = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=255)]
_Title = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=80)]
_YEAR = 365 * 86400


class Callers(Value):
    """People of the hub who may ask a deployment with a token of their own.

    >>> Callers(who="groups", groups=("vision",)).groups
    ('vision',)

    Attributes:
        who: ``owner``: nobody else; ``groups``: who is in one of ``groups`` as well; ``everyone``:
            whoever may use the lab.
        groups: Names of groups of the hub.
    """

    who: Literal["owner", "groups", "everyone"] = "owner"
    groups: tuple[_Group, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.who == "groups" and not self.groups:
            raise InvalidRequest("needs the name of at least one group.", field="groups")
        if self.who != "groups" and self.groups:
            raise InvalidRequest('goes with "who": "groups" only.', field="groups")
        return self


class DeploymentKey(Value):
    """A key for a program outside the hub; it opens one deployment and nothing else.

    Attributes:
        id: 8 characters; also the beginning of the key, after ``dlk_``.
        title: What it is for.
        created: Seconds since the epoch.
        expires: From then on it opens nothing, or None.
        used: Last, to within a minute; None: never.
    """

    id: str
    title: str
    created: float
    expires: float | None = None
    used: float | None = None


class KeyWish(Value):
    """A wish for a key.

    Attributes:
        title: What it is for.
        lifetime: Seconds for which it is good; None: until it is revoked.
    """

    title: _Title
    lifetime: float | None = Field(default=None, ge=60, le=10 * _YEAR)


class NewKey(DeploymentKey):
    """A key that was just made.

    Attributes:
        key: The key itself. It is shown this once: only its digest is kept.
    """

    key: str


class Access(Value):
    """Who may ask a deployment, and the keys to it, oldest first."""

    callers: Callers = Callers()
    keys: tuple[DeploymentKey, ...] = ()


class Endpoint(Value):
    """A deployment that somebody may ask, their own or another person's.

    Attributes:
        owner: Whose it is.
        model: Name of the model behind it.
        version: That answers what is not a canary's.
        url: Path at the address of whoever answered, with a slash at its end.
        inputs: What it takes.
        outputs: What it gives.
        example: JSON text of a request that it answers; may be empty.
    """

    owner: str
    name: Name
    model: str
    version: int
    state: DeploymentState
    url: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    example: str = ""


class EndpointPage(Value):
    """Some endpoints by owner and name, and where the next page begins, or None."""

    endpoints: tuple[Endpoint, ...]
    next: str | None = None
