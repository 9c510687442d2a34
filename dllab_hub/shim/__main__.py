"""``python -m dllab_hub.shim``, or by this file's path in an isolated interpreter: see the package.

``python -I -S .../__main__.py`` starts in a third of the time: nothing of what is installed is
looked at. This package is all that it needs, and says itself where it lies.
"""

import os
import sys

if __name__ == "__main__":
    if not __package__:
        here = os.path.abspath(__file__)
        sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(here))))
    from dllab_hub.shim.signals import signal

    # Before the imports, which take time: a signal that comes now waits for its handler.
    signal.pthread_sigmask(
        signal.SIG_BLOCK,
        (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1),
    )
    from dllab_hub.shim.supervisor import main

    sys.exit(main(sys.argv[1:]))
