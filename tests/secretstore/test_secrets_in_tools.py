"""A tool with a bound secret, in the real box: the granted host gets the value, and the tool, the trace and the logs do not."""

import contextlib
import http.server
import json
import logging
import os
import ssl
import stat
import textwrap
import threading
import time
import urllib.parse

import pytest

from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint, says
from toolwright import Status, Toolwright
from toolwright.powers import Grant
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.store.secrets import SecretStore

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

VALUE = "the-very-secret-value/1"

FETCH = '''
import json
import urllib.request


def fetch(url: str, headers: dict[str, str]) -> dict[str, str]:
    """Look up what a service says."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except OSError as error:
        return {"error": str(error)}
'''
SEE = '''
import os


def see(word: str) -> dict[str, str]:
    """Tell what is in sight."""
    print(os.environ["KEY"])
    return {"KEY": os.environ["KEY"]}
'''
WITH_REQUESTS = '''
import requests


def ask(url: str) -> str:
    """Ask a service twice on one connection."""
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer secret://KEY"
        return session.get(url, timeout=10).text + session.get(url, timeout=10).text
'''


class Service:
    """A server on loopback that keeps what it was asked, and answers with it."""

    def __init__(self, tls=None, to=""):
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):
                self.asked.append((handler.path, dict(handler.headers)))
                body = json.dumps({"path": handler.path, **handler.headers}).encode()
                handler.send_response(302 if to else 200)
                if to:
                    handler.send_header("Location", to)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.power = f"127.0.0.1:{self.server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.power}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service():
    """A function that starts a Service."""
    with contextlib.ExitStack() as stack:

        def start(*args, **kwargs):
            one = Service(*args, **kwargs)
            stack.callback(one.server.server_close)
            stack.callback(one.server.shutdown)
            return one

        yield start


