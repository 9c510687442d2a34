"""`Served`: what is to be served on a cluster, and how its objects are called and labelled.

A deployment has up to two tracks: the version that serves, and another one that is its canary. Each
is a Deployment and a Service of its own, so that whoever relays requests can choose between them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..errors import InvalidRequest
from ..names import slug
from ..specs import Canary, DeploymentSpec, ModelVersion
from .training import OWNER_ANNOTATION, OWNER_LABEL

__all__ = (
    "CANARY",
    "GENERATION",
    "ID_LABEL",
    "MODELS",
    "STABLE",
    "TRACK_LABEL",
    "VERSION_LABEL",
    "Served",
    "Track",
    "object_name",
)

#: The deployment's name. With the owner's label it says whose an object is.
ID_LABEL = "dllab-hub/deployment"
#: Which of the two tracks, and which version of the model a pod has.
TRACK_LABEL, VERSION_LABEL = "dllab-hub/track", "dllab-hub/version"
STABLE, CANARY = "stable", "canary"
#: Which time its replicas are made anew, for no other reason.
GENERATION = "dllab-hub/generation"
#: Directory of the claim with everybody's models.
MODELS = "models"
#: KServe makes ``<name>-canary-predictor`` of a name, and a pod's has 17 characters more.
_STEM, _DIGITS = 16, 10


@dataclass(frozen=True)
class Track:
    """One version of a deployment on a cluster.

    Attributes:
        name: ``stable`` or ``canary``.
        model: The version.
        replicas: How many there are to be, where they do not follow the load.
    """

    name: str
    model: ModelVersion
    replicas: int

    @property
    def scales(self) -> bool:
        """Whether its replicas may follow the load: a canary's never do."""
        return self.name == STABLE


@dataclass(frozen=True)
class Served:
    """A wish to serve a model, and what it came to.

    Attributes:
        owner: Person.
        spec: The wish.
        model: The version that the wish came to.
        created: Seconds since the epoch.
        updated: Of the last wish.
        canary: Another version that gets a part of the requests, or None.
        canary_model: That version; None without a canary.
        previous: Version that a rollback without a canary brings back; None: there is none.
        scaled: How many replicas there are to be, where the lab service has that follow the load.
        generation: Is another one when all replicas are to be made anew.

    Raises:
        InvalidRequest: a version is none of the model that the wish names, or the canary's is
            another one than its.
    """

    owner: str
    spec: DeploymentSpec
    model: ModelVersion
    created: float = 0.0
    updated: float = 0.0
    canary: Canary | None = None
    canary_model: ModelVersion | None = None
    previous: int | None = None
    scaled: int | None = None
    generation: int = 0

    def __post_init__(self) -> None:
        for version in (self.model, self.canary_model):
            if version is not None and version.model != self.spec.model:
                raise InvalidRequest("the version is of another model.", field="model")
        other = self.canary_model.version if self.canary_model else None
        if other != (self.canary.version if self.canary else None):
            raise InvalidRequest("there is no such version.", field="canary.version")
        if other == self.model.version:
            raise InvalidRequest("it is the one that serves already.", field="canary.version")

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What serves, and then its canary."""
        wished = self.spec.replicas if self.scaled is None else self.scaled
        stable = Track(STABLE, self.model, wished)
        if self.canary is None or self.canary_model is None:
            return (stable,)
        return stable, Track(CANARY, self.canary_model, self.canary.replicas)

    @property
    def name(self) -> str:
        """What its objects are called; those of a canary end with ``-canary``."""
        return object_name(self.owner, self.spec.name)

    @property
    def owner_label(self) -> str:
        """The person in labels and in paths of the claim."""
        return slug(self.owner)

    @property
    def labels(self) -> dict[str, str]:
        """Of all objects of it. No other deployment has both."""
        return {ID_LABEL: self.spec.name, OWNER_LABEL: self.owner_label}

    @property
    def notes(self) -> dict[str, str]:
        """Annotations of all objects of it."""
        return {OWNER_ANNOTATION: self.owner}

    @property
    def pod_notes(self) -> dict[str, str]:
        """Annotations of its pods."""
        return {**self.notes, GENERATION: str(self.generation)} if self.generation else self.notes

    def path_of(self, track: Track) -> str:
        """Directory of the version of a track, on the claim."""
        return f"{MODELS}/{self.owner_label}/{self.spec.model}/{track.model.version}"

    def name_of(self, track: Track) -> str:
        """What the objects of a track are called."""
        return self.name if track.name == STABLE else f"{self.name}-{track.name}"

    def selector(self, track: Track) -> dict[str, str]:
        """Labels by which its pods are found, whichever version they have."""
        return {**self.labels, TRACK_LABEL: track.name}

    def pod_labels(self, track: Track) -> dict[str, str]:
        """Labels of its pods."""
        return {**self.selector(track), VERSION_LABEL: str(track.model.version)}


def object_name(owner: str, name: str) -> str:
    """Name of the objects of a deployment: the same whenever it is asked for, so that they are
    created once only, and another for each person.

    As the name of a Service it begins with a letter.

    >>> object_name("ada", "digits")
    's-digits-556162e48a'
    """
    whose = f"{owner}\0{name}".encode("utf-8", "surrogatepass")
    return f"s-{name[:_STEM].strip('-')}-{hashlib.sha256(whose).hexdigest()[:_DIGITS]}"
