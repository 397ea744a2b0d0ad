"""Doors into agent frameworks, each a file and an extra of its own. They translate, and decide nothing."""
