"""A host grant opens one way out of a box: to that host, through the proxy, and nowhere else."""

import contextlib
import datetime
import http.server
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
import time

import pytest

from toolwright.escape.attack import Attack, hit, says
from toolwright.escape.campaign import Verdict, bare
from toolwright.escape.world import World
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Job, claims
from toolwright.sandbox.linux import LinuxSandbox

_SOURCE = """
import socket, urllib.request

def attack(granted=0, other=0, **it):
    other = other or it["port"]
    said = []
    if granted:
        with urllib.request.urlopen(f"http://127.0.0.1:{granted}/", timeout=3) as answer:
            said.append(answer.read().decode())
    for address in ("127.0.0.1", "127.0.0.2", "0.0.0.0"):
        try:
            socket.create_connection((address, other), timeout=2).close()
            said.append("connected")
        except OSError:
            pass
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{other}/", timeout=3) as answer:
            said.append("fetched")
    except Exception as error:
        said.append(str(getattr(error, "code", "failed")))
    import os
    proxy = os.environ.get("HTTP_PROXY", "").rpartition(":")[2]
    if proxy:
        with socket.create_connection(("127.0.0.1", int(proxy)), timeout=2) as link:
            link.sendall(f"CONNECT 127.0.0.1:{other} HTTP/1.1\\r\\nHost: 127.0.0.1:{granted}\\r\\n\\r\\n".encode())
            said.append(link.recv(100).decode().split()[1])
    return said
"""


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def box():
    made = LinuxSandbox()
    if made.profile != "full":
        pytest.skip("host grants need a box with a network namespace")
    return made


def test_the_granted_host_is_reached_and_another_is_not(box, page):
    with World() as world:
        arguments = {"granted": page, "other": world.port}
        ended = box.run(Job(_SOURCE, "attack", (arguments,), grant=Grant(hosts=(f"127.0.0.1:{page}",))))
        assert ended.ending is Ending.EXITED, ended
        claim = claims.parse(ended.claims[0], 0)
        assert claim.value == ["hello", "403", "403"], claim
        assert world.hits == 0
        assert sorted(line.split()[0] for line in ended.egress) == ["allowed", "refused", "refused"]


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """A server's TLS context for 127.0.0.1, which this host trusts by its settings."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "both.pem").write_bytes(secret + certificate.public_bytes(encoding))
    (tmp_path / "trusted.pem").write_bytes(certificate.public_bytes(encoding))
    (tmp_path / "trusted.pem").chmod(0o600)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


def test_https_goes_through_the_proxy_with_the_certificates_that_the_host_trusts(box, trusted):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    server.socket = trusted.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    source = (
        "import urllib.request\ndef tool(port: int) -> str:\n"
        "    with urllib.request.urlopen(f'https://127.0.0.1:{port}/', timeout=5) as answer:\n"
        "        return answer.read().decode()\n"
    )
    ended = box.run(Job(source, "tool", ({"port": port},), grant=Grant(hosts=(f"127.0.0.1:{port}",))))
    server.shutdown()
    server.server_close()
    assert claims.parse(ended.claims[0], 0).value == "hello", ended
    assert ended.egress[0].startswith(f"allowed 127.0.0.1:{port} ")


def test_the_other_host_is_reached_without_the_wall():
    reached = Attack(
        name="another host",
        family="samples",
        gain="reaches a host that was not granted",
        source=_SOURCE,
        proof=lambda seen: hit(seen) and says("connected")(seen),
    )
    assert bare(reached).verdict is Verdict.SHOWN


def test_without_a_grant_there_is_no_proxy(box):
    source = "import os\ndef tool():\n    return sorted(name for name in os.environ if 'proxy' in name.lower())\n"
    ended = box.run(Job(source, "tool", ({},)))
    assert claims.parse(ended.claims[0], 0).value == []


def test_several_boxes_have_ways_out_of_their_own(box, page):
    source = (
        "import urllib.request\ndef tool(port: int) -> str:\n"
        "    with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=5) as answer:\n"
        "        return answer.read().decode()\n"
    )
    got = []

    def one():
        ended = box.run(Job(source, "tool", ({"port": page},) * 3, grant=Grant(hosts=(f"127.0.0.1:{page}",))))
        got.append([claims.parse(raw, item).value for item, raw in enumerate(ended.claims)])

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [["hello"] * 3] * 3


_COUNTED = """
import os, sys
from toolwright.powers import Grant
from toolwright.sandbox import Job
from toolwright.sandbox.linux import LinuxSandbox
box = LinuxSandbox()
source = "def tool():\\n    return 1\\n"
job = Job(source, "tool", ({},), grant=Grant(hosts=(f"127.0.0.1:{sys.argv[1]}",)))
box.run(job)
box.close()
before = os.listdir("/proc/self/fd")
for _ in range(3):
    box.run(job)
    box.run(Job(source, "tool", ({},)))
    box.run(Job("import no_such", "tool", ({},)))
box.close()
print(sorted(before) == sorted(os.listdir("/proc/self/fd")))
"""


def test_descriptors_of_the_keeper_are_given_back(box, page):
    # In a process of its own: here other boxes open and close some at any time.
    words = [sys.executable, "-c", _COUNTED, str(page)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert done.stdout == "True\n"


_FIRST = """
import resource
import urllib.request

def fetch(url: str) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with urllib.request.urlopen(url) as answer:
        answer.read()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


def test_the_first_request_of_a_guest_that_waited_finds_its_pages_there(box, page):
    """Most of what a first request costs is pages that the guest gets of its own: those who wait have them already."""
    job = Job(_FIRST, "fetch", ({"url": f"http://127.0.0.1:{page}/"},), grant=Grant(hosts=(f"127.0.0.1:{page}",)))

    def pages(one):
        ended = one.run(job)
        return claims.parse(ended.claims[0], 0).value

    with contextlib.closing(LinuxSandbox(box.profile, most_waiting=0)) as cold:
        new = min(pages(cold) for _ in range(3))
    waited = []
    for _ in range(5):
        waited.append(pages(box))
        time.sleep(0.3)  # guests are made when calls pause
    assert min(waited) < new / 3, (new, waited)
