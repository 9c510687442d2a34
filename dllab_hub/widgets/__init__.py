"""Live views for notebooks: jobs, logs, deployments, the GPUs; and TensorBoard.

Each is plain text wherever there is no front end that shows widgets.
"""

from .board import BoardView
from .compare import CompareView
from .deployment import DeploymentView
from .deployments import DeploymentList
from .gpus import GpuView
from .job import JobView
from .jobs import JobList
from .log import LogView

__all__ = (
    "BoardView",
    "CompareView",
    "DeploymentList",
    "DeploymentView",
    "GpuView",
    "JobList",
    "JobView",
    "LogView",
)
