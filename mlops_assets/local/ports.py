"""Ports on this machine's own address, bound before anything is started on them.

Comes in: the port one would like. Goes out: a socket that listens on it, or on the next free one. A child that inherits
the socket is the only one that can be reached there: no other process can take the port between choosing and using it.
"""

from __future__ import annotations

import socket

from mlops_assets.errors import ServiceError

HOST = "127.0.0.1"  # never another: `mlops up` serves the person at this machine
REACH = 100


def listen(wanted: int) -> socket.socket:
    """Return a socket that listens on the first free port from `wanted` upwards; 0 means any.

    Args:
        wanted: First port to try; 0 for any.

    Returns:
        The socket; the caller closes it.

    Raises:
        ServiceError: A hundred ports in a row are in use.
    """
    for port in range(wanted, min(wanted + REACH, 65536)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # as servers do: a connection that lingers after a restart does not occupy the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        return listener
    raise ServiceError(f"no free port between {wanted} and {min(wanted + REACH, 65536) - 1} on {HOST}")


def port_of(listener: socket.socket) -> int:
    """Return the port a socket listens on.

    Args:
        listener: A listening socket.

    Returns:
        The port.
    """
    port: int = listener.getsockname()[1]
    return port
