"""The rules of the house, as tests: small modules, floors, strict types, clean lint, light start-up."""

import ast
import os
import pathlib
import resource
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_is_short_and_says_what_it_does(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


def test_floors_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.long
@pytest.mark.xdist_group("mypy")
def test_types_are_strict():
    done = tool("mypy")
    assert done.returncode == 0, done.stdout


@pytest.mark.long
@pytest.mark.xdist_group("mypy")
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_types_are_strict_as_other_systems_see_them(platform):
    done = tool("mypy", "--config-file", f".ci/mypy-{platform}.ini", "--platform", platform)
    assert done.returncode == 0, done.stdout


@pytest.mark.xdist_group("groups")
def test_a_group_of_tests_is_kept_together(request):
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@groups"), "this pytest-xdist and pytest do not go together"


def test_lint_is_clean():
    done = tool("ruff", "check", ".")
    assert done.returncode == 0, done.stdout
    done = tool("ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout


def _cpu_seconds(*words: str) -> float:
    """The least CPU time of three runs: less noisy than the wall."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_importing_toolwright_loads_no_heavy_library():
    code = "import sys, toolwright; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    heavy = {
        "pydantic_ai",
        "openai",
        "starlette",
        "uvicorn",
        "rich",
        "jsonschema",
        "pydantic",
        "httpx",
        "yaml",
        "asyncio",
    }
    assert not heavy & loaded


def test_importing_toolwright_costs_less_than_ten_bare_starts():
    # CPU seconds of the same machine at the same time, of which there are five times more than it takes: no timing.
    assert _cpu_seconds("-c", "import toolwright") < 10 * _cpu_seconds("-c", "pass")


def test_help_loads_no_heavy_library():
    code = "import sys\ntry:\n import toolwright.cli as c; c.cli.main(['-h'])\nfinally:\n print(*sys.modules, file=sys.stderr)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.split())
    assert not {"pydantic_ai", "openai", "starlette", "uvicorn", "rich", "jsonschema", "pydantic", "httpx"} & loaded
    assert "toolwright.cli" in loaded
