"""One's own sandbox box: a wrapper around the protocol that counts what runs, in ten lines.

    python examples/own_box.py "How many vowels are in 'toolwright registry'?"

Anything with these six names is a box: one that runs in a cluster, one that records, one that keeps a bill. It must
hold what it is given to hold; a wrapper like this one leaves the wall to the box inside it.
"""

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from toolwright import Toolwright
from toolwright.powers import Grant
from toolwright.sandbox import Exit, Job, Layer, Sandbox
from toolwright.sandbox.linux import LinuxSandbox


@dataclass
class Counting:
    """Counts guests and the time they took; everything else is the box inside."""

    inside: Sandbox = field(default_factory=LinuxSandbox)
    times: list[float] = field(default_factory=list)

    def run(self, job: Job, *, collect: Path | None = None, cancel: threading.Event | None = None) -> Exit:
        began = perf_counter()
        ended = self.inside.run(job, collect=collect, cancel=cancel)
        self.times.append(perf_counter() - began)
        return ended

    @property
    def name(self) -> str:
        return f"counting {self.inside.name}"

    @property
    def profile(self) -> str:
        return self.inside.profile

    def layers(self) -> tuple[Layer, ...]:
        return self.inside.layers()

    def why_not(self, grant: Grant) -> str:
        return self.inside.why_not(grant)

    def close(self) -> None:
        self.inside.close()


def main() -> int:
    box = Counting()
    with Toolwright(sandbox=box) as tw:
        result = tw.run(" ".join(sys.argv[1:]) or "How many vowels are in 'toolwright registry'?")
    print(result.output)
    print(f"{len(box.times)} guests, {sum(box.times):.2f} s in all")
    return 0 if result.status == "complete" else 1


if __name__ == "__main__":
    sys.exit(main())
