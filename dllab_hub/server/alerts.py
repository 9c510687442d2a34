"""What is wrong with a person's GPUs, jobs and deployments."""

from __future__ import annotations

from ..backends.alerts import Alerts
from ..errors import NotFound
from ..specs import Silence
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class _Handler(LabHandler):
    @property
    def alerts(self) -> Alerts:
        """All of them.

        Raises:
            NotFound: this host watches nothing.
        """
        if self.lab.alerts is None:
            raise NotFound("nobody watches for alerts here.")
        return self.lab.alerts


class All(_Handler):
    """``alerts``."""

    @allowed
    async def get(self) -> None:
        """The person's; an administrator's: everybody's."""
        self.query()
        self.reply(await self.alerts.list(self.viewer))


class Quiet(_Handler):
    """``alerts/{id}/silence``."""

    @allowed
    async def put(self, id: str) -> None:
        """Tell nobody of it for a while."""
        self.query()
        wish = await self.read(Silence.from_wire)
        self.reply(await self.alerts.silence(self.viewer, id, wish))

    @allowed
    async def delete(self, id: str) -> None:
        """Tell of it again."""
        self.query()
        self.reply(await self.alerts.speak(self.viewer, id))


ROUTES = (("alerts", All), (r"alerts/([^/]+)/silence", Quiet))
