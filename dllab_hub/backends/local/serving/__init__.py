"""Serving on this machine: a directory per model version, one process per replica, one balancer.

::

    <root>/models/<owner slug>/<model>/<version>/
      model.onnx                  the account's, read-only
      model.json                  what `inspection` found in it
    <root>/deployments/<owner slug>/<name>/
      deployment.json             the wish, and what must not be forgotten
      events.jsonl                what happened
      haproxy.cfg                 what the balancer starts with
      units/<unit>/               balancer, replica-1, ...: each below a shim, as a job is
        unit.json                 what it serves, how often it failed
        run/                      the account's
    <sockets>/<id>/               the account's: lb.sock, admin.sock, replica-1.sock, ...

Everything that runs goes on when the service ends, is started again by its shim when it dies, and
is taken over by the next service. Nothing listens on a port.
"""

from .local import LocalServing

__all__ = ("LocalServing",)
