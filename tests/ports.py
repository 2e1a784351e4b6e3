"""Free loopback ports for tests."""

import socket


def free_port() -> int:
    """A port that nobody listens on now; the kernel does not hand it out again soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
