"""What runs inside a worker, `checkpoint` and `report`, or a replica, `model_server`.

Standard library, and the framework of the image.

Nothing is imported here; name the module you need:

>>> from dllab_hub.runtime.checkpoint import Checkpointer
>>> from dllab_hub.runtime.report import report
"""
