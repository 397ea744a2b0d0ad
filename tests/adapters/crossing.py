"""What crosses from framework to framework: three tools, one for each to make, and a model that asks for them."""

from __future__ import annotations

import json

from outside.endpoint import Reply, Request, calls, says

FRAMEWORKS = ("langchain", "pydantic-ai", "openai-agents")
TEXT = "Toolwright keeps tools"
TOOLS = {
    "langchain": ("count_vowels", "int", "sum(text.lower().count(one) for one in 'aeiou')", 7),
    "pydantic-ai": ("turn_words", "str", "' '.join(reversed(text.split()))", "tools keeps Toolwright"),
    "openai-agents": ("take_initials", "str", "''.join(word[0] for word in text.split())", "Tkt"),
}
"""By who makes it: its name, what it returns, how, and what that is for the text."""
ABOUT = {
    "count_vowels": "Count the vowels in a text.",
    "turn_words": "Write the words of a text in reverse order.",
    "take_initials": "Take the first letter of each word of a text.",
}


def speak(request: Request) -> Reply:
    """The model of all of them: a task is `make NAME` or `use NAME`."""
    if request.role == "examiner":
        return says('{"examples": [], "properties": []}')
    if request.role == "generator":
        name, returns, how, _ = next(one for one in TOOLS.values() if one[0] in request.user[0])
        source = f'def {name}(text: str) -> {returns}:\n    """{ABOUT[name]}"""\n    return {how}\n'
        return says(json.dumps({"source": source, "packages": [], "powers": {}, "notes": ""}))
    deed, name = request.user[-1].split()
    if deed == "make" and not request.results:
        _, returns, _, _ = next(one for one in TOOLS.values() if one[0] == name)
        asked = {
            "tool_name": name,
            "description": ABOUT[name],
            "input_params": "text: str",
            "return_type": returns,
            "example": f"{name}('a')",
        }
        return calls(("request_new_tool", asked))
    if len(request.results) == (deed == "make"):
        # Only what the framework put into the array can be called by its name.
        if name not in request.tools:
            return says(f"{name} is not in the array: {request.tools}, {request.results}")
        return calls((name, {"text": TEXT}))
    return says(f"It gave {request.results[-1]}")
