"""The fixtures of this folder; what they are made of is in model_kit.py, under a name of its own."""

from model_kit import _clean_environment, serve_body, talk  # noqa: F401
