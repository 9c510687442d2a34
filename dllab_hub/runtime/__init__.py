"""What runs inside a worker: `checkpoint` and `report`. Standard library, and the framework.

Nothing is imported here; name the module you need:

>>> from dllab_hub.runtime.checkpoint import Checkpointer
>>> from dllab_hub.runtime.report import report
"""
