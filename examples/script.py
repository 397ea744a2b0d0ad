"""A script: one task, its answer, and the tools that are on the shelf from now on.

    python examples/script.py "How many vowels are in 'toolwright registry'?"

It takes the first model that can be had: a key in the environment, or a local server. Run it twice: the first run makes
a tool, the second finds it on the shelf.
"""

import sys

from toolwright import Event, Toolwright

TASK = "How many vowels are in 'toolwright registry'?"


class Progress:
    """Says on standard error what happens; anything with an `emit` can listen."""

    def emit(self, event: Event) -> None:
        if event.kind in ("tool-requested", "tool-made", "tool-called"):
            print(f"  {event.kind}: {event.data['name']}", file=sys.stderr)


def main() -> int:
    task = " ".join(sys.argv[1:]) or TASK
    with Toolwright(sink=Progress()) as tw:
        result = tw.run(task)
        print(result.output)
        print(f"made {list(result.made)}, reused {list(result.reused)}, on the shelf: {tw.registry.names()}")
    return 0 if result.status == "complete" else 1


if __name__ == "__main__":
    sys.exit(main())
