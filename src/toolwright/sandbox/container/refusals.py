"""A Job and what is known of an engine go in; the sentence why no container can hold it comes out, or ''."""

from __future__ import annotations

import os
import sys

from toolwright.powers import path_within
from toolwright.sandbox import Job, handed

_SYSTEM = ("/proc", "/sys", "/dev", "/var/tmp/toolwright", "/opt/packages")
_OWN = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc")
_TOPS = ("/", "/opt", "/var", "/var/tmp", "/tmp")
"""Folders of the image: one of the host's in their place would take away what the interpreter there stands on."""


def refusal(job: Job) -> str:
    """Why no container can hold *job* on this machine, or ''."""
    for path in job.grant.reads + job.grant.writes:
        if why := _of_path(path):
            return why
    return handed.refusal(job.grant.writes, job.files)


def _of_path(path: str) -> str:
    if sys.platform == "win32":
        return f"path {path} cannot be granted: on Windows no folder has the same path in a container. Hand files in."
    taken = (
        path in _TOPS or any(path_within(path, own) for own in _SYSTEM) or any(path_within(path, own) for own in _OWN)
    )
    if taken or any(path_within(own, path) for own in _SYSTEM):
        return f"path {path} cannot be granted: the container has its own. Name the folder that the tool needs."
    if ":" in path or "," in path:
        return f"path {path} cannot be granted: engines read ':' and ',' as the end of a path. Rename the folder."
    if not os.path.exists(path):
        return f"path {path} was granted but does not exist. Put it back, or grant another one."
    if (real := handed.real(path)) != path:
        return f"path {path} cannot be granted: it is a link or a detour to {real}. Grant a folder by its own path."
    return ""
