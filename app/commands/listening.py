"""Addresses that a command holds before it begins what takes long."""

from __future__ import annotations

import socket

from app.errors import SettingsError


def listening_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that holds the address before the models are loaded, so that a port in use is told at once.

    Args:
        host, port: the address; port 0 is any free one.
        shared: let other sockets of this user hold it too; the kernel spreads connections over those that listen.

    Raises:
        SettingsError: the address is taken, or is none of this machine.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """How to reach a socket from this machine."""
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
