"""The proxy settings of this machine go in; for one destination, the proxy to go through comes out, or None."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from toolwright.errors import SettingsError
from toolwright.sandbox.egress.addresses import parse_address


@dataclass(frozen=True, slots=True)
class Proxy:
    """A plain HTTP proxy: host, port, and the value of Proxy-Authorization ('' for none)."""

    name: str
    port: int
    authorization: str = ""

    @property
    def authority(self) -> str:
        """`name:port` for people."""
        return f"{self.name}:{self.port}"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header lines that this proxy wants."""
        return (("Proxy-Authorization", self.authorization),) if self.authorization else ()


@dataclass(frozen=True, slots=True)
class OuterProxies:
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY as the host process has them, in capitals or not."""

    plain: str = ""
    secure: str = ""
    bypass: tuple[str, ...] = ()

    @staticmethod
    def of(environment: Mapping[str, str] | None = None) -> OuterProxies:
        """The settings in *environment*, by default this process's."""
        known = os.environ if environment is None else environment

        def setting(name: str) -> str:
            return (known.get(name.lower()) or known.get(name.upper()) or "").strip()

        every = setting("all_proxy")
        bypass = tuple(entry.strip().lower() for entry in setting("no_proxy").split(",") if entry.strip())
        return OuterProxies(setting("http_proxy") or every, setting("https_proxy") or every, bypass)

    def way(self, name: str, port: int, *, secure: bool) -> Proxy | None:
        """The proxy for this destination, None for the direct way. SettingsError on one that cannot be used."""
        url = self.secure if secure else self.plain
        if not url or any(_bypasses(entry, name, port) for entry in self.bypass):
            return None
        return _proxy(url)


def _bypasses(entry: str, name: str, port: int) -> bool:
    if entry == "*":
        return True
    address = parse_address(name)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    entry, _, only = entry.partition(":")
    if only and only != str(port):
        return False
    entry = entry.removeprefix("*").removeprefix(".")
    return name == entry or name.endswith("." + entry)


def _proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        name, port = parts.hostname, parts.port or 80
    except ValueError:
        name = None
    if not name or parts.scheme != "http":
        raise SettingsError(
            "the proxy setting of this machine is not 'http://host:port'; only such proxies can be used"
        )
    if parts.username is None:
        return Proxy(name, port)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(name, port, "Basic " + base64.b64encode(pair.encode()).decode())
