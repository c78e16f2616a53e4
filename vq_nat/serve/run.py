"""Runs the service until it is told to end; then it finishes what it has taken."""

import signal
import socket

import uvicorn

from .access import Access
from .app import create_app
from .service import Service

LATER = 5  # seconds that an answer may be late when the service ends
MOST_CONNECTIONS = 2048


def serve(service: Service, access: Access, port: int) -> None:
    """Serves until SIGTERM or an interrupt.

    Args:
        service: does the work.
        access: address and token.
        port: 0 = any that is free.

    Raises:
        OSError: if the address cannot be had.
    """
    app = create_app(service, access)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=int(service.limits.seconds) + LATER,
    )
    family = socket.AF_INET6 if ":" in access.host else socket.AF_INET
    with socket.create_server((access.host, port), family=family) as listening:
        server = uvicorn.Server(config)
        # uvicorn takes signals once it has begun, and raises them again when it has
        # ended: one that comes before must end it as well.
        signal.signal(signal.SIGTERM, server.handle_exit)
        source, target = service.languages
        print(f"{source} to {target} at {address(listening)}", flush=True)
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            return


def address(listening: socket.socket) -> str:
    """Returns the address of a socket, for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
