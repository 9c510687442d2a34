"""`Wish`: what has to be known of a lab, a job or a deployment to say why a pod of it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from ..specs import DeploymentSpec, LabSpec, Remedy, TrainingSpec

__all__ = ("Wish",)


@dataclass(frozen=True)
class Wish:
    """One pod's wish.

    Attributes:
        what: The word for it in sentences.
        gpus: GPUs of one pod.
        patient: Whether it goes on waiting when no machine can be added now.
        own_image: Whether the image is one that the person brought.
    """

    what: Literal["lab", "job", "deployment"]
    gpus: int = 0
    patient: bool = False
    own_image: bool = False

    @classmethod
    def of_lab(cls, spec: LabSpec) -> Self:
        """A lab is one pod."""
        return cls("lab", gpus=spec.gpus, patient=spec.wait > 0, own_image=bool(spec.custom))

    @classmethod
    def of_role(cls, spec: TrainingSpec, role: str) -> Self:
        """One replica of a job; jobs wait as long as it takes."""
        gpus = next((each.gpus for each in spec.roles if each.name == role), 0)
        return cls("job", gpus=gpus, patient=True)

    @classmethod
    def of_deployment(cls, spec: DeploymentSpec) -> Self:
        """One replica of a deployment; it never starts without its GPUs."""
        return cls("deployment", gpus=spec.gpus, patient=True)

    @property
    def count(self) -> str:
        """How many GPUs, in words."""
        return "one" if self.gpus == 1 else str(self.gpus)

    @property
    def waits(self) -> tuple[Remedy, ...]:
        """What can be done while it waits; only a lab has a CPU to fall back on."""
        cpu = (Remedy.CPU,) if self.gpus and self.what == "lab" else ()
        return (Remedy.WAIT, *cpu, Remedy.CANCEL)

    @property
    def ends(self) -> tuple[Remedy, ...]:
        """What can be done when waiting is vain."""
        return (Remedy.RETRY, Remedy.CANCEL)
