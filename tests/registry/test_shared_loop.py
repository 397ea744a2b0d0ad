"""The README's loop and many equal requests, on a shared shelf: made once, reused from every home."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloud import KEYS, ROOT, Cloud, let_in

from docs_support.world import World, has_full_sandbox, world
from forge.forge_shop import ONLINE, POWERS, RIGHT, Shop, convert_spec, writes
from orchestrator import orchestrator_stage
from orchestrator.orchestrator_stage import CONVERT, CONVERT_ASKED, calls, says
from toolwright import Toolwright
from toolwright.forge import Forged
from toolwright.joining import papers_at, shared_trust
from toolwright.models.models import Models
from toolwright.models.scripted import ScriptedServer
from toolwright.policy import ApprovalRequest
from toolwright.provenance import root
from toolwright.registry import Registry
from toolwright.search import FtsRetriever
from toolwright.settings import load
from toolwright.store.aws.address import Address
from toolwright.store.aws.shared import AwsStore
from toolwright.store.keys import HomeKeys

VOWELS = "How many vowels are in 'toolwright registry'?"
RATE = "What is the USD to ILS exchange rate now, and how much are 5,000 USD in ILS?"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as one:
        yield one


def ended(place: World, *words: str) -> dict[str, Any]:
    done = place.toolwright("run", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert result["status"] == "complete"
    return result


def sharing(here: World, servers: Cloud) -> tuple[World, str]:
    """*here* with a shelf that others can share, and the fingerprint of its root."""
    place = {
        "TOOLWRIGHT_STORE": str(servers.address()),
        "TOOLWRIGHT_STORE_REGION": "us-east-1",
        "TOOLWRIGHT_STORE_S3_URL": servers.s3_url,
        "TOOLWRIGHT_STORE_DYNAMODB_URL": servers.dynamodb_url,
    }
    first = replace(here, environment=here.environment | place | KEYS)
    said = first.toolwright("registry", "init", "--store", place["TOOLWRIGHT_STORE"], "--json")
    assert said.returncode == 0, said.stderr
    return first, json.loads(said.stdout)["root"]


def beside(first: World, tmp_path: Path) -> World:
    """Another machine, with a home that never saw any of it."""
    return replace(first, environment=first.environment | {"TOOLWRIGHT_HOME": str(tmp_path / "second")})


@pytest.mark.long
@pytest.mark.parametrize("store", ["files", "shared"])
def test_the_loop_of_the_readme_is_the_same_on_each_store(
    here: World, servers: Cloud, tmp_path: Path, store: str
) -> None:
    first, fingerprint = sharing(here, servers) if store == "shared" else (here, "")
    made = ended(first, VOWELS)
    assert (made["made"], made["reused"]) == (["count_vowels@1"], [])
    again = ended(first, VOWELS)
    assert (again["made"], again["reused"]) == ([], ["count_vowels@1"])
    assert made["output"] == again["output"] == "5 vowels."
    if has_full_sandbox():
        both = ended(first, RATE)
        assert (both["made"], "18550.0" in both["output"]) == (["fetch_exchange_rate@1", "convert_amount@1"], True)
        reused = ended(first, RATE)
        assert (reused["made"], len(reused["reused"])) == ([], 2)
    homes = [first]
    if store == "shared":
        homes.append(beside(first, tmp_path))
        lets_in(first, homes[1], first.environment["TOOLWRIGHT_STORE"], fingerprint)
        elsewhere = ended(homes[1], VOWELS)
        assert (elsewhere["made"], elsewhere["reused"]) == ([], ["count_vowels@1"])
    for home in homes:
        assert "count_vowels@1" in home.toolwright("tools").stdout
        assert home.toolwright("call", "count_vowels", "--text", "everyday use").stdout == "5\n"
        assert "def count_vowels(text: str) -> int:" in home.toolwright("show", "count_vowels", "--code").stdout


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("store", ["files", "shared"])
def test_of_thirty_two_runs_at_once_one_makes_the_tool_and_the_others_reuse_it(
    here: World, servers: Cloud, tmp_path: Path, store: str
) -> None:
    homes = [here]
    if store == "shared":
        first, fingerprint = sharing(here, servers)
        homes = [first, beside(first, tmp_path)]
        joined = homes[1].toolwright(
            "registry", "join", first.environment["TOOLWRIGHT_STORE"], "--trust", fingerprint, "--json"
        )
        admitted = first.toolwright("registry", "keys", "--admit", json.loads(joined.stdout)["keyid"])
        assert admitted.returncode == 0, admitted.stderr
    command = [str(here.place / "bin" / "toolwright"), "run", VOWELS, "--json"]
    running = [
        subprocess.Popen(command, cwd=home.folder, env=home.environment, stdout=subprocess.PIPE, text=True)
        for home in homes * (32 // len(homes))
    ]
    # However long it takes: what is asked is how often the tool is made.
    results = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
    assert sorted((one["made"], one["reused"]) for one in results) == [([], ["count_vowels@1"]) for _ in range(31)] + [
        (["count_vowels@1"], [])
    ]
    assert sum(one.role == "generator" for one in here.model.log) == 1
    for home in homes:
        assert len(json.loads(home.toolwright("show", "count_vowels", "--json").stdout)["versions"]) == 1
        assert home.toolwright("registry", "verify").returncode == 0


def lets_in(first: World, second: World, store: str, root: str) -> None:
    """*second* joins the shelf that *first* set up; what it makes there runs from when it is let in until it is barred."""
    refused = second.toolwright("call", "count_vowels", "--text", "a")
    assert refused.returncode != 0
    assert "has not joined" in refused.stderr
    wrong = second.toolwright("registry", "join", store, "--trust", "0" * 64)
    assert wrong.returncode == 2
    joined = second.toolwright("registry", "join", store, "--trust", root, "--json")
    keyid = json.loads(joined.stdout)["keyid"]
    source = Path(second.environment["TOOLWRIGHT_HOME"]).parent / "twice.py"
    source.write_text(
        'def twice(n: int) -> int:\n    """Double it.\n\n    >>> twice(2)\n    4\n    """\n    return 2 * n\n'
    )
    early = second.toolwright("registry", "import", str(source))
    assert early.returncode != 0
    assert keyid[:16] in early.stderr, early.stderr
    waiting = first.toolwright("registry", "keys").stdout
    assert [line for line in waiting.splitlines() if keyid in line and "wait" in line], waiting
    admitted = first.toolwright("registry", "keys", "--admit", keyid)
    assert admitted.returncode == 0, admitted.stderr
    made = second.toolwright("registry", "import", str(source))
    assert made.returncode == 0, made.stderr
    assert first.toolwright("call", "twice", "--n", "4").stdout == "8\n"
    barred = first.toolwright("registry", "keys", "--bar", keyid)
    assert barred.returncode == 0, barred.stderr
    late = first.toolwright("call", "twice", "--n", "4")
    assert late.returncode != 0
    assert "not trusted" in late.stdout + late.stderr
    assert first.toolwright("registry", "keys", "--admit", keyid).returncode == 0
    assert first.toolwright("call", "twice", "--n", "4").stdout == "8\n"


class SharedShop(Shop):
    """A forge on a home of its own before a shelf that others share."""

    def __init__(self, home: Path, server: ScriptedServer, address: Address) -> None:
        super().__init__(home, server)
        self.registry.close()
        let_in(address, home)
        shelf = AwsStore(address, home, lambda _: FtsRetriever())
        trust = shared_trust(home, shelf.papers, str(address))
        self.registry = Registry(shelf, self.store.calls, self.store.audit, trust=trust)


@pytest.fixture
def _nothing_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().endswith(("_API_KEY", "_PROXY", "_BASE_URL")):
            monkeypatch.delenv(name)


@pytest.mark.long
@pytest.mark.usefixtures("_nothing_leads_elsewhere")
@pytest.mark.parametrize("powers", [False, pytest.param(True, marks=pytest.mark.skipif("not has_full_sandbox()"))])
def test_of_thirty_two_equal_requests_from_two_homes_one_is_made_and_both_have_it(
    servers: Cloud, tmp_path: Path, powers: bool
) -> None:
    source = {"source": ONLINE} if powers else RIGHT
    spec = convert_spec(powers=POWERS, example="") if powers else convert_spec()
    script = {"turns": [writes(source, delay=0.5), {"when": {"role": "examiner"}, "fault": {"status": 404}}]}
    model = ScriptedServer(script)
    model.start()
    address = servers.address()
    shops = [SharedShop(tmp_path / name, model, address) for name in ("one", "other")]
    questions: list[str] = []

    def approve(request: ApprovalRequest) -> bool:
        questions.append(request.question.name)
        time.sleep(1.0)  # each of the others looks meanwhile whether the lease is free
        return True

    async def work(models: Models) -> list[Forged]:
        forges = [shop.forge(models) for shop in shops]
        makes = [shops[at % 2].ask_for(forges[at % 2], spec, approve, at) for at in range(32)]
        return list(await asyncio.gather(*makes))

    made = shops[0].with_models(work)
    assert [str(one.version) for one in made] == ["convert@1"] * 32
    assert sum(one.won for one in made) == 1
    assert len(shops[0].asked("generator")) == 1
    assert questions == ["convert"] * powers
    for shop in shops:
        # Lists are a few seconds behind.
        until = time.monotonic() + 60
        while shop.registry.names() != ["convert"]:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert len(shop.registry.history("convert")) == 1
        shop.registry.close()
        shop.store.close()
    model.close()


@pytest.mark.usefixtures("_nothing_leads_elsewhere")
def test_what_an_agent_makes_where_the_key_validates_alone_waits_and_is_made_once(
    servers: Cloud, tmp_path: Path
) -> None:
    asks = calls(("request_new_tool", CONVERT_ASKED), results=0)
    again = calls(("request_new_tool", CONVERT_ASKED), results=1)
    runs = calls(("run_tool", {"name": "convert", "arguments": {"amount": 2, "rate": 3}}), results=2)
    model = ScriptedServer({"turns": [asks, again, runs, says("It waits."), orchestrator_stage.writes(CONVERT)]})
    model.start()
    address, home = servers.address(), tmp_path / "home"
    let_in(address, home)
    with papers_at(address) as papers:
        root.endorse(papers, ROOT, HomeKeys(home).signer().public, roles=["validator"])
    place = {"store_region": "us-east-1", "store_s3_url": servers.s3_url, "store_dynamodb_url": servers.dynamodb_url}
    given = {"model": "openai:scripted", "base_url": model.base_url, "store": str(address), **place}
    with Toolwright(settings=load(home, given)) as tw:
        result = tw.run("Convert 5,000 USD at 3.71.", out=tmp_path / "out")
        assert (result.status, result.output, result.made) == ("incomplete", "It waits.", ())
        assert [str(one) for one in tw.registry.history("convert")] == ["convert@1"]
    let_in(address, tmp_path / "promoter")
    with Toolwright(settings=load(tmp_path / "promoter", given)) as promoter:
        assert promoter.registry.promote("convert").state == "active"
    with Toolwright(settings=load(home, given)) as tw:
        # As a resume does after a kill: what came as validated is not also admitted.
        version = tw.registry.get("convert")
        assert not tw.registry.admit(version.verdict, run_id=version.run_id).won
        tw.registry.note_admitted(version)
        assert [one.deed.what for one in tw.audit(name="convert")] == ["validated"]
    told = orchestrator_stage.results_in([one for one in model.log if one.role == "orchestrator"][-1].body)
    assert "convert@1 was made and passed, and is not run before a person promotes it" in told[0]
    assert "The name 'convert' is taken: convert@1 is not run: it was validated, and nobody promoted it yet" in told[1]
    assert "registry promote convert 1" in told[2]
    assert len([one for one in model.log if one.role == "generator"]) == 1
    model.close()
