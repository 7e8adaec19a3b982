"""From where somebody asks, as far as it is counted."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

# What one subscriber has of IPv6 at least.
_ONE_PLACE = 64


def client_address(connection: HTTPConnection) -> str:
    """The address of the client, of IPv6 its network of 64 bits; empty where there is none.

    Behind a proxy that is not in GRIDMAP_TRUSTED_PROXIES it is the proxy's, the same for all.
    """
    if connection.client is None:
        return ""
    try:
        address = ip_address(connection.client.host)
    except ValueError:
        return connection.client.host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, _ONE_PLACE), strict=False).network_address)
    return str(address)
