"""A box and the layers that were tried go in; which of them fail it, and the sentence on the whole, come out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from toolwright.sandbox import Layer

_NAMESPACES = ("user namespace", "mount namespace", "pid namespace", "net namespace", "ipc, uts namespaces")
_OF_BOTH: Mapping[str, tuple[str, ...]] = {
    "Landlock": ("landlock", "landlock sockets"),
    "seccomp": ("seccomp",),
    "limits": ("memory limit", "file size limit"),
    "": ("capabilities", "not dumpable", "guest's own user id"),
}
_PROXY = "egress proxy"


def _limits(profile: str) -> tuple[str, ...]:
    return *_OF_BOTH["limits"], *(f"{limit}, {profile}" for limit in ("thread limit", "work folder", "output cap"))


_NEEDED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "full": {
        "namespaces": _NAMESPACES,
        **_OF_BOTH,
        "limits": _limits("full"),
        "way out": (_PROXY,),
        "box": ("box full",),
    },
    "landlock": {**_OF_BOTH, "limits": _limits("landlock"), "box": ("box landlock",)},
    "container": {
        "limits": ("container memory limit", "container limit of processes"),
        "network": ("container network",),
        "rights": ("container rights",),
        "": ("container engine",),
        "way out": (_PROXY,),
        "box": ("box container",),
    },
}
"""What a box stands on, in groups; those of its last line have a name there."""
_SAID = ("namespaces", "Landlock", "seccomp", "limits", "network", "rights")
_HEADS = {"full": "profile full", "landlock": "profile landlock", "container": "the container box"}


def word(layer: Layer) -> str:
    """`holds`, `broken` (an attack gained something), `missing`, or `untested` where nobody knows."""
    if layer.holds:
        return "holds"
    if layer.broken:
        return "broken"
    return "missing" if layer.tested else "untested"


def failing(profile: str, layers: Iterable[Layer]) -> tuple[str, ...]:
    """The names of *layers* for which no tool may run in the box of *profile*: it needs them, and they are broken.

    The box itself must hold: that it could be had a moment ago is no help.
    """
    groups = _NEEDED.get(profile, {})
    needed = {name for names in groups.values() for name in names}
    return tuple(
        layer.name
        for layer in layers
        if layer.name in needed and (layer.broken or (layer.name in groups["box"] and not layer.holds))
    )


def sentence(profile: str, layers: Collection[Layer], hosts: bool) -> str:
    """What holds of the box of *profile*, what does not, and whether *hosts* can be granted: of *layers*, no more."""
    if profile not in _NEEDED:
        return "no wall can be had here: generated tools are refused."
    by_name = {layer.name: layer for layer in layers}
    holding: list[str] = []
    others: dict[str, list[str]] = {"broken": [], "missing": [], "untested": []}
    for group, names in _NEEDED[profile].items():
        there = [by_name[name] for name in names if name in by_name]
        good = [layer.name for layer in there if layer.holds]
        if group in _SAID and good:
            holding += [group] if len(good) == len(there) else good
        for layer in there:
            if not layer.holds:
                others[word(layer)].append(layer.name)
    parts = [_holding(holding) + (" without namespaces" if profile == "landlock" and holding else "")]
    parts += [f"{kind}: {', '.join(names)}" for kind, names in others.items() if names]
    return f"{_HEADS[profile]}: {'; '.join([*parts, _advice(failing(profile, layers), hosts)])}."


def _holding(names: list[str]) -> str:
    if not names:
        return "nothing was seen to hold"
    return f"{' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))} {'hold' if len(names) > 1 else 'holds'}"


def _advice(failed: tuple[str, ...], hosts: bool) -> str:
    if failed == (_PROXY,):
        return "do not grant hosts here"
    if failed:
        return "do not run tools here"
    return f"hosts {'can' if hosts else 'cannot'} be granted"
