"""Loopback servers to reach or not to reach, a client that speaks raw bytes, and an egress proxy that is closed."""

import contextlib
import datetime
import ipaddress
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass

import pytest

from toolwright.sandbox.egress import Egress


class Origin:
    """A server on loopback that keeps every byte it was sent and gives one fixed answer."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    def __init__(self, host="127.0.0.1", tls=None, answer=None, serve=None):
        self.received = []
        self.connections = 0
        self.answer = answer or self.answer
        self._serve = serve or self._reply
        self._tls = tls
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.host, self.port = self._listener.getsockname()[:2]
        self.power = f"{self.host}:{self.port}"
        self.url = f"http://{self.power}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        with contextlib.suppress(OSError), sock:
            sock.settimeout(10)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._serve(sock)
            sock.close()

    def _reply(self, sock):
        data = b""
        while not _whole(data):
            more = sock.recv(65536)
            if not more:
                break
            data += more
        sock.sendall(self.answer)
        sock.settimeout(0.1)
        with contextlib.suppress(TimeoutError):  # a second request that slipped through would come now
            while more := sock.recv(65536):
                data += more
        if data:
            self.received.append(data)

    def seen(self, count=1):
        """What each of the first *count* connections sent; waits for them."""
        deadline = time.monotonic() + 3
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.received

    def close(self):
        self._listener.close()


def _whole(data):
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return len(body) >= int(length[1] if length else 0)


@dataclass
class Way:
    """An egress proxy and the port that a guest would find it at."""

    egress: Egress
    port: int

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.egress.log

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def say(self, data, *, end=False):
        """Everything the proxy answers to *data* until it closes."""
        with self.connect() as sock:
            sock.sendall(data)
            if end:
                sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def get(self, url, *headers):
        host = url.split("/")[2]
        lines = [f"GET {url} HTTP/1.1", f"Host: {host}", *headers, "", ""]
        return self.say("\r\n".join(lines).encode())

    def tunnel(self, power):
        """A socket behind a CONNECT that was answered, and the answer."""
        sock = self.connect()
        sock.sendall(f"CONNECT {power} HTTP/1.1\r\nHost: {power}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(1)
        return sock, answer


def read_all(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65536):
            data += more
    return data


@pytest.fixture
def origin():
    """A function that starts an Origin."""
    with contextlib.ExitStack() as stack:

        def start(*args, **kwargs):
            server = Origin(*args, **kwargs)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def way():
    """A function that starts an egress proxy for some hosts; no proxy settings of this machine unless given."""
    with contextlib.ExitStack() as stack:

        def start(*hosts, **kwargs):
            egress = Egress(hosts, **{"environment": {}, **kwargs})
            stack.callback(egress.close)
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            egress.serve(listener)
            return Way(egress, port)

        yield start


@dataclass
class Certified:
    """A server's TLS context, and a client's that trusts it and nothing else."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    bundle: str


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    """TLS for 127.0.0.1, localhost and tool.invalid."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.DNSName("tool.invalid"), x509.DNSName("other.invalid")]
    alternative = x509.SubjectAlternativeName([*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cadata=pem.decode())
    return Certified(server, client, str(folder / "cert.pem"))


@pytest.fixture
def names(monkeypatch):
    """A mapping of names to their addresses, as the resolver of this process answers from now on."""
    known = {}
    real = socket.getaddrinfo

    def resolver(name, *args, **kwargs):
        return [entry for address in known.get(name, [name]) for entry in real(address, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return known


@pytest.fixture
def outer(origin):
    """A function that starts a proxy which leads every tunnel to *target*, but for what *refuses* says no to."""

    def start(target=None, refuse=b"", refuses=(), silent=b""):
        heads = []

        def serve(sock):
            head = b""
            while b"\r\n\r\n" not in head:
                more = sock.recv(65536)
                if not more:
                    return
                head += more
            heads.append(head)
            if head.split()[1] == silent:
                sock.recv(1)
                return
            said = refuse or dict(refuses).get(head.split()[1], b"")
            if said or target is None:
                sock.sendall(said or b"HTTP/1.1 502 no target\r\n\r\n")
                return
            sock.sendall(b"HTTP/1.1 200 go ahead\r\n\r\n")
            with socket.create_connection((target.host, target.port)) as far:
                back = threading.Thread(target=pipe, args=(far, sock))
                back.start()
                pipe(sock, far)
                back.join()

        server = origin(serve=serve)
        server.heads = heads
        return server

    return start


def pipe(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
