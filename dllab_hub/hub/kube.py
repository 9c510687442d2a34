"""`LabKubeSpawner`: labs as pods of a cluster, made of what the administrator's catalog offers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from traitlets import default

from ..errors import Conflict, DLLabError
from ..manifests.environment import escape, lab_environment
from ..manifests.lab import SETTINGS, pod_settings
from ..manifests.packages import overlay_environment
from ..names import slug
from ..specs import MAX_WAIT, Catalog, LabSpec
from . import boards
from .cluster import ClusterCapacity
from .config import LabCatalog
from .form import Offer
from .options import Refused, read_options
from .page import LabForm
from .podstart import PodStart
from .restricted import Restricted
from .story import Links, Story

__all__ = ("LabKubeSpawner",)

_CAPACITY = ClusterCapacity()
#: KubeSpawner fills {username} and the like into these.
_TEMPLATES = ("volumes", "volume_mounts", "init_containers")
#: Seconds that installing packages may take on top of a start.
_PACKAGES = 1800


class LabKubeSpawner(LabForm, Restricted):
    """Starts labs on a cluster.

    Everything of KubeSpawner can be configured as ever. A person's choice is laid over it for the
    making of one pod only, so that nothing of one lab is left for the next.
    """

    start_timeout: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The hub stores a wish before anybody has looked at it; what is there now has started once.
        self._started_with: dict[str, Any] = dict(self.user_options or {})
        self._picked: tuple[LabSpec, Catalog] | None = None
        self._starting = PodStart(self, Story())
        self._idle: int | None = None

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _default_apply_user_options(self) -> Any:
        return _apply

    # --- what was picked ------------------------------------------------------------------------

    async def catalog_of(self) -> Catalog:
        """What this person may pick, now.

        Raises:
            DLLabError: the configuration is wrong, or nothing is offered to them.
        """
        groups = {group.name for group in self.user.groups}  # The database stays in this thread.
        whole = await asyncio.to_thread(LabCatalog(parent=self).catalog, "cluster")
        return whole.for_person(self.user.name, groups)

    async def offer(self) -> Offer:
        """What the form shows, with what the cluster has free as far as that may be seen."""
        catalog = await self.catalog_of()
        forecasts = await _CAPACITY.forecasts(
            self.user.name,
            catalog,
            cpus=self.cpu_guarantee or 0,
            memory=self.mem_guarantee or 0,
            node_selector=self.node_selector,
            tolerations=self._sorted_dict_values(self.tolerations),
        )
        return Offer(
            catalog=catalog, gpus=None, held="", forecasts=forecasts, os_users=False, lends=False
        )

    async def check(self, options: object) -> None:
        """Read the options and keep them as typed values.

        Raises:
            Refused: naming the field and the fix.
        """
        with self.refusing():
            spec = await asyncio.to_thread(read_options, options, await self.catalog_of(), None)
        self.keep(spec.to_wire())

    def keep(self, options: dict[str, Any]) -> None:
        """Make these the options of this start, and what the hub remembers for the next one."""
        self.user_options = self.orm_spawner.user_options = options
        self.user.db.commit()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """What cannot be had is said in one sentence, and is not what comes back preselected."""
        try:
            yield
        except (DLLabError, Refused) as exc:
            self.keep(self._started_with)
            raise exc if isinstance(exc, Refused) else Refused(exc) from exc

    async def load_user_options(self) -> None:
        """Check the wish again: the catalog may have changed since it was made.

        KubeSpawner calls this at the beginning of a start.

        Raises:
            DLLabError: naming the field and the fix.
        """
        self._picked = None
        catalog = await self.catalog_of()
        spec = await asyncio.to_thread(read_options, self.user_options, catalog, None)
        self._picked = spec, catalog
        self._idle = catalog.idle_limit(spec.gpus) if spec.idle is None else spec.idle

    @property
    def picked(self) -> LabSpec | None:
        """What the pod is made of, once a start has read it."""
        return self._picked[0] if self._picked else None

    # --- its pod --------------------------------------------------------------------------------

    async def get_pod_manifest(self) -> Any:
        """The pod of what was picked.

        Raises:
            DLLabError: two volumes would appear at the same place.
        """
        if self._picked is None:
            raise Conflict("nothing has been picked for this lab yet.")
        spec, catalog = self._picked
        username = slug(self.user.name)  # As in the pods of jobs.
        settings = pod_settings(spec, catalog, self._configured(), self.home, username)
        if self.shared_claim:
            try:
                await asyncio.to_thread(boards.prepare, self.user.name)
            except OSError as exc:  # A lab without the boards of its jobs is better than none.
                self.log.error("The files of jobs cannot be mounted into labs: %s", exc)
            else:
                settings |= boards.mounted(settings, self.shared_claim, self.user.name)
        with self._wearing(settings):
            return await super().get_pod_manifest()

    def get_env(self) -> dict[str, Any]:
        """The administrator's variables, JupyterHub's own, and what was picked."""
        found = super().get_env()
        # Only the administrator may mean something by $(NAME).
        env = {
            key: escape(value) if isinstance(value, str) and key not in self.environment else value
            for key, value in found.items()
        }
        if self._picked is None:
            return env
        spec, catalog = self._picked
        own = {
            **lab_environment(spec, catalog, self.home),
            **overlay_environment(spec, self.home),
            "DLLAB_LAB_ID": self.pod_name,
            "DLLAB_TARGET": "cluster",
            "TENSORBOARD_PROXY_URL": found["JUPYTERHUB_SERVICE_PREFIX"] + "proxy/%PORT%/",
        }
        if self.service_url:
            own["DLLAB_API_URL"] = self.service_url
        if self.shared_claim:
            own["DLLAB_TENSORBOARD_LOGDIR"] = boards.place(self.user.name)
        return {**env, **{key: escape(value) for key, value in own.items()}}

    def _configured(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in SETTINGS}
        for name in _TEMPLATES:
            own[name] = self._expand_all(self._sorted_dict_values(own[name]))
        context = self.container_security_context
        ids = (("runAsUser", self.uid), ("runAsGroup", self.gid))
        security = {
            **{key: value for key, value in ids if isinstance(value, int)},
            "allowPrivilegeEscalation": False,
            **(context if isinstance(context, Mapping) else {}),
        }
        return {**own, "security": security, "environment": self.environment}

    @contextlib.contextmanager
    def _wearing(self, settings: Mapping[str, Any]) -> Iterator[None]:
        before = {name: getattr(self, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(self, name, _finished(value) if name in _TEMPLATES else value)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def get_state(self) -> dict[str, Any]:
        """With ``idle``, for the culler: minutes without use that it waits, 0 for ever."""
        state: dict[str, Any] = super().get_state()
        return state if self._idle is None else {**state, "idle": self._idle}

    def load_state(self, state: dict[str, Any]) -> None:
        """After a restart of the hub: the lab goes on."""
        super().load_state(state)
        self._idle = state.get("idle")

    def clear_state(self) -> None:
        """Forget the pod."""
        super().clear_state()
        self._idle = None

    # --- its start ------------------------------------------------------------------------------

    @property
    def links(self) -> Links:
        """Where buttons about this lab lead to."""
        server = f"/{quote(self.name, safe='')}" if self.name else ""
        base = self.hub.base_url
        return Links(form=f"{base}spawn/{self.user.escaped_name}{server}", home=f"{base}home")

    def start(self) -> asyncio.Future[str]:
        """Start the lab; it may wait for as long as its person has said.

        The future raises `Refused`, with one sentence for the person, as soon as waiting is vain.
        """
        usual = self.start_timeout
        self.start_timeout = usual + self._patience()

        def restore(_: asyncio.Future[str]) -> None:
            self.start_timeout = usual

        self._starting = PodStart(self, Story(self.words))
        future: asyncio.Future[str] = super().start()
        future.add_done_callback(restore)
        return future

    async def _start(self) -> str:
        with self.refusing():
            url = await self._starting.run(super()._start(), self.start_timeout)
        if self._picked is not None:
            self._started_with = self._picked[0].to_wire()
        return url

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> Any:
        made = await super()._make_create_pod_request(pod, request_timeout)
        if made:
            self._starting.created()
        return made

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What is going on, in plain sentences with buttons, for the page that waits."""
        async for event in Story.follow(lambda: self._starting.story):
            yield event

    def _patience(self) -> int:
        """Seconds on top of what a start usually takes; the options are typed, or refused soon."""
        options = self.user_options or {}
        wait = options.get("wait")
        minutes = wait if isinstance(wait, int) and 0 < wait <= MAX_WAIT else 0
        return 60 * minutes + (_PACKAGES if options.get("requirements") else 0)


def _finished(value: Any) -> Any:
    """``value`` so that KubeSpawner's templates leave it as it is."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, list):
        return [_finished(item) for item in value]
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    return value


async def _apply(spawner: LabKubeSpawner, options: object) -> None:
    await spawner.check(options)
