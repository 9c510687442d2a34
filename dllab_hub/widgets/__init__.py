"""Live views for notebooks: a job, the list of jobs, a log, the GPUs.

Each is plain text wherever there is no front end that shows widgets.
"""

from .gpus import GpuView
from .job import JobView
from .jobs import JobList
from .log import LogView

__all__ = ("GpuView", "JobList", "JobView", "LogView")
