"""What the conformance suite calls, as tools for our own registry: handed in, proved, kept and served like any other."""

from __future__ import annotations

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
_DRAW = f'    with open("dot.png", "wb") as file:\n        file.write(base64.b64decode("{PNG}"))\n'

SOURCES = {
    "test_simple_text": '''
def test_simple_text() -> str:
    """Give a simple text."""
    return "This is a simple text response for testing."
''',
    "test_image_content": f'''
import base64


def test_image_content() -> str:
    """Leave an image."""
{_DRAW}    return "one red dot"
''',
    "test_audio_content": '''
import wave


def test_audio_content() -> str:
    """Leave a sound."""
    with wave.open("beep.wav", "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(80))
    return "a short silence"
''',
    "test_embedded_resource": '''
def test_embedded_resource() -> str:
    """Leave a note."""
    with open("note.txt", "w") as file:
        file.write("This is an embedded resource content.")
    return "a note"
''',
    "test_multiple_content_types": f'''
import base64
import json


def test_multiple_content_types() -> str:
    """Leave an image and some data."""
{_DRAW}    with open("data.json", "w") as file:
        json.dump({{"test": "data", "value": 123}}, file)
    return "Multiple content types test:"
''',
    "test_error_handling": '''
def test_error_handling(fails: bool = True) -> str:
    """Fail, unless it is asked not to.

    >>> test_error_handling(False)
    'fine'
    """
    if fails:
        raise ValueError("This tool intentionally returns an error for testing")
    return "fine"
''',
    "test_tool_with_progress": '''
import time


def test_tool_with_progress(slowly: bool = True) -> str:
    """Take some seconds, unless it is asked not to.

    >>> test_tool_with_progress(False)
    'done'
    """
    if slowly:
        time.sleep(3.4)
    return "done"
''',
    "json_schema_2020_12_tool": '''
from typing import TypedDict


class Address(TypedDict, total=False):
    street: str
    city: str


def json_schema_2020_12_tool(name: str = "", address: Address | None = None) -> str:
    """Take an address."""
    return name
''',
    "test_tool_with_logging": '''
def test_tool_with_logging() -> str:
    """Print while it runs."""
    for what in ("started", "processing data", "completed"):
        print("Tool execution", what)
    return "done"
''',
    "test_reconnection": '''
def test_reconnection() -> str:
    """Give an answer."""
    return "here again"
''',
}


def requests() -> list[dict[str, str]]:
    """As a client asks for them."""
    return [
        {
            "tool_name": name,
            "source": source.strip() + "\n",
            "reason": "the suite wants it",
            "example": _example(name, source),
        }
        for name, source in SOURCES.items()
    ]


def _example(name: str, source: str) -> str:
    return "" if ">>>" in source else f"{name}()"
