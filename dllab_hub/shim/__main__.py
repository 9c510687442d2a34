"""``python -m dllab_hub.shim``: see the package."""

import signal
import sys

if __name__ == "__main__":
    # Before the imports, which take time: a signal that comes now waits for its handler.
    signal.pthread_sigmask(
        signal.SIG_BLOCK, (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    )
    from dllab_hub.shim.supervisor import main

    sys.exit(main(sys.argv[1:]))
