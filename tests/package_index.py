"""A package index on loopback, with wheels that are made here."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import zipfile


def wheel(name, version="1.0", requires=(), tag="py3-none-any"):
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-{tag}.whl", data.getvalue()


def sdist(name, marker, version="1.0"):
    setup = (
        f"open({str(marker)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name={name!r}, version={version!r})\n"
    )
    files = {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", data.getvalue()


class Index:
    """A package index on loopback: `gate` holds back wheels while it is not set, `status` is that of every answer.

    With *times* (file name to upload time) it answers in the JSON of PEP 691 and 700, else in HTML without times.
    """

    def __init__(self, *files, times=None):
        self.files = dict(files)
        self.times = times
        self.asked = []
        self.fetched = []
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.status = 200
        index = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.answer(self)

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request):
        _, kind, name, *_ = request.path.split("/")
        body = self.page(name) if kind == "simple" else self.wheel(name)
        request.send_response(200 if body and self.status == 200 else self.status if body else 404)
        listing = "text/html" if self.times is None else "application/vnd.pypi.simple.v1+json"
        request.send_header("Content-Type", listing if kind == "simple" else "application/octet-stream")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def page(self, name):
        self.asked.append(name)
        files = {each: data for each, data in self.files.items() if each.split("-")[0] == name}
        if self.times is not None:
            return json.dumps(self.listed(name, files)).encode() if files else b""
        link = '<a href="/files/{0}#sha256={1}">{0}</a>'
        return "".join(link.format(each, hashlib.sha256(data).hexdigest()) for each, data in files.items()).encode()

    def listed(self, name, files):
        entries = [
            {"filename": each, "url": f"/files/{each}", "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
            | ({"upload-time": self.times[each]} if each in self.times else {})
            for each, data in files.items()
        ]
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": entries}

    def wheel(self, name):
        self.fetched.append(name)
        if not self.gate.is_set():
            self.waiting.set()
            self.gate.wait(20)
        return self.files[name]


@contextlib.contextmanager
def started(monkeypatch):
    """A function that starts an Index and makes it the only one that pip's settings know."""
    running = []

    def start(*files, times=None):
        running.append(Index(*files, times=times))
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", running[-1].url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        return running[-1]

    try:
        yield start
    finally:
        for each in running:
            each.gate.set()
            each.server.shutdown()
            each.server.server_close()
