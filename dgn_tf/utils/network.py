"""Whether there is a network, found out in seconds, and which hosts are this machine."""

import ipaddress
import queue
import socket
import threading
import time
import urllib.request
from urllib.parse import urlsplit

PROBE_SECONDS = 5.0


def is_loopback(host: str) -> bool:
    """Whether a name or an address of a host to connect to can only mean this machine."""
    # A dot at its end marks a name as whole; all below localhost are kept for this machine.
    if f".{host.lower().removesuffix('.')}".endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    # What a server says that listens everywhere, 0.0.0.0, is this machine to who connects to it.
    return address.is_loopback or address.is_unspecified


def any_reachable(urls: list[str]) -> bool:
    """Whether a connection to the host of any of the URLs opens, within `PROBE_SECONDS`.

    Without a network a download hangs for minutes.
    """
    answers: queue.Queue[bool] = queue.Queue()
    # Daemon threads, since a name lookup has no time limit of its own and must not delay the exit.
    for url in urls:
        threading.Thread(target=lambda url=url: answers.put(_reachable(url)), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    for _ in urls:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            break
    return False


def _reachable(url: str) -> bool:
    """Whether the host of `url`, or the proxy that stands before it, takes a connection."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
