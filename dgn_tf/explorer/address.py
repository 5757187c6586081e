"""Where the explorer is: what it listens at, and by which names and paths browsers reach it."""

import dataclasses
import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

from dgn_tf.utils.errors import InputError

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Address:
    """Where the explorer listens, and how it is reached.

    A page elsewhere could pass itself off as the explorer by a name of its own that leads here (DNS
    rebinding): only names that are known beforehand are answered.

    Attributes:
        host: address or name to listen at.
        port: 0 for any that is free; None for 7860, or the next that is free.
        host_names: other names by which browsers reach it, such as that of a proxy.
        url_prefix: path under which a proxy has it, such as "/heads"; the proxy may take it away
            or pass it on. Empty for none.

    Raises:
        InputError: a name or a prefix that is none.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    host_names: tuple[str, ...] = ()
    url_prefix: str = ""

    def __post_init__(self) -> None:
        if not self.host:
            raise InputError(
                "`host=`: give an address to listen at, such as 127.0.0.1, or 0.0.0.0 for all."
            )
        for name in self.host_names:
            if not _NAME.fullmatch(name.lower()):
                raise InputError(
                    f"`host_names={name}`: give names such as explore.example.org, without "
                    "https:// and without a port."
                )
        if not _PREFIX.fullmatch(self.url_prefix):
            raise InputError(
                f"`url_prefix={self.url_prefix}`: give a path such as /heads, which begins with a "
                "slash and does not end with one."
            )

    def require_free(self) -> None:
        """Check that a server can listen here, before a model is loaded for it.

        Raises:
            InputError: it cannot.
        """
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                # As servers do, which take a port again at once.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.host, self.port or 0))
                # Several may be bound to one port, of which one can listen.
                probe.listen(1)
        except (OSError, UnicodeError) as error:
            raise InputError(self.refusal(error)) from None

    def refusal(self, error: Exception) -> str:
        """What is said where a server cannot listen here."""
        port = "" if self.port is None else f" `port={self.port}`"
        reason = getattr(error, "strerror", None) or error
        return f"`host={self.host}`{port}: cannot listen there: {reason}."

    def knows(self, host: str, listening: str) -> bool:
        """Whether a Host header names this server in a way that no stranger can.

        Args:
            host: the header.
            listening: the address of the socket.

        Raises:
            InputError: the header is no host.
        """
        name = split_address(f"//{host}").hostname or ""
        if name in (self.host.lower(), "localhost", "127.0.0.1") or self._is_given(name):
            return True
        # Addresses cannot be rebound, only names; a server for this machine alone has one.
        return not ipaddress.ip_address(listening).is_loopback and _is_address(name)

    def sends(self, origin: str, host: str) -> bool:
        """Whether an Origin header is that of the explorer's own page.

        Args:
            origin: the header; a proxy leaves it as it is.
            host: the header Host, which a proxy may have replaced.

        Raises:
            InputError: the header is no address.
        """
        parts = split_address(origin)
        return parts.netloc == host or self._is_given(parts.hostname or "")

    def inner_path(self, path: str) -> str:
        """The path of a request without the prefix, if a proxy has passed it on."""
        below = path.startswith(f"{self.url_prefix}/")
        return path.removeprefix(self.url_prefix) if below else path

    def _is_given(self, name: str) -> bool:
        return name.lower() in (given.lower() for given in self.host_names)


def split_address(address: str) -> SplitResult:
    """The parts of an address.

    Raises:
        InputError: it is none.
    """
    try:
        return urlsplit(address)
    except ValueError:
        raise InputError(f"{address} is not an address.") from None


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False
