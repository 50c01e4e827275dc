"""Free ports for servers of tests."""

import secrets
import socket

# Below those that Linux gives to outgoing connections (net.ipv4.ip_local_port_range), which could otherwise take the
# port of a server that is started again.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """Returns a port on which nothing listens."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
