"""Looks at code that is to run, and says what would make it fail at once.

It runs in the interpreter that the job will have, in the job's workspace, with the environment of
its first process, and by the path of ``__main__.py``: this package is loaded under a name of its
own, and nothing that lies beside it can be imported by the code that it looks at::

    python -P .../preflight/__main__.py FD < request.json

Nothing of the code is executed, except by `deep`. Each line that it writes to the descriptor is one
JSON object: all that it has found up to now (``{"found": [...]}``), what it is about to do
(``{"at": ...}``), the end (``{"done": true}``), or a mistake of its own (``{"crash": text}``).

What it calls an error must be one: a job that would have run is never refused. What may be all
right - in a branch, in a function, found at run time - is a warning or nothing. See `reach`.

Standard library only, of the Python that images have.
"""
