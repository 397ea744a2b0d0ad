"""The services of a house, each with its spans: run, forge, call, guest. What they do is what they do without."""

from toolwright.watched.box import WatchedBox
from toolwright.watched.executor import WatchedExecutor
from toolwright.watched.forge import WatchedForge
from toolwright.watched.orchestrator import WatchedOrchestrator

__all__ = ["WatchedBox", "WatchedExecutor", "WatchedForge", "WatchedOrchestrator"]
