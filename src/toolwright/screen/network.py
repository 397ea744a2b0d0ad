"""A parsed module goes in; each host that it talks to, and each change outside, that is not declared comes out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from toolwright.errors import SpecError
from toolwright.powers import Effect, Grant, host_power, host_within
from toolwright.screen import raw as raw_clients
from toolwright.screen.flows import sent
from toolwright.screen.names import Names

_CLIENTS = (
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "httplib2",
    "pycurl",
    "urllib.request",
    "http.client",
    "http.server",
    "xmlrpc.client",
    "xmlrpc.server",
    "socketserver",
    "websocket",
    "websockets",
    "boto3",
    "botocore",
    "wsgiref.simple_server",
    "logging.handlers.HTTPHandler",
)
_OFFLINE = (
    "http.client.responses",
    "http.client.HTTPException",
    "urllib.request.pathname2url",
    "urllib.request.url2pathname",
    "requests.utils",
    "requests.exceptions",
    "requests.structures",
    "httpx.URL",
)
_ALONE_NO_USE = ("socket", "http.client", "urllib.request", "requests", "httpx")
"""Modules whose import is no use yet."""
_READERS = re.compile(r"pandas\.read_\w+\Z")
_CHANGES = re.compile(
    r"(?:requests|httpx|aiohttp\.ClientSession\(\)|(?:requests\.[Ss]ession|httpx\.(?:Async)?Client)\(\))"
    r"\.(?P<verb>put|patch|delete|post)\Z"
)
_MAIL = re.compile(r"smtplib\.SMTP(?:_SSL)?\Z|ftplib\.FTP(?:_TLS)?\(\)\.(?:stor\w+|delete|rename|mkd|rmd)\Z")
_ASKING = re.compile(r"(?i)graphql|search|query|lookup|oauth|token|rpc|translate|validate")
_URL = re.compile(r"(?i)(https?)://([^/?#\s]*)")
_NAMESPACES = re.compile(
    r"(?i)(?:^|\.)(?:w3\.org|schemas?\.[a-z.]+|json-schema\.org|schema\.org|purl\.org|xmlsoap\.org|sitemaps\.org"
    r"|openxmlformats\.org|opengis\.net|topografix\.com)$"
)
_ABOUT_US = frozenset({"user-agent", "referer", "origin", "from"})


def first_use(names: Names, tree: ast.Module, clients: tuple[str, ...], offline: tuple[str, ...]) -> ast.AST | None:
    """The first place where the source uses one of *clients* for what is not among *offline*, or None."""

    def is_client(dotted: str) -> bool:
        return _below(dotted, clients) and not _below(dotted, offline)

    for dotted, statement in names.imports:
        if is_client(dotted) and dotted not in _ALONE_NO_USE:
            return statement
    for node in ast.walk(tree):
        whole = isinstance(node, (ast.Name, ast.Attribute)) and not isinstance(names.parents.get(node), ast.Attribute)
        if whole and any(map(is_client, names.of(node))):
            return node
    return None


def network_findings(names: Names, tree: ast.Module, grant: Grant, effect: Effect) -> Iterator[tuple[int, str, str]]:
    """Line, rule and message of each undeclared host and change."""
    raw = first_use(names, tree, raw_clients.CLIENTS, raw_clients.OFFLINE)
    yield from raw_clients.raw_findings(names, tree, raw, grant)
    used = first_use(names, tree, _CLIENTS, _OFFLINE) or _url_reader(names, tree)
    if used is not None:
        yield from _http_findings(names, tree, used, grant)
    if effect != "writes" and ((used and grant.http_hosts) or (raw and grant.tcp_hosts)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _changes(names, node)


def _http_findings(names: Names, tree: ast.Module, used: ast.AST, grant: Grant) -> Iterator[tuple[int, str, str]]:
    if not grant.http_hosts:
        host = next((_host(text) for _, text in _urls(names, ast.walk(tree)) if _host(text)), None)
        named = f"'{host}'" if host else "the host that it talks to, such as 'api.example.com:443',"
        message = f"it uses the network and declares no host; declare {named} in powers.hosts"
        yield getattr(used, "lineno", 1), "host", message
        return
    # An address that is only shown (a link in the answer) is nobody's host.
    for where, text in [*_urls(names, sent(names, tree, _is_client)), *_connections(names, tree)]:
        host = _host(text)
        if host and not any(host_within(host, own) for own in grant.http_hosts):
            granted = ", ".join(grant.http_hosts)
            yield where, "host", f"host '{host}' is not declared (declared: {granted}); declare it in powers.hosts"


def _url_reader(names: Names, tree: ast.Module) -> ast.AST | None:
    return next((node for node in ast.walk(tree) if isinstance(node, ast.Call) and _reads_url(names, node)), None)


def _is_client(dotted: str) -> bool:
    return _below(dotted, _CLIENTS) and not _below(dotted, _OFFLINE)


def _below(dotted: str, heads: tuple[str, ...]) -> bool:
    return any(dotted == head or dotted.startswith((head + ".", head + "()")) for head in heads)


def _reads_url(names: Names, call: ast.Call) -> bool:
    if not call.args or not any(_READERS.match(dotted) for dotted in names.of(call.func)):
        return False
    return _URL.match(names.text(call.args[0]) or "") is not None


def _changes(names: Names, call: ast.Call) -> Iterator[tuple[int, str, str]]:
    for dotted in names.of(call.func):
        found = _CHANGES.match(dotted)
        if found and found["verb"] == "post" and _ASKING.search(ast.unparse(call)):
            continue
        if found or _MAIL.match(dotted):
            what = f"{dotted.replace('()', '')}() changes something outside"
            yield call.lineno, "effect", f"{what}; the spec must say effect 'writes', or the tool must only read"


def _urls(names: Names, nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and text of each literal among *nodes* that may be a URL, as much of it as is fixed."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parent = names.parents.get(node)
            if not isinstance(parent, (ast.Expr, ast.JoinedStr)) and not _is_header(node, parent):
                yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr) and not _is_header(node, names.parents.get(node)):
            yield node.lineno, names.text(node) or _fixed_start(names, node)


def _is_header(node: ast.expr, parent: ast.AST | None) -> bool:
    if not isinstance(parent, ast.Dict):
        return False
    for key, value in zip(parent.keys, parent.values, strict=True):
        if value is node and isinstance(key, ast.Constant):
            return str(key.value).lower() in _ABOUT_US
    return False


def _fixed_start(names: Names, node: ast.JoinedStr) -> str:
    start = ""
    for part in node.values:
        text = names.text(part)
        if text is None:
            # A host that is not closed by '/' goes on in the part that is not known.
            return start if re.match(r"(?i)https?://[^/?#]+[/?#]", start) else ""
        start += text
    return start


def _connections(names: Names, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        for dotted in names.of(node.func):
            first = node.args[0]
            if dotted in ("http.client.HTTPSConnection", "http.client.HTTPConnection"):
                scheme = "https" if "HTTPS" in dotted else "http"
                yield node.lineno, f"{scheme}://{names.text(first) or ''}"


def _host(text: str) -> str | None:
    found = _URL.match(text)
    if found is None or not found[2] or "{" in found[2] or "%" in found[2]:
        return None
    try:
        host = host_power(f"{found[1]}://{found[2].rpartition('@')[2]}")
    except SpecError:
        return None
    return None if _NAMESPACES.search(host.rpartition(":")[0]) else host
