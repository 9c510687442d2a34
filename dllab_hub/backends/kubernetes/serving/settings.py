"""What the administrator has said of serving on a cluster: `serving_of`::

    [serving.cluster]
    namespace = "dllab-serving"
    claim = "dllab-shared"

Its images are those of the catalog that have ``serves`` and ``container``.
"""

from __future__ import annotations

from typing import Any

from ....catalog import serving_images, settings_of
from ....errors import DLLabError, InvalidRequest
from ....manifests.serving_cluster import ServingCluster
from ....settings import only
from ....state import StateDir

__all__ = ("serving_of",)


def serving_of(state: StateDir) -> ServingCluster | None:
    """The table ``serving.cluster`` of ``LabCatalog`` or ``catalog.toml``. Blocks.

    Returns:
        None where there is none: models are not served then.

    Raises:
        DLLabError: it is wrong; the message names the key.
    """
    said: Any = settings_of(state).get("serving", {})
    try:
        only({"cluster", "pickles"}, said, "serving")
        table = said.get("cluster")
        if table is None:
            return None
        only(set(ServingCluster.model_fields) - {"images"}, table, "serving.cluster")
        images = [one for one in serving_images(state) if one.container]
        if not images:
            raise InvalidRequest(
                "no image of the catalog has both serves and container.",
                hint="Offer one of ours: images/serving.",
                field="images",
            )
        return ServingCluster.from_wire({**table, "images": [one.to_wire() for one in images]})
    except InvalidRequest as exc:
        field = exc.field or ""
        where = field if field.startswith(("serving", "images")) else f"serving.cluster.{field}"
        named = InvalidRequest(exc.message, hint=exc.hint, field=where)
        raise DLLabError(
            f"the settings of serving (LabCatalog, catalog.toml) are wrong: {named}",
            hint="The administrator can fix it.",
        ) from exc
