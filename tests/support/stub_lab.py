"""A server that takes no time to start: answers every request as Jupyter Server's ``/api`` would.

Run it with ``python -I -S``: what is measured or raced is the hub and the spawner.
"""

import os
import signal
import socket
import sys
from urllib.parse import urlsplit

BODY = b'{"version": "0"}'


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    server = socket.create_server((url.hostname or "127.0.0.1", url.port or 0))
    version = os.environ.get("JUPYTERHUB_VERSION", "0")
    head = (
        f"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: {version}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n"
        "Connection: close\r\n\r\n"
    )
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(65536):
                connection.sendall(head.encode() + BODY)


if __name__ == "__main__":
    main()
