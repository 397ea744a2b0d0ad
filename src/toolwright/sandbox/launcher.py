"""The trusted process around one guest: builds the wall, forks the guest, waits for it, and tells the keeper.

Started by exec as `python -I -S -B launcher.py CONTROL ITEMS ANSWERS` (or `try LAYER`) with an empty
environment; no `__init__` of Toolwright runs here. The guest never holds CONTROL.
"""

import os
import sys
import types


def _house() -> None:
    """Make `toolwright.sandbox.NAME` importable by file, without the packages' own `__init__`."""
    here = os.path.dirname(os.path.abspath(__file__))
    for name, folder in (("toolwright", os.path.dirname(here)), ("toolwright.sandbox", here)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


def _main(arguments: list[str]) -> None:
    _house()
    if arguments[0] == "try":
        from toolwright.sandbox import trial

        trial.main(arguments[1])
    else:
        from toolwright.sandbox import launch

        launch.main(*map(int, arguments))


if __name__ == "__main__":
    _main(sys.argv[1:])
