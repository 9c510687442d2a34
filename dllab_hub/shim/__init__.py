"""The small process that owns one lab or one job on one machine.

It holds the GPU locks, starts its children, keeps their logs, writes down how they ended and leaves
nothing behind that runs. It depends on nobody: hub, service and lab may be killed at any time.

::

    python -m dllab_hub.shim job <run directory> [--lock-fd N]...
    python -m dllab_hub.shim lab <run directory> --id ID [--lock-fd N]... -- command...

The hub starts a lab's by the path of ``__main__.py`` with ``python -I -S``, because each lab that
starts waits for it. SIGTERM or SIGINT ends what it owns, in order; SIGUSR1 ends a job that is to go
on later. Standard library only; the names below are the files of a run directory.
"""

__all__ = (
    "ATTEMPTS",
    "CHECKPOINTS",
    "EVENTS",
    "EVENT_FOLDERS",
    "EXIT_RECORD",
    "LOGS",
    "MARKER",
    "MERGED_LOG",
    "PLAN",
    "REPORT",
    "REPORTS",
    "SHIM",
    "SHIM_LOG",
    "STATE",
    "USAGE",
    "WORKSPACE",
)

#: What a job is to do; written by whoever starts the shim. One with a ``command`` is a server: one
#: process that is not meant to end, with a log of its own and nothing of a worker's environment.
PLAN = "plan.json"
#: Identity of the shim: see `process.identity`, and ``started``.
SHIM = "shim.json"
#: ``{"state", "reason", "attempt", "replicas", "started", "ran", "master_port", "silent_since"}``
#: of a job, as it is now; ``ran`` was so when it was written.
STATE = "state.json"
#: How it ended: see `writing.ExitRecord`.
EXIT_RECORD = "exit.rec"
#: One JSON object per line: ``{"time", "reason", "message"}``.
EVENTS = "events.jsonl"
#: Directory with ``<process>.json``, what the code of a process last reported, and
#: ``<process>.jsonl``, its curves: see `runtime.report`.
REPORTS = "reports"
#: Before there were several: what rank 0 last reported.
REPORT = "report.json"
#: What the replicas use, one JSON object per line: see `usage.Usage`.
USAGE = "usage.jsonl"
#: The shim's own words.
SHIM_LOG = "shim.log"
#: Directory the code of a job runs in, unless the plan names another.
WORKSPACE = "workspace"
#: Folders in it that TensorBoard's writers and Lightning choose where nobody names another.
EVENT_FOLDERS = ("runs", "lightning_logs")
#: Directory of a job's checkpoints, the same for all attempts.
CHECKPOINTS = "checkpoints"
#: ``<n>/<role>-<index>.log`` below it are the logs of attempt n, ``<role>-<index>.<process>.log``
#: where a replica has several processes,
ATTEMPTS = "attempts"
#: and this one beside them is all of them in order of arrival.
MERGED_LOG = "all.log"
#: A server has ``<name>.log`` below this one, for all attempts together.
LOGS = "logs"
#: Environment variable that marks every process below a shim with the id of what it belongs to.
MARKER = "DLLAB_LEASE"
