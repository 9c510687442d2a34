"""`PodStart`: one start of a lab on a cluster, watched until it runs or waiting is vain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from kubernetes_asyncio.client.rest import ApiException

from .. import diagnosis
from ..manifests.diagnosis import diagnose, refusal, say
from ..specs import Cause, Diagnosis, LabSpec, Remedy
from .options import Refused
from .story import Story, buttons

if TYPE_CHECKING:
    from .kube import LabKubeSpawner

__all__ = ("PodStart",)

_PERIOD = 0.5  # Seconds between two looks at what the cluster has said; it costs no request.
_LATE = Diagnosis(
    cause=Cause.STARTING,
    message="The lab did not start in time.",
    hint="Try again, or let it wait longer.",
    remedies=(Remedy.RETRY, Remedy.CANCEL),
)


class PodStart:
    """Tells `story` what happens.

    Args:
        spawner: Whose pod it is.
        story: Told what happens.
    """

    def __init__(self, spawner: LabKubeSpawner, story: Story) -> None:
        self.spawner = spawner
        self.story = story
        self._created = False
        self._seen = 0

    def created(self) -> None:
        """The pod is made: from now on what the cluster says of its name is about this one."""
        self._created = True

    async def run(self, starting: Coroutine[Any, Any, str], seconds: float) -> str:
        """Let KubeSpawner make the pod and wait for it.

        Args:
            starting: KubeSpawner's own start.
            seconds: What the hub gives it.

        Returns:
            The lab's URL.

        Raises:
            Refused: with one sentence for the person, buttons, and what the cluster said.
        """
        self.story.say("Checking what you picked", 5)
        start = asyncio.ensure_future(starting)
        watch = asyncio.ensure_future(self._until_hopeless())
        try:
            # A moment before the hub's own limit, which has nothing to say to people.
            await asyncio.wait(
                {start, watch}, timeout=max(1, seconds - 2), return_when=asyncio.FIRST_COMPLETED
            )
            if start.done():
                return start.result()
            found = watch.result() if watch.done() else self._late()
            raise self._refused(found, self.spawner.picked)
        except TimeoutError as exc:  # KubeSpawner's own limit is up to a tenth shorter or longer.
            raise self._refused(self._late(), self.spawner.picked) from exc
        except ApiException as exc:
            self.spawner.log.error("The cluster refuses a lab: %s %s", exc.status, exc.body)
            found = refusal(exc.status or 500, str(exc.body or ""))
            raise self._refused(found, self.spawner.picked) from exc
        finally:
            for task in (start, watch):
                task.cancel()
            await asyncio.gather(start, watch, return_exceptions=True)

    async def _until_hopeless(self) -> Diagnosis:
        """Tell what happens, until it is something that waiting cannot help."""
        while True:
            await asyncio.sleep(_PERIOD)
            spec = self.spawner.picked
            if not self._created or spec is None:
                continue
            self._tell_news(spec)
            found = self._diagnosis()
            if found is None:
                continue
            if found.final:
                return found
            self.story.tell(found, found.hint, self._buttons(found, spec))

    def _tell_news(self, spec: LabSpec) -> None:
        events = self.spawner.events
        for event in events[self._seen :]:
            self._seen += 1
            said = say(event, spec)
            if isinstance(said, str):
                self.story.say(said, min(90, 10 + 12 * self._seen))

    def _diagnosis(self) -> Diagnosis | None:
        spawner, spec = self.spawner, self.spawner.picked
        if not self._created or spec is None:
            return None
        pods = spawner.pod_reflector.pods if spawner.pod_reflector else {}
        return diagnose(spawner.events, pods.get(f"{spawner.namespace}/{spawner.pod_name}"), spec)

    def _late(self) -> Diagnosis:
        """It has waited for long enough, for whatever it waits."""
        found = self._diagnosis()
        if found is None:
            return _LATE
        return found.model_copy(update={"message": f"{_LATE.message} {found.message}"})

    def _refused(self, found: Diagnosis, spec: LabSpec | None) -> Refused:
        self.spawner.log.warning(
            "The lab %s does not start: %s\n%s",
            self.spawner._log_name,
            found.message,
            "\n".join(found.log),
        )
        # Not its field: what a quota or a node lacks need not be GPUs.
        error = type(diagnosis.to_error(found))(found.message, hint=found.hint)
        made = self._buttons(found, spec) if spec else ""
        return Refused(error, self.story.html(str(error), made) if made else "")

    def _buttons(self, found: Diagnosis, spec: LabSpec) -> str:
        return buttons(found, spec, self.spawner.links, self.story.words)
