"""The person's pip and uv settings go in; the environment and options that make uv heed them come out."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_UV_KEPT = re.compile(
    r"UV_(?:DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|INDEX_\w+_(?:USERNAME|PASSWORD)|NO_INDEX|FIND_LINKS"
    r"|KEYRING_PROVIDER|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|CONSTRAINT|OVERRIDE|EXCLUDE_NEWER|OFFLINE|CACHE_DIR"
    r"|CONFIG_FILE|NO_CONFIG|HTTP_TIMEOUT|HTTP_CONNECT_TIMEOUT|REQUEST_TIMEOUT|HTTP_RETRIES|CONCURRENT_DOWNLOADS)\Z"
)
"""What of uv's own settings is about where packages come from; the rest could change what is done with them."""
_KEPT = frozenset(
    {
        *("HOME", "PATH", "LANG", "LC_ALL", "NETRC", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
_INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_EXTRA_SETTINGS = ("UV_INDEX", "UV_EXTRA_INDEX_URL")
_YES = frozenset({"1", "true", "yes", "y", "t", "on"})


@dataclass(frozen=True, slots=True)
class UvSettings:
    """Environment for every uv process; options and constraint files for the one that chooses versions."""

    environment: Mapping[str, str]
    constraints: tuple[str, ...] = ()
    no_index: bool = False


@dataclass(frozen=True, slots=True)
class PipSettings:
    """pip's settings as `pip install` would see them: option name (`extra-index-url`) to text."""

    options: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """The value of a single-valued option, '' if not set."""
        return self.options.get(name, "").strip()

    def many(self, name: str) -> tuple[str, ...]:
        """The values of an option that may hold several, parted by blanks or lines."""
        return tuple(self.options.get(name, "").split())

    def yes(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.one(name).lower() in _YES


def read_pip_settings(environment: Mapping[str, str], *, prefix: str = sys.prefix) -> PipSettings:
    """What pip's configuration files and PIP_* variables say, in pip's order: the later one wins."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _config_files(environment, prefix):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeError):
            continue  # pip itself will have told its owner
        for section, options in sections.items():
            if parser.has_section(section):
                options.update({_option(name): value for name, value in parser.items(section)})
    variables = {
        _option(name[4:]): value
        for name, value in environment.items()
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value
    }
    return PipSettings({**sections["global"], **sections["install"], **variables})


def uv_settings(environment: Mapping[str, str] | None = None) -> UvSettings:
    """Settings for uv: its own variables as they are, pip's where uv has none; no other variable gets through."""
    known = os.environ if environment is None else environment
    pip = read_pip_settings(known)
    own = {name: value for name, value in known.items() if name in _KEPT or _UV_KEPT.match(name)}
    # pip trusts the system's certificates, uv by itself only those it brings.
    given = {"PATH": os.defpath, "UV_SYSTEM_CERTS": "true", **_certificates(pip, known)}
    if not any(own.get(name) for name in _INDEX_SETTINGS):
        given["UV_DEFAULT_INDEX"] = pip.one("index-url")
    if not any(own.get(name) for name in _EXTRA_SETTINGS):
        given["UV_EXTRA_INDEX_URL"] = " ".join(pip.many("extra-index-url"))
    given["UV_FIND_LINKS"] = ",".join(_absolute(pip.many("find-links")))
    given["UV_INSECURE_HOST"] = " ".join(pip.many("trusted-host"))
    given["UV_HTTP_TIMEOUT"] = pip.one("timeout") or pip.one("default-timeout")
    given["UV_HTTP_RETRIES"] = pip.one("retries")
    if pip.one("keyring-provider") == "subprocess":
        given["UV_KEYRING_PROVIDER"] = "subprocess"
    if pip.one("proxy"):
        given.update(HTTP_PROXY=pip.one("proxy"), HTTPS_PROXY=pip.one("proxy"))
    merged = {name: value for name, value in given.items() if value} | own
    # pip's --cert stands above the variables that any program may have set.
    merged.update({name: value for name, value in _certificates(pip, {}).items() if value})
    merged.update(UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
    return UvSettings(merged, _absolute(pip.many("constraint")), pip.yes("no-index"))


def _certificates(pip: PipSettings, known: Mapping[str, str]) -> dict[str, str]:
    bundle = pip.one("cert") or known.get("REQUESTS_CA_BUNDLE", "") or known.get("CURL_CA_BUNDLE", "")
    return {"SSL_CERT_FILE": bundle, "SSL_CLIENT_CERT": pip.one("client-cert")}


def _absolute(places: Iterable[str]) -> tuple[str, ...]:
    """Paths as seen from the current folder (uv runs elsewhere); URLs as they are."""
    return tuple(place if "://" in place else str(Path(place).expanduser().absolute()) for place in places)


def _option(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _config_files(environment: Mapping[str, str], prefix: str) -> list[Path]:
    """pip's configuration files, from the least to the most important."""
    own = environment.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return []
    home = Path(environment.get("HOME") or Path.home())
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    shared = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    if sys.platform == "darwin":
        mac = home / "Library/Application Support"
        user = mac if (mac / "pip").is_dir() else user
        shared = ["/Library/Application Support"]
    files = [Path(folder, "pip/pip.conf") for folder in shared] + [Path("/etc/pip.conf")]
    if not (own and Path(own).exists()):
        files += [home / ".pip/pip.conf", user / "pip/pip.conf"]
    files.append(Path(prefix, "pip.conf"))
    return [*files, Path(own)] if own else files
