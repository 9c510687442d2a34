"""The replicas of a job in their JobSet: what they are called and where they are reached.

The JobSet has one ``replicatedJob`` for each role with one Indexed Job in it, so that a pod is
``<set>-<role>-0-<index>`` and reached as ``<set>-<role>-0-<index>.<set>``
(https://jobset.sigs.k8s.io/docs/concepts/). The names are known before anything is created.
"""

from __future__ import annotations

import re
from typing import Any

from ..specs import TrainingSpec

__all__ = ("FIRST_ATTEMPT", "gang", "role_name", "set_name")

#: Annotation of a JobSet and of its pods: the number that the first attempt of this launch has in
#: the job. JobSet counts from 0 again whenever it is made anew, as after a pause.
FIRST_ATTEMPT = "dllab-hub/first-attempt"
_STEM, _ROLE, _ID = 22, 12, 7
_NUMBER = re.compile(r"r[0-9]+")


def set_name(id: str) -> str:
    """Name of the JobSet of a job: the same for the same id, so that it is created once only.

    A pod's name, of at most 63 characters, begins with it, and as the name of a Service it must
    begin with a letter.

    >>> set_name("digits-b2c3d4f")
    't-digits-b2c3d4f'
    """
    stem, unique = id[: -_ID - 1], id[-_ID:]
    return f"t-{stem[:_STEM].strip('-')}-{unique}"


def role_name(spec: TrainingSpec, role: int) -> str:
    """What a role is called in the JobSet: its name, or its number when that is long or looks like
    the number of another.
    """
    name = spec.roles[role].name
    return f"r{role}" if len(name) > _ROLE or _NUMBER.fullmatch(name) else name


def gang(id: str, spec: TrainingSpec) -> dict[str, Any]:
    """What `dllab_hub.runtime.launcher` has to know of all replicas, as JSON.

    Args:
        id: Of the job.
        spec: The wish.
    """
    name = set_name(id)
    return {
        "id": id,
        "strategy": spec.strategy,
        "max_restarts": spec.max_restarts,
        "domain": name,
        "roles": [
            {
                "name": role.name,
                "host": f"{name}-{role_name(spec, number)}-0",
                "replicas": role.replicas,
                "processes": spec.processes_of(role),
                "gpus": role.gpus,
                "cpus": role.cpus,
            }
            for number, role in enumerate(spec.roles)
        ],
    }
