"""First code of a launcher: builds the modules that were handed over compiled, then starts one of them.

The launcher is `python -I -S -B -c START BUNDLE …` with an empty environment: nothing is looked for on a path, and no
`__init__` of Toolwright runs.
"""

import sys
import types


def start(modules: list[tuple[str, types.CodeType]], words: list[str]) -> None:
    """Build *modules*, each after those that it imports, and do what *words* say: `try LAYER`, or a descriptor."""
    for name in ("toolwright", "toolwright.sandbox"):
        package = types.ModuleType(name)
        package.__path__ = []
        sys.modules[name] = package
    for name, code in modules:
        module = sys.modules[f"toolwright.sandbox.{name}"] = types.ModuleType(f"toolwright.sandbox.{name}")
        exec(code, module.__dict__)
        setattr(sys.modules["toolwright.sandbox"], name, module)
    if words[0] == "try":
        sys.modules["toolwright.sandbox.trial"].main(words[1])
    else:
        sys.modules["toolwright.sandbox.launch"].main(*map(int, words))
