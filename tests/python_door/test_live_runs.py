"""An example meets the world once for each approval, whoever validates and however often."""

from toolwright import Toolwright
from toolwright.demo.servers import LoopbackServer

SOURCE = '''
import urllib.request


def look(path: str) -> int:
    """Say how many bytes a page has."""
    with urllib.request.urlopen("http://HOST/" + path, timeout=5) as answer:
        return len(answer.read())
'''


def test_one_approval_lets_an_example_run_once_in_whatever_process(tmp_path):
    hits: list[str] = []

    def page(path, _):
        hits.append(path)
        return 200, "four"

    with LoopbackServer(page) as server:
        asked = {"example": "look('a') == 6", "hosts": [server.address]}
        source = SOURCE.replace("HOST", server.address)
        with Toolwright(home=tmp_path, approve=True) as tw:
            first = tw.validate("look", source, **asked)
            assert first.passed, first.failed
            assert hits == ["/a"]
        with Toolwright(home=tmp_path, approve=True) as tw:
            again = tw.validate("look", source, **asked)
            assert again.passed
            assert hits == ["/a"], "the same approval covers it, and that example has run"
            assert any("has run once under this approval" in line for line in again.untested)
