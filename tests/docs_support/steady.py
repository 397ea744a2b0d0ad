"""Printed output in, the same from run to run out: what varies is masked when shown and printed are compared."""

from __future__ import annotations

import difflib
import re

ELIDED = "…"
"""In a shown line: any text. Alone on a line: any lines."""

_VARYING = [
    ("RUN", r"\b\d{8}-\d{6}-[0-9a-f]{6}\b"),
    ("DATE", r"\b20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?"),
    ("CLOCK", r"\b\d\d:\d\d:\d\d\b"),
    ("AGO", r"\b\d+ (?:second|minute)s? ago\b|\bjust now\b"),
    ("DIGEST", r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b"),
    ("LOOPBACK", r"(?:127\.0\.0\.1|localhost|\[::1\]):\d+"),
    ("TOKENS", r"\b\d[\d,]* tokens\b|(?<=\"tokens_in\": )\d+|(?<=\"tokens_out\": )\d+"),
    ("TIME", r"\b\d+(?:\.\d+)? ms\b|\b\d+\.\d+ s\b"),
    ("NUMBER", r"(?<=_s\": )[\d.e+-]+|(?<=_s=)[\d.e+-]+|(?<=\"at\": )[\d.e+-]+|(?<=_at\": )[\d.e+-]+"),
    ("NUMBER", r"(?<=\"last_used\": )[\d.e+-]+|(?<=_bytes\": )\d+|(?<=_bytes=)\d+"),
]
_BY_CHANCE = " ended with the call"
"""Stands behind a host that was reached where the guest is gone before its connection is seen to close."""
_MASKS = re.compile("|".join(f"(?P<m{number}>{pattern})" for number, (_, pattern) in enumerate(_VARYING)))


def masked(line: str) -> str:
    """*line* with a word for whatever differs from run to run; where it has one, or draws a line, white space is one size."""
    bare = line.rstrip().removesuffix(_BY_CHANCE)
    named = _MASKS.sub(lambda found: f"<{_VARYING[int((found.lastgroup or 'm0')[1:])][0]}>", bare)
    drawn = re.sub(r"([─━═-])\1{3,}", r"\1\1\1\1", named)
    return bare if drawn == bare else re.sub(r" {2,}", "  ", drawn)


def lines_of(text: str) -> list[str]:
    """The lines of what was printed, without white space and empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def same(shown: str, printed: str) -> bool:
    """Whether the two lines say the same, `…` in *shown* standing for any text."""
    if masked(shown) == masked(printed):
        return True
    if ELIDED not in shown:
        return False
    pattern = re.escape(shown.rstrip()).replace(ELIDED, ".*")
    return bool(
        re.fullmatch(pattern, printed) or re.fullmatch(re.escape(masked(shown)).replace(ELIDED, ".*"), masked(printed))
    )


def differs(shown: list[str], printed: str) -> str:
    """'' if *printed* is what is shown, else both. Where something varies, so may the width of every column."""
    wanted, given = lines_of("\n".join(shown)), lines_of(printed)
    fits = _fits(wanted, given) or (any(map(_varies, wanted)) and _fits(_narrow(wanted), _narrow(given)))
    return "" if fits else "shown:\n" + "\n".join(wanted) + "\nprinted:\n" + "\n".join(given) + "\n"


def _varies(line: str) -> bool:
    return _MASKS.search(line) is not None


def _narrow(lines: list[str]) -> list[str]:
    return [re.sub(r" {2,}", "  ", line) for line in lines]


def _fits(shown: list[str], printed: list[str]) -> bool:
    """Line by line; as with `*` in a file name, a lone `…` takes as few lines as will do."""
    at = there = 0
    last, held = -1, 0
    while there < len(printed):
        if at < len(shown) and shown[at] == ELIDED:
            last, held, at = at, there, at + 1
        elif at < len(shown) and same(shown[at], printed[there]):
            at, there = at + 1, there + 1
        elif last >= 0:
            held += 1
            at, there = last + 1, held
        else:
            return False
    return all(line == ELIDED for line in shown[at:])


def holds(shown: list[str], printed: str) -> bool:
    """Whether nothing but what varies would change if *printed* were shown instead; stricter than `differs` on columns."""
    return _fits(lines_of("\n".join(shown)), lines_of(printed))


def merged(shown: list[str], printed: str) -> list[str]:
    """What the page is to show instead: *printed*, elided where *shown* was and still stands for it."""
    wanted, given = lines_of("\n".join(shown)), lines_of(printed)
    matcher = difflib.SequenceMatcher(None, *_keys(wanted, given), autojunk=False)
    new: list[str] = []
    for how, first, last, begin, end in matcher.get_opcodes():
        if how == "equal":
            pairs = zip(wanted[first:last], given[begin:end], strict=True)
            new += [now if masked(now) == masked(before) else before for before, now in pairs]
        elif ELIDED in wanted[first:last]:
            new += _elided(wanted[first:last], given[begin:end])
        else:
            new += given[begin:end]
    return new


def _keys(wanted: list[str], given: list[str]) -> tuple[list[str], list[str]]:
    """What the lines are aligned by: masked, and the shown line with a `…` goes by the first one that it stands for."""
    keys = [masked(line) for line in given]
    own = []
    for line in wanted:
        fitting = (masked(one) for one in given if same(line, one))
        own.append("\0" if line == ELIDED else next(fitting, masked(line)))
    return own, keys


def _elided(wanted: list[str], given: list[str]) -> list[str]:
    """As many lines before and after the `…` as there were, and it between them."""
    before = wanted.index(ELIDED)
    after = len(wanted) - 1 - max(number for number, line in enumerate(wanted) if line == ELIDED)
    if before + after >= len(given):
        return [*given, ELIDED] if not after else [*given[:before], ELIDED, *given[before:]]
    return [*given[:before], ELIDED, *given[len(given) - after :]]
