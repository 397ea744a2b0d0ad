"""What a guest's root must hold for the running interpreter: its standard library, shared libraries, a little more."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from dataclasses import dataclass

from toolwright.sandbox import elf

# What wheels may expect of a machine (PEP 600), and what glibc itself loads late.
_EXPECTED_LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
    "libnss_files.so.2",  # how names were looked up before glibc 2.34
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libexpat.so.1"),
)
_FILES = (
    "/etc/ld.so.cache",
    "/usr/share/zoneinfo",
    "/usr/lib/locale/C.utf8",
    "/usr/lib/locale/C.UTF-8",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_SCREEN_MODULES = ("_tkinter", "_curses", "readline", "nis.", "_dbm", "_gdbm")
"""Modules for terminals and desktops: a guest has neither, and their libraries are many."""
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
CERTIFICATES = "/etc/ssl/cert.pem"
"""Where a guest with a root of its own finds the certificates that the host trusts."""


@dataclass(frozen=True, slots=True)
class Root:
    """Host paths: the interpreter to start, what to bind at the same path, what to hide in there, devices."""

    interpreter: str
    imports: tuple[str, ...]
    """Folders on the interpreter's own module path."""
    binds: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]
    devices: tuple[str, ...]


@functools.cache
def root() -> Root:
    """The layout for the interpreter that runs this; computed once in a process."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    # The interpreter's own folders, also where this process runs in a virtual environment.
    paths = sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix})
    imports = tuple(dict.fromkeys((paths["stdlib"], paths["platstdlib"])))
    modules = [
        entry.path
        for folder in imports
        if os.path.isdir(f"{folder}/lib-dynload")
        for entry in os.scandir(f"{folder}/lib-dynload")
        if ".so" in entry.name and not entry.name.startswith(_SCREEN_MODULES)
    ]
    libraries = elf.libraries([interpreter, *modules], _EXPECTED_LIBRARIES)
    wanted = [*imports, *libraries, *(path for path in _FILES if os.path.exists(path))]
    return Root(
        interpreter=interpreter,
        imports=imports,
        binds=tuple((os.path.realpath(path), path) for path in wanted),
        masks=tuple(
            f"{folder}/{name}" for folder in imports for name in _PACKAGE_FOLDERS if os.path.isdir(f"{folder}/{name}")
        ),
        devices=tuple(path for path in _DEVICES if os.path.exists(path)),
    )


def certificates() -> str:
    """The host's bundle of trusted certificates: the one its settings name, else the platform's; '' if none."""
    import ssl

    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    found = ssl.get_default_verify_paths().cafile
    usual = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    for path in (named, found, *usual):
        if path and os.path.isfile(path):
            return os.path.realpath(path)
    return ""
