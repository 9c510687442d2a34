"""`Submission`: a wish that is ready to be sent, and what travels with it."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Conflict, DLLabError, InvalidRequest
from ..modules import extra_files
from ..runtime.data import VolumeError, volumes
from ..specs import (
    CUSTOM,
    MAX_WORKSPACE_BYTES,
    Catalog,
    Code,
    Preflight,
    Quote,
    Role,
    Target,
    TrainingJob,
    TrainingSpec,
)
from .commit import commit_of
from .options import as_typed
from .program import Program
from .travel import snapshot_for, travel_text
from .wish import fields_of, typed_in

if TYPE_CHECKING:
    from ..client import Client
    from ..workspace import Snapshot

__all__ = ("Submission", "named_by_option", "prepare")

#: How often a directory is looked at again whose files change while they are sent.
_AGAIN = 2


@dataclass(frozen=True)
class Submission:
    """A wish, and the directory that travels with it.

    Attributes:
        spec: The wish.
        snapshot: Of the directory, or None when only imported modules travel.
        limit: Most bytes of that directory.
    """

    spec: TrainingSpec
    snapshot: Snapshot | None = None
    limit: int = MAX_WORKSPACE_BYTES

    @property
    def travels(self) -> str:
        """What travels and what does not, for people; empty when what is imported is all."""
        text = travel_text(self.snapshot) if self.snapshot else ""
        return "\n".join(filter(None, (text, _left_behind(self.spec.image))))

    def send(self, client: Client) -> TrainingJob:
        """Send the files that are not there yet, and submit the job.

        Raises:
            DLLabError: as the lab raised it; its field is an option.
        """
        with named_by_option(self.spec.roles):
            return client.submit(self._uploaded(client))

    def check(self, client: Client) -> Preflight:
        """Only look for what would make the job fail; what is imported is imported for real."""
        with named_by_option(self.spec.roles):
            return client.preflight(self._uploaded(client), deep=True)

    def price(self, client: Client) -> Quote:
        """What the job would cost, and when it would start; nothing is sent but the wish."""
        with named_by_option(self.spec.roles):
            return client.quote(self.spec)

    def _uploaded(self, client: Client) -> TrainingSpec:
        if self.snapshot is None:
            return self.spec
        from ..workspace import scan

        snapshot = self.snapshot
        for again in range(_AGAIN, -1, -1):
            try:
                sent = client.upload_workspace(snapshot.workspace, snapshot.root)
            except Conflict:  # A file has changed since it was looked at.
                if not again:
                    raise
                snapshot = scan(snapshot.root, limit=self.limit)
            else:
                break
        return self.spec.model_copy(update={"workspace": sent.id})


def prepare(
    options: argparse.Namespace,
    program: Program,
    *,
    name: str,
    here: Path,
    catalog: Callable[[], Catalog],
) -> Submission:
    """The wish.

    Args:
        options: Of a parser that went through `add_options`.
        program: What runs.
        name: Of the job, when ``--name`` is not given.
        here: Working directory.
        catalog: Asked only when neither ``--image`` nor the lab says which image, when a directory
            travels, and when ``--target`` is given.

    Raises:
        InvalidRequest: something is wrong; syntax errors carry ``line``.
        TooLarge: too much would travel.
    """
    program.check()
    fields = fields_of(typed_in(options))
    snapshot, root, filename, limit = snapshot_for(options, program, here, catalog)
    program = dataclasses.replace(program, filename=filename)
    known = {file.path for file in snapshot.workspace.files} if snapshot else set()
    files = program.imports(root, known) | extra_files(options.files, root)
    files = {k: v for k, v in files.items() if k not in program.own} | dict(program.parts)
    image = fields.get("image") or _lab_image(catalog)
    place = _place(fields.get("target"), catalog)
    wish = {
        "name": name,
        "image": image,
        "volumes": _lab_volumes(place, catalog) if "volumes" not in fields else (),
        # What was installed in it lies on the machine.
        "lab": None if place is not None and place.kind == "cluster" else _lab_in(image),
        "workspace": snapshot.workspace.id if snapshot else None,
        "git": commit_of(root),
        **fields,
    }
    with named_by_option(wish.get("roles", ())):
        return Submission(TrainingSpec(code=_code(program, files), **wish), snapshot, limit)


def _code(program: Program, files: dict[str, str]) -> Code:
    try:
        return Code(
            kind=program.kind,
            source=program.source,
            filename=program.filename,
            module=program.module,
            args=program.args,
            files=files,
        )
    except InvalidRequest as exc:
        exc.field = f"code.{exc.field}"
        raise


@contextmanager
def named_by_option(roles: tuple[Role, ...]) -> Iterator[None]:
    """Errors name the option to change in place of the field, whose role only this place knows."""
    try:
        yield
    except DLLabError as exc:
        exc.field = as_typed(exc.field, roles) or exc.field
        raise


def _lab_image(catalog: Callable[[], Catalog]) -> str:
    image = os.environ.get("DLLAB_IMAGE")
    if image != CUSTOM:
        return image or catalog().default_image
    offered = ", ".join(each.name for each in catalog().images)
    raise InvalidRequest(
        "this lab has an environment of its own, in which jobs cannot run.",
        hint=f"Choose an image for the job: one of {offered}.",
        field="image",
    )


def _lab_in(image: str) -> str | None:
    """The lab whose packages are wanted too, if it has any apart; they fit its own image only."""
    if image != os.environ.get("DLLAB_IMAGE") or not os.environ.get("DLLAB_OVERLAY"):
        return None
    if os.environ.get("DLLAB_TARGET") == "cluster":  # A job's pod sees nothing of a lab's home.
        return None
    return os.environ.get("DLLAB_LAB_ID") or None


def _left_behind(image: str) -> str:
    """What a job of the lab's image on a cluster lacks, for people; empty for nothing."""
    top, here = os.environ.get("DLLAB_OVERLAY"), os.environ.get("DLLAB_IMAGE")
    if os.environ.get("DLLAB_TARGET") != "cluster" or image != here or not top:
        return ""
    if not any(Path(top).glob("lib/python*/site-packages/*.dist-info")):
        return ""
    return "not with it: what was installed in this lab. The job has what its image has."


def _place(name: str | None, catalog: Callable[[], Catalog]) -> Target | None:
    """The place that was named; None without one, and for a name that the lab will refuse."""
    if name is None:
        return None
    return next((place for place in catalog().targets if place.name == name), None)


def _lab_volumes(place: Target | None, catalog: Callable[[], Catalog]) -> tuple[str, ...]:
    """Those of the lab, as far as they are where the job runs."""
    try:
        mine = tuple(volumes())
        if place is None or not mine:
            return mine
        absent = {each.name for each in catalog().volumes if not place.has(each)}
        return tuple(name for name in mine if name not in absent)
    except VolumeError as exc:
        raise InvalidRequest(
            str(exc), hint="Name the volumes, or none: --volumes", field="volumes"
        ) from exc