@pytest.fixture
def machine(tmp_path_factory, monkeypatch):
    """A TLS server's context; the machine trusts its certificate."""
    from toolwright.signing import certificates as signing

    folder = tmp_path_factory.mktemp("tls")
    authority = signing.read_authority(signing.new_authority())
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "leaf.pem").write_bytes(signing.leaf(authority, "127.0.0.1"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    return context


class Shelf:
    """A home with one secret, a tool on its shelf, and all that was said."""

    def __init__(self, home, caplog):
        self.home, self._log = home, caplog
        caplog.set_level(logging.DEBUG)
        self.tw = Toolwright(home=home, approve=True)
        SecretStore(home).set("KEY", VALUE)  # as another process would
        self.outcomes = []

    def add(self, source, name, **powers):
        file = self.home.parent / f"{name}.py"
        file.write_text(source)
        made = self.tw.import_file(file, **powers)
        assert made.version is not None, [check for one in made.verdicts for check in one.checks]

    def call(self, name, **arguments):
        outcome = self.tw.call(name, arguments)
        self.outcomes.append(outcome)
        return outcome

    def says_nothing(self):
        """No outcome, log or file but the one for values holds the value."""
        self.tw.close()
        for form in (VALUE, urllib.parse.quote(VALUE, safe="")):
            assert form not in repr(self.outcomes)
            assert form not in self._log.text
            for one in self.home.rglob("*"):
                if one.is_file() and one.name != "secrets.json":
                    assert form.encode() not in one.read_bytes(), one


@pytest.fixture
def shelf(tmp_path, caplog):
    (tmp_path / "home").mkdir()
    one = Shelf(tmp_path / "home", caplog)
    yield one
    one.tw.close()


@pytest.mark.parametrize("tls", [False, True])
def test_the_host_gets_the_value_and_the_tool_does_not(shelf, service, machine, tls):
    server = service(machine if tls else None)
    shelf.add(FETCH, "fetch", hosts=[server.power], secrets=[f"KEY@{server.power}/header/X-Api-Key"])
    outcome = shelf.call("fetch", url=server.url, headers={"X-Api-Key": "secret://KEY", "X-Other": "secret://KEY"})
    assert outcome.status is Status.OK, outcome
    asked = {name.lower(): value for name, value in server.asked[-1][1].items()}
    assert (asked["x-api-key"], asked["x-other"]) == (VALUE, "secret://KEY")
    echoed = {name.lower(): value for name, value in outcome.value.items()}
    assert echoed["x-api-key"] == "secret://KEY"
    shelf.says_nothing()


def test_a_parameter_is_filled_as_clients_write_it(shelf, service, machine):
    server = service(machine)
    shelf.add(FETCH, "fetch", hosts=[server.power], secrets=[f"KEY@{server.power}/query/key"])
    query = urllib.parse.urlencode({"q": "secret://KEY", "key": "secret://KEY"})
    outcome = shelf.call("fetch", url=f"{server.url}/?{query}", headers={"Authorization": "secret://KEY"})
    path, headers = server.asked[-1]
    assert urllib.parse.parse_qs(path.partition("?")[2]) == {"q": ["secret://KEY"], "key": [VALUE]}
    assert headers["Authorization"] == "secret://KEY"
    assert outcome.value["path"].endswith("key=secret://KEY")
    shelf.says_nothing()


@pytest.mark.parametrize("tls", [False, True])
def test_a_redirect_and_another_host_get_the_placeholder(shelf, service, machine, tls):
    other = service(machine if tls else None)
    server = service(machine if tls else None, to=other.url + "/there")
    secrets = [f"KEY@{server.power}/header/Authorization"]
    shelf.add(FETCH, "fetch", hosts=[server.power, other.power], secrets=secrets)
    shelf.call("fetch", url=server.url, headers={"Authorization": "Bearer secret://KEY"})
    assert server.asked[-1][1]["Authorization"] == f"Bearer {VALUE}"
    assert other.asked[-1][0] == "/there"
    assert other.asked[-1][1].get("Authorization") in (None, "Bearer secret://KEY")
    shelf.call("fetch", url=other.url, headers={"Authorization": "Bearer secret://KEY", "Host": server.power})
    assert VALUE not in str(other.asked)
    shelf.says_nothing()


def test_in_the_box_there_is_the_placeholder_and_the_authority_without_its_key(shelf, service):
    server = service()
    shelf.add(SEE, "see", hosts=[server.power], secrets=[f"KEY@{server.power}/header/Authorization"])
    outcome = shelf.call("see", word="x")
    assert outcome.value == {"KEY": "secret://KEY"}
    assert outcome.output == "secret://KEY\n"
    key = shelf.home / "authority" / "authority.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    shelf.says_nothing()


def test_nothing_that_a_guest_can_read_holds_the_value(service, tmp_path):
    server = service()
    everything = """
        import os

        def look():
            found = [repr(dict(os.environ)), open(os.environ["SSL_CERT_FILE"]).read()]
            for folder, _, names in os.walk("/tmp"):
                found += names
            return "\\n".join(found)
    """
    grant = Grant(hosts=(server.power,), secrets=(f"KEY@{server.power}/header/Authorization",))
    box = LinuxSandbox()
    job = Job(
        textwrap.dedent(everything), "look", ({},), grant, secrets={"KEY": VALUE}, authority=tmp_path / "authority"
    )
    with contextlib.closing(box):
        ended = box.run(job)
    claim = json.loads(ended.claims[0])
    assert "'KEY': 'secret://KEY'" in str(claim)
    assert "BEGIN CERTIFICATE" in str(claim)
    assert "PRIVATE" not in str(claim)
    assert VALUE not in repr(ended)


def test_a_guest_that_waits_with_the_tool_loaded_is_not_for_a_call_with_a_secret():
    source = "import os\n\ndef look():\n    return os.environ.get('KEY', 'nothing')\n"
    with contextlib.closing(LinuxSandbox()) as box:
        for value in ("first-value", "second-value"):
            for _ in range(12):  # so often that guests load it ahead of its calls
                assert b"nothing" in box.run(Job(source, "look", ({},))).claims[0]
                time.sleep(0.05)
            job = Job(source, "look", ({},), Grant(plain_secrets=("KEY",)), secrets={"KEY": value})
            assert value.encode() in box.run(job).claims[0]


def test_a_plain_secret_is_in_the_box_and_masked_in_what_comes_back(shelf):
    shelf.add(SEE, "see", plain_secrets=["KEY"])
    outcome = shelf.call("see", word="x")
    assert outcome.value == {"KEY": "[secret]"}
    shelf.says_nothing()


def test_a_value_that_was_handed_out_is_masked_in_whatever_is_kept_later(shelf):
    shelf.add(SEE, "see", plain_secrets=["KEY"])
    shelf.tw.close()
    with Endpoint(lambda request: says(f"A model has guessed it: {VALUE}")) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=shelf.home, approve=True) as tw:
            tw.call("see", {"word": "x"})
            tw.run("What is the key?")
    shelf.says_nothing()


def test_a_secret_that_changes_is_the_new_one_in_the_next_call(shelf, service):
    server = service()
    shelf.add(FETCH, "fetch", hosts=[server.power], secrets=[f"KEY@{server.power}/header/X-Api-Key"])
    for value in ("first-value", "second-value"):
        shelf.tw.set_secret("KEY", value)
        shelf.call("fetch", url=server.url, headers={"X-Api-Key": "secret://KEY"})
        assert {name.lower(): one for name, one in server.asked[-1][1].items()}["x-api-key"] == value


def test_requests_gets_through_twice_on_one_connection(shelf, service, machine):
    server = service(machine)
    secrets = [f"KEY@{server.power}/header/Authorization"]
    try:
        shelf.add(WITH_REQUESTS, "ask", hosts=[server.power], secrets=secrets, packages=["requests"])
    except AssertionError as error:
        if "could not be" in str(error):
            pytest.skip("no packages can be had here")
        raise
    outcome = shelf.call("ask", url=server.url)
    assert outcome.status is Status.OK, outcome
    assert outcome.value.count("secret://KEY") == 2
    assert [headers["Authorization"] for _, headers in server.asked[-2:]] == [f"Bearer {VALUE}"] * 2
    shelf.says_nothing()


def test_the_store_comes_before_the_environment_and_a_missing_one_names_the_command(shelf, service, monkeypatch):
    server = service()
    shelf.add(FETCH, "fetch", hosts=[server.power], secrets=[f"KEY@{server.power}/header/X-Api-Key"])
    monkeypatch.setenv("KEY", "from-the-environment")
    asked = {"url": server.url, "headers": {"X-Api-Key": "secret://KEY"}}
    shelf.call("fetch", **asked)
    shelf.tw.remove_secret("KEY")
    shelf.call("fetch", **asked)
    assert [{n.lower(): v for n, v in headers.items()}["x-api-key"] for _, headers in server.asked[-2:]] == [
        VALUE,
        "from-the-environment",
    ]
    monkeypatch.delenv("KEY")
    outcome = shelf.call("fetch", **asked)
    assert (outcome.status, outcome.reason) == (Status.DENIED, "secret-missing")
    assert "`toolwright secrets set KEY`" in outcome.detail
    shelf.tw.set_secret("KEY", "two\nlines-of-it")
    outcome = shelf.call("fetch", **asked)
    assert (outcome.status, outcome.reason) == (Status.DENIED, "secret-unfit")
    assert "lines-of-it" not in outcome.detail
    os.chmod(shelf.home / "secrets.json", 0o644)
    outcome = shelf.call("fetch", **asked)
    assert (outcome.status, outcome.reason) == (Status.FAULT, "secrets")
    assert "chmod 600" in outcome.detail


@pytest.mark.parametrize("what", ["", "secrets.json", "authority"])
def test_where_secrets_are_kept_cannot_be_granted(shelf, what):
    shelf.add("def look(a: int) -> int:\n    return a\n", "look", description="Look.", example="look(1) == 1")
    (shelf.home / "authority").mkdir(exist_ok=True)
    file = shelf.home.parent / "peek.py"
    file.write_text(f'def peek() -> str:\n    """Look."""\n    return open({str(shelf.home / what)!r}).read()\n')
    verdict = shelf.tw.validate("peek", file.read_text(), description="Look.", reads=[str(shelf.home / what)])
    assert verdict.pending is not None
    assert (verdict.pending.status, verdict.pending.reason) == (Status.DENIED, "home")
