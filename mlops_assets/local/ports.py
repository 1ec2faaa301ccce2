"""Free ports on this machine's own address.

Comes in: the port one would like. Goes out: that port, or the next free one.
"""

from __future__ import annotations

import socket
from collections.abc import Container

from mlops_assets.errors import ServiceError

HOST = "127.0.0.1"  # never another: `mlops up` serves the person at this machine
REACH = 100


def free_port(wanted: int, taken: Container[int] = ()) -> int:
    """Return the first free port from `wanted` upwards that is not in `taken`.

    Raises:
        ServiceError: A hundred ports in a row are in use.
    """
    for port in range(wanted, min(wanted + REACH, 65536)):
        if port not in taken and _is_free(port):
            return port
    raise ServiceError(f"no free port between {wanted} and {min(wanted + REACH, 65536) - 1} on {HOST}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        # as servers do: a connection that lingers after a restart does not occupy the port
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True
