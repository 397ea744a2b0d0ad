"""The figures with their targets as a table: what was measured goes in, lines with a tick or a miss come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A figure's name, what it is in words, its unit, and the bound that it is to keep."""

    key: str
    words: str
    unit: str
    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether *value* keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target("warm_p50_ms", "warm call, trivial tool, p50", "ms", 0.4),
    Target("warm_p99_ms", "the same, p99", "ms", 1.5),
    Target("warm_p50_ratio_to_subprocess", "a bare subprocess takes so many times longer", "×", 50, at_least=True),
    Target("warm_p50_ratio_to_monty", "warm call as a share of Monty's, p50", "×", 1.0),
    Target("cold_p50_ms", "fresh guest on demand, no warm one, p50", "ms", 2.0),
    Target("first_call_ms", "first call after the start, zygote included", "ms", 120.0),
    Target("pandas_cold_p50_ms", "a tool that imports pandas: on demand", "ms", 9.0),
    Target("pandas_warm_p50_ms", "… warm", "ms", 5.0),
    Target("pandas_loaded_p50_ms", "… warm and loaded", "ms", 2.0),
    Target("fresh_guests_per_s", "fresh guests, 16 callers", "/s", 700, at_least=True),
    Target("map_calls_per_s", "items of one list, through the executor", "/s", 20_000, at_least=True),
    Target("guest_private_mb", "private memory of a warm guest", "MB", 1.5),
    Target("guest_private_pandas_mb", "… with pandas in its zygote", "MB", 2.0),
    Target("egress_added_p50_ms", "call through the egress proxy, beyond the bare request", "ms", 3.0),
    Target("container_warm_ratio_to_linux", "container box, warm, to the linux box", "×", 2.0),
)


def judged(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each target with what was measured, None where nothing was, and whether it was met."""
    rows = []
    for one in TARGETS:
        value = figures.get(one.key)
        rows.append(
            {
                "figure": one.key,
                "target": one.bound,
                "at_least": one.at_least,
                "unit": one.unit,
                "value": value,
                "met": None if value is None else one.met(value),
            }
        )
    return rows


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The table for people: targets, the other figures, what the layers cost, and what was skipped."""
    rows = [("", "figure", "measured", "target")]
    for one in TARGETS:
        value = figures.get(one.key)
        mark = "–" if value is None else "✓" if one.met(value) else "✗"
        bound = f"{'≥' if one.at_least else '≤'} {_number(one.bound)} {one.unit}"
        rows.append((mark, one.words, "skipped" if value is None else f"{_number(value)} {one.unit}", bound))
    found = _aligned(rows)
    found += ["", *_aligned([("", "beside it", "p50 ms", "p99 ms"), *_others(figures)])]
    rates = [("", words, f"{_number(figures[key])} /s", "") for key, words in _RATES.items() if key in figures]
    found += ["", *_aligned([("", "in a second", "", ""), *rates])]
    shares = [("", words, f"{_number(figures[key])} MB", "") for key, words in _SHARES.items() if key in figures]
    if shares:
        found += ["", *_aligned([("", "memory", "", ""), *shares])]
    layers = [
        ("", name, f"{value:,.0f} µs" if isinstance(value, float) else str(value), "")
        for name, value in figures.get("layers_us", {}).items()
    ]
    found += ["", *_aligned([("", "what each layer costs, alone in a new process", "", ""), *layers])]
    found += ["", *(f"  – {name}: {why}" for name, why in figures.get("skipped", {}).items())]
    return [line.rstrip() for line in found]


_OTHERS = {
    "floor_round_trip": "floor: one byte to a waiting process and back",
    "subprocess": "subprocess.run([python, file])",
    "bubblewrap": "bubblewrap and python",
    "podman_exec": "podman exec",
    "podman_run": "podman run --rm",
    "smolagents": "smolagents' interpreter, in this process",
    "monty": "Monty, a fresh session",
    "warm_row": "ours, warm, 500 in a row",
    "warm_unloaded": "ours, warm, source not seen before",
    "landlock_warm": "ours, warm, profile landlock",
    "container_warm": "ours, container box, warm",
    "pandas_subprocess": "pandas by subprocess",
    "egress": "call with a request through the proxy",
    "egress_inside": "the request alone, inside of the tool",
    "egress_bare": "the bare request",
}
_RATES = {
    "batch_items_per_s": "items of one batch, without the executor",
    "subprocess_per_s": "subprocesses, 16 callers",
    "smolagents_per_s": "smolagents, 16 callers",
    "monty_per_s": "Monty, fresh sessions, 16 callers",
}
_SHARES = {
    "guest_pss_mb": "share of all its pages (PSS), a warm guest",
    "guest_pss_pandas_mb": "… with pandas in its zygote",
}


def _others(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        ("", words, _number(figures[f"{key}_p50_ms"]), _number(figures.get(f"{key}_p99_ms", "")))
        for key, words in _OTHERS.items()
        if f"{key}_p50_ms" in figures
    ]


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def _aligned(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"  {mark:1} {words:<{widths[1]}}  {value:>{widths[2]}}  {bound:>{widths[3]}}"
        for mark, words, value, bound in rows
    ]
