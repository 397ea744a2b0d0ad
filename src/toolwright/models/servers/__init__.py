"""Model servers at home: an address in, which server answers there and what its models can do out."""

from __future__ import annotations

from toolwright.models.servers.kinds import KINDS, Kind, Served, Server, kind_of
from toolwright.models.servers.meeting import meet, meet_all, now_at

__all__ = ["KINDS", "Kind", "Served", "Server", "kind_of", "meet", "meet_all", "now_at"]
