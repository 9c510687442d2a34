"""What is kept of every job, and how it is found again: `JobRecord`, `JobFilter`, `Annotation`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..errors import InvalidRequest
from .curve import Curve
from .job import Event, JobState, TrainingJob
from .tag import Tag
from .wire import Name, Value
from .workspace import WorkspaceFile

__all__ = (
    "MAX_COMPARED",
    "Annotation",
    "Artefact",
    "Environment",
    "Imported",
    "JobFilter",
    "JobRecord",
    "RecordBatch",
    "RecordPage",
)

#: Jobs that one comparison holds.
MAX_COMPARED = 8
_Time = Annotated[float, Field(ge=0, le=1e11)]


class JobFilter(Value):
    """Which jobs of a history are wanted; what is left out does not matter.

    Attributes:
        states: Only jobs in one of these.
        name: Of the job, without the end of its id.
        image: Name of its image.
        tag: One that it has.
        text: Words that are all in its id, name, tags, notes, reason, diagnosis, image, arguments
            or the first 8192 characters of its code; case does not matter.
        since: Created then or later, seconds since the epoch.
        until: Created before.
        favourite: Only favourites.
    """

    states: tuple[JobState, ...] = Field(default=(), max_length=16)
    name: Name | None = None
    image: Name | None = None
    tag: Tag | None = None
    text: str = Field(default="", max_length=200)
    since: _Time | None = None
    until: _Time | None = None
    favourite: bool = False

    @property
    def query(self) -> dict[str, object]:
        """As the parameters of an address; None for what does not matter."""
        return {
            "state": tuple(state.value for state in self.states),
            "name": self.name,
            "image": self.image,
            "tag": self.tag,
            "text": self.text or None,
            "since": self.since,
            "until": self.until,
            "favourite": 1 if self.favourite else None,
        }


class Annotation(Value):
    """What a person writes down about a job; None leaves it as it is.

    Attributes:
        tags: All tags it is to have.
        notes: Plain text.
        favourite: Whether its files are kept whatever the policy is, and it is found quickly.
    """

    tags: tuple[Tag, ...] | None = Field(default=None, max_length=20)
    notes: str | None = Field(default=None, max_length=20_000)
    favourite: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Annotation:
        if self.tags is not None and len(set(self.tags)) != len(self.tags):
            raise InvalidRequest("a tag is there twice.", field="tags")
        if self.notes is not None and "\0" in self.notes:
            raise InvalidRequest("must be text.", field="notes")
        return self


class Environment(Value):
    """What a job ran in.

    Attributes:
        image: Name of the image.
        title: What people read, such as ``PyTorch 2.13``.
        python: Python version, such as ``3.11.7``.
        packages: Version of each package of the image, by name.
        overlay: Version of each package that the lab had beside them, by name.
    """

    image: str
    title: str = ""
    python: str = ""
    packages: dict[str, str] = Field(default_factory=dict, max_length=5000)
    overlay: dict[str, str] = Field(default_factory=dict, max_length=5000)


class Artefact(Value):
    """A file that a job left.

    Attributes:
        path: Relative to the job's directory, such as ``workspace/model.onnx``.
        size: Bytes.
        time: When it was last changed, seconds since the epoch.
    """

    path: str
    size: int
    time: float


class JobRecord(Value):
    """A job with everything that is known of it. Its own, when its files are long gone.

    Attributes:
        job: The job, its wish and its code included.
        events: Oldest first.
        environment: None when it never started.
        files: Of the workspace that travelled with it.
        artefacts: What it left beside its code, largest first, at most 200; as of its last end.
        curves: Its metrics and what it used, thinned.
        logs: The end of each replica's log in its last attempt, by replica.
    """

    job: TrainingJob
    events: tuple[Event, ...] = ()
    environment: Environment | None = None
    files: tuple[WorkspaceFile, ...] = ()
    artefacts: tuple[Artefact, ...] = Field(default=(), max_length=200)
    curves: tuple[Curve, ...] = ()
    logs: dict[str, str] = Field(default_factory=dict)


class Imported(Value):
    """What became of lines that were imported.

    Attributes:
        added: Ids of jobs that are new.
        known: Ids of jobs that were there already, which are as they were.
    """

    added: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


class RecordPage(Value):
    """Some records, newest first.

    Attributes:
        records: At most as many as asked for.
        next: Hand this back for the following page; None on the last.
    """

    records: tuple[JobRecord, ...]
    next: str | None = None


class RecordBatch(Value):
    """Records to be kept, as lines of an export hold them."""

    records: tuple[JobRecord, ...] = Field(min_length=1, max_length=500)
