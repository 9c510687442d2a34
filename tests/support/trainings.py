"""One wish of each strategy, with everything on it that its manifest may say."""

from __future__ import annotations

from typing import Any

from dllab_hub.manifests.cluster import Cluster
from dllab_hub.specs import Code, Role, TrainingSpec

__all__ = ("CLUSTER", "ID", "WISHES")

ID = "digits-b2c3d4f"
CLUSTER = Cluster(claim="jobs")
_CODE = Code(source="print('hello')", args=("--lr", "$(HOME)"))
_COMMON: dict[str, Any] = {"name": "digits", "image": "torch", "code": _CODE}
WISHES: dict[str, TrainingSpec] = {
    "single": TrainingSpec(**_COMMON, strategy="single", max_restarts=0),
    "allreduce": TrainingSpec(
        **_COMMON,
        roles=(Role(replicas=4, gpus=2, cpus=8, memory=64 << 30),),
        env={"GREETING": "$(HOME) $$"},
        volumes=("sets", "team", "remote"),
    ),
    "ps": TrainingSpec(
        **_COMMON,
        strategy="ps",
        roles=(Role(name="chief"), Role(name="ps", replicas=2), Role(name="worker", replicas=3)),
    ),
    "custom": TrainingSpec(
        **_COMMON,
        strategy="custom",
        roles=(
            Role(name="a-role-with-a-long-name", replicas=2, command=("sh", "-c", "echo $HOME")),
            Role(name="learner", processes=2),
        ),
        success_role="learner",
    ),
}
