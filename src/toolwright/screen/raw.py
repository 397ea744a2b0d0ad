"""A parsed module goes in; each protocol that it speaks by itself, without a granted `tcp://` host, comes out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from toolwright.errors import SpecError
from toolwright.powers import Grant, host_power, host_within
from toolwright.screen.names import Names

CLIENTS = (
    "smtplib",
    "ftplib",
    "imaplib",
    "poplib",
    "nntplib",
    "telnetlib",
    "socket",
    "_socket",
    "paramiko",
    "asyncssh",
    "pymongo",
    "motor",
    "redis",
    "psycopg",
    "psycopg2",
    "asyncpg",
    "pg8000",
    "pymysql",
    "aiomysql",
    "MySQLdb",
    "mysql.connector",
    "oracledb",
    "pyodbc",
    "ldap3",
    "pika",
    "kafka",
    "stomp",
    "paho.mqtt",
    "aiosmtplib",
    "dns.query",
    "asyncio.open_connection",
    "asyncio.start_server",
    "asyncio.get_event_loop().create_connection",
    "asyncio.get_running_loop().create_connection",
    "asyncio.new_event_loop().create_connection",
    "logging.handlers.SocketHandler",
    "logging.handlers.SMTPHandler",
)
"""Modules and functions that know no proxy: names are looked up, and bytes sent, by themselves."""

OFFLINE = tuple(
    f"socket.{name}"
    for name in (
        *("inet_aton", "inet_ntoa", "inet_pton", "inet_ntop", "htons", "htonl", "ntohs", "ntohl"),
        *("AF_INET", "AF_INET6", "error", "herror", "gaierror", "timeout", "gethostname"),
        *("setdefaulttimeout", "getdefaulttimeout", "SOCK_STREAM", "SOCK_DGRAM", "SHUT_WR", "SHUT_RDWR"),
        *("IPPROTO_TCP", "TCP_NODELAY", "SOL_SOCKET"),
    )
)

_PORTS = {
    "smtplib.SMTP": 25,
    "smtplib.SMTP_SSL": 465,
    "imaplib.IMAP4": 143,
    "imaplib.IMAP4_SSL": 993,
    "poplib.POP3": 110,
    "poplib.POP3_SSL": 995,
    "asyncio.open_connection": 0,
}
"""Clients that take host and port, and the port where none is said (0: it must be)."""


def raw_findings(names: Names, tree: ast.Module, used: ast.AST | None, grant: Grant) -> Iterator[tuple[int, str, str]]:
    """Line, rule and message; *used* is the first place where such a client stands."""
    if used is None:
        return
    places = list(_connections(names, tree))
    if not grant.tcp_hosts:
        named = f"'{places[0][1]}'" if places else "the one that it talks to, such as 'tcp://mail.example.com:587',"
        yield (
            getattr(used, "lineno", 1),
            "host",
            f"it speaks a protocol that no proxy carries and declares no host for it; declare {named} in powers.hosts, "
            "or use HTTP",
        )
        return
    for line, host in places:
        if not any(host_within(host, own) for own in grant.tcp_hosts):
            granted = ", ".join(grant.tcp_hosts)
            yield line, "host", f"host '{host}' is not declared (declared: {granted}); declare it in powers.hosts"


def _connections(names: Names, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and power of each connection whose host and port are written down."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for dotted in names.of(node.func):
            host, port = _place(names, node, dotted)
            if host and isinstance(port, int) and not isinstance(port, bool):
                try:
                    yield node.lineno, host_power(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}")
                except SpecError:
                    continue


def _place(names: Names, call: ast.Call, dotted: str) -> tuple[str | None, object]:
    if dotted in ("socket.create_connection", "socket.socket().connect", "socket.socket().connect_ex"):
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Tuple) and len(first.elts) >= 2:
            return names.text(first.elts[0]), names.constant(first.elts[1])
    elif dotted in _PORTS:
        said = {str(one.arg): one.value for one in call.keywords}
        host = call.args[0] if call.args else said.get("host")
        port = call.args[1] if len(call.args) > 1 else said.get("port")
        number = _PORTS[dotted] if port is None else names.constant(port)
        # These clients read port 0 as their usual one.
        return names.text(host), (_PORTS[dotted] or None) if number == 0 else number
    return None, None
