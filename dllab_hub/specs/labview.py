"""A lab as its person sees it after the start: `LabView`."""

from __future__ import annotations

from .wire import Value

__all__ = ("LabView", "LabVolume", "SshDoor")


class LabVolume(Value):
    """A data volume of a lab.

    Attributes:
        name: Of the catalog.
        title: For people.
        read_only: Whether nothing can be written there.
        place: Where it is, relative to the notebooks, or absolute.
    """

    name: str
    title: str
    read_only: bool
    place: str


class SshDoor(Value):
    """How one logs in to a lab with SSH.

    Attributes:
        user: Account of the machine or container.
        path: Of the WebSocket that carries the connection, on the lab's own address.
        host_keys: Public keys that the lab proves itself with.
        command: To run once on one's own machine.
        alias: What the lab is called there from then on: ``ssh <alias>``.
        problem: Why one cannot log in now, and what to do; empty when one can.
    """

    user: str
    path: str
    host_keys: tuple[str, ...]
    command: str
    alias: str
    problem: str = ""


class LabView(Value):
    """A running lab.

    Attributes:
        id: What a job names to get what was installed here; empty where that is not kept apart.
        title: Of its image.
        image: Name of its image.
        gpus: How many it holds.
        gpu_type: Name of their type; empty when any would do.
        volumes: Its data.
        lab: Path of JupyterLab on the lab's own address.
        landing: Path of the page that says all this.
        tensorboard: Path of TensorBoard; empty when it was not picked.
        ssh: None when it was not picked.
        idle: Minutes without use after which the lab is stopped; 0 is never.
    """

    id: str = ""
    title: str
    image: str
    gpus: int
    gpu_type: str = ""
    volumes: tuple[LabVolume, ...] = ()
    lab: str
    landing: str
    tensorboard: str = ""
    ssh: SshDoor | None = None
    idle: int = 0
