"""Which addresses audio may come from, and how an address is shown."""

import errno
import ipaddress
import re
import socket
from typing import Any

from yarl import URL

from handlers.errors import AddressForbidden

UNREADABLE = "The given address"
"""Stands for an address that cannot be taken apart: it may hold a secret anywhere."""

_PLAIN = re.compile(r"[!-~]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_OF_THE_CLOUD = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's control server, public by its number
    ipaddress.IPv4Network("192.0.0.0/24"),  # Oracle's metadata; Python knows but a part as private
)


def parse(text: str) -> URL:
    """Take an http(s) address apart.

    An address in plain ASCII is kept to the letter, because a signature may cover its spelling
    (`%2F` and `/` are the same only to a reader); any other is percent-encoded.

    Raises:
        AddressForbidden: `text` is no absolute http(s) URL.

    """
    try:
        address = URL(text, encoded=_PLAIN.fullmatch(text) is not None)
    except ValueError as error:  # UnicodeError, of a host that cannot be encoded, is one of these
        raise AddressForbidden(address=UNREADABLE, reason="is no valid URL") from error
    if address.scheme not in {"http", "https"} or shown(address) == UNREADABLE:
        raise AddressForbidden(address=UNREADABLE, reason="is no http(s) URL")
    return address


def shown(address: URL | str) -> str:
    """Write an address as scheme://host[:port]/path: without its user, query and fragment."""
    try:
        url = URL(address) if isinstance(address, str) else address
        host, port, path = url.host_subcomponent, url.explicit_port, url.raw_path
    except ValueError:
        return UNREADABLE
    text = f"{url.scheme}://{host}{'' if port is None else f':{port}'}{path}"
    return text if url.scheme and host and text.isprintable() else UNREADABLE


def is_public(host: str) -> bool:
    """Tell whether an IP address, as a socket takes it, belongs to the public internet.

    An IPv6 address that only carries an IPv4 address is judged by the latter.
    """
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _OF_THE_CLOUD)
    )


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


class Guard:
    """Makes the sockets of one download, and none to an address that is not public.

    It sees each address just before it is connected to: after the name was resolved, after every
    redirect, in whatever form a URL spells it. Nothing that is checked earlier can promise that.

    Attributes:
        refused: whether it ever refused an address.

    """

    def __init__(self, *, allow_private: bool) -> None:
        self.refused = False
        self._allow_private = allow_private

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        """Make a socket for an entry of `getaddrinfo`.

        Raises:
            PermissionError: its address is not public. It is an `OSError` so that the connector
                goes on to the host's next address.

        """
        family, kind, protocol, _, target = info
        if not self._allow_private and not is_public(target[0]):
            self.refused = True
            raise PermissionError(errno.EACCES, "not a public address")
        return socket.socket(family, kind, protocol)
