"""What runs inside a worker or a replica of a model.

A worker saves with `checkpoint`, with `sharded` when its model is spread over the ranks, or with
`tensorflow`; what frameworks save by themselves is found by `resume`. It tells how far it is with
`report` and opens volumes with `data`. A replica is `model_server`.

Standard library, and the framework of the image.

Nothing is imported here; name the module you need:

>>> from dllab_hub.runtime.checkpoint import Checkpointer
>>> from dllab_hub.runtime.report import report
"""
