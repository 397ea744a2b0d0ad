"""The corpus: no right function is refused, no function that fails its example passes, attacks end inside the wall."""

from __future__ import annotations

from collections import defaultdict

import pytest
from corpus_files import Entry, attacks, good
from proving import Bench, failing

from toolwright.tool import Candidate

EVERY = good()
SLICE = [entry for number, entry in enumerate(EVERY) if number % 8 == 3]


def test_the_corpus_is_large_and_every_mutant_is_another_source() -> None:
    assert len(EVERY) >= 120
    assert len({entry.name for entry in EVERY}) == len(EVERY)
    assert all(entry.mutant().source != entry.source for entry in EVERY)
    assert 20 <= len(SLICE) <= 30


@pytest.mark.parametrize("entry", SLICE, ids=lambda entry: entry.name)
def test_a_right_function_is_not_refused_and_its_mutant_is(bench: Bench, entry: Entry) -> None:
    right = bench.verdict(entry.candidate())
    assert right.passed, failing(right)
    assert not bench.verdict(entry.mutant()).passed


@pytest.mark.long
@pytest.mark.timeout(900)
def test_of_all_right_functions_at_most_one_in_a_hundred_is_refused(bench: Bench) -> None:
    refused = {}
    for entry in EVERY:
        verdict = bench.verdict(entry.candidate())
        if not verdict.passed:
            refused[entry.name] = failing(verdict)
    print(f"\nrefused {len(refused)} of {len(EVERY)} right functions")
    assert len(refused) * 100 <= len(EVERY), refused


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_function_that_fails_its_example_passes(bench: Bench) -> None:
    passed = [entry.name for entry in EVERY if bench.verdict(entry.mutant()).passed]
    print(f"\npassed {len(passed)} of {len(EVERY)} mutants")
    assert passed == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_where_attacks_end(bench: Bench) -> None:
    fell: defaultdict[str, list[str]] = defaultdict(list)
    for name, source in attacks():
        candidate = bench.candidate(
            "pass", tool_name="attack", description="Clean a text.", input_params="text: str", return_type="str"
        )
        verdict = bench.verdict(Candidate(candidate.spec, source))
        fell[failing(verdict)[0] or "none"].append(name)
    print("\n" + ", ".join(f"{where}: {len(names)}" for where, names in fell.items()))
    assert len(fell["screen"]) >= 0.85 * len(attacks()), dict(fell)
