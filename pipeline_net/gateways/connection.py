"""Connection: what all requests of a connection share, whatever kind of application is called for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..codecs.http.messages import Request
from ..codecs.http.proxies import Client, TrustedProxies

if TYPE_CHECKING:
    from ..channel import Channel


class Connection:
    """Who talks to whom, and how far the peer is believed."""

    def __init__(self, channel: Channel, scheme: str, proxies: TrustedProxies) -> None:
        self.scheme = scheme
        self.client: Client | None = _host_and_port(channel.remote_address)
        self.server: tuple[str, int | None] | None = _host_and_port(channel.local_address)
        if self.server is None and isinstance(channel.local_address, (str, bytes)) and channel.local_address:
            # "… or [path, None] where path is that of the unix socket."
            path = channel.local_address
            self.server = (path if isinstance(path, str) else "@" + path[1:].decode("utf-8", "replace"), None)
        host = None if self.client is None else self.client[0]
        self.trusted: Final = not proxies.is_empty and proxies.trusts(host)
        """Whether the peer may say on whose behalf it comes."""


def _host_and_port(address: Any) -> Client | None:
    if isinstance(address, tuple) and len(address) >= 2:
        return str(address[0]), int(address[1])
    return None


def check_root_path(root_path: str) -> None:
    """Make sure that a path can be put in front of others.

    Raises:
        ValueError: it does not begin with a slash, or ends with one.
    """
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(f"a root path begins with a slash and does not end with one, and so cannot be {root_path!r}")


def forwarded(
    request: Request, client: Client | None, scheme: str, proxies: TrustedProxies
) -> tuple[Client | None, str]:
    """Find out for whom a trusted peer has sent a request."""
    headers = request.headers
    chain = headers.get("x-forwarded-for")
    if chain:
        client = proxies.client_of(client, chain)
    protocol = headers.get("x-forwarded-proto")
    if protocol:
        scheme = proxies.scheme_of(scheme, protocol)
    return client, scheme


def path_of(target: bytes) -> bytes:
    """Cut the path out of ``http://host/path``; ``*`` is itself."""
    _, marks, rest = target.partition(b"://")
    if not marks:
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
