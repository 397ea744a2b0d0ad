"""A model's reply goes in, what it meant comes out, however it was said: the file it wrote, the object it gave."""

from __future__ import annotations

from toolwright.answers.body import Body, body_of, imported
from toolwright.answers.declared import declared_in
from toolwright.answers.python import defines
from toolwright.answers.reading import CodeAnswer, code_in, json_object

__all__ = ["Body", "CodeAnswer", "body_of", "code_in", "declared_in", "defines", "imported", "json_object"]
