"""A Python function goes in, an OwnTool comes out: its schemas from hints and docstring, its values as JSON."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from toolwright.errors import UserError
from toolwright.owntools import NoJsonError, OwnTool
from toolwright.owntools.waiting import CALLERS_LOOP, in_thread_of_its_own, on_loop
from toolwright.powers import Effect

House = Callable[[], asyncio.AbstractEventLoop]
"""Gives the private loop of a Toolwright, started if need be."""


def own_function(
    function: Callable[..., Any],
    house: House,
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect | None = None,
    namespace: str = "local",
) -> OwnTool:
    """*function* (sync or async) as a tool. UserError for what cannot be one, with what to do about it."""
    if not callable(function) or isinstance(function, type):
        raise UserError(
            f"{_short(function)} is no function, and only a person's own functions can be registered. Tools that a "
            "model wrote come in through the validator: `toolwright import FILE`, Toolwright.import_file."
        )
    label = _label(function)
    function = _with_a_name(function, name)
    schema = _schema(function, label, name)
    said = description or _first_words(schema.description) or schema.name.replace("_", " ")
    returned = inspect.signature(function).return_annotation
    return OwnTool(
        name=schema.name,
        description=said,
        input_schema=dict(schema.json_schema),
        output_schema=_output(schema.return_schema),
        invoke=_Invocation(function, schema, returned, house),
        effect=effect or "writes",
        source=f"function {label}",
        namespace=namespace,
    )


class _Invocation:
    """Calls the function with validated arguments, where its coroutines or its thread belong."""

    def __init__(self, function: Callable[..., Any], schema: Any, returned: Any, house: House) -> None:
        self._function, self._schema, self._house = function, schema, house
        self._returned = None if returned in (inspect.Signature.empty, Any) else returned

    def __call__(self, arguments: Mapping[str, Any], cancel: threading.Event | None, approved: bool) -> Any:
        del approved  # policy alone decides about a function
        args, kwargs = self._schema._call_args(self._schema.validator.validate_python(dict(arguments)), None)
        if self._schema.is_async:
            value = on_loop(self._function(*args, **kwargs), self._loop(), cancel)
        else:
            value = in_thread_of_its_own(lambda: self._function(*args, **kwargs), cancel)
            if inspect.iscoroutine(value):  # a plain function may hand on somebody else's coroutine
                value = on_loop(value, self._loop(), cancel)
        return as_json_value(value, self._returned)

    def _loop(self) -> asyncio.AbstractEventLoop:
        return CALLERS_LOOP.get() or self._house()


def as_json_value(value: Any, annotation: Any = None) -> Any:
    """*value* as JSON, dumped as *annotation* says where it fits that. NoJsonError."""
    import pydantic_core
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if annotation is not None:
        try:
            return TypeAdapter(annotation).dump_python(value, mode="json", warnings="error")
        except (pydantic_core.PydanticSerializationError, PydanticUserError, NameError, TypeError):
            pass  # it says of itself what it does not return: what it did return counts
    try:
        return pydantic_core.to_jsonable_python(value)
    except (pydantic_core.PydanticSerializationError, ValueError, RecursionError) as error:
        raise NoJsonError(f"a value of type {type(value).__name__} has no JSON form: {error}") from None


def _schema(function: Callable[..., Any], label: str, name: str | None) -> Any:
    from pydantic.errors import PydanticUserError
    from pydantic_ai import Tool
    from pydantic_ai.exceptions import UserError as LibraryUserError

    given = name or getattr(function, "__name__", "")
    if not given or given == "<lambda>":
        raise UserError(f"{label} has no name of its own; give it one: register(func, name='what_it_does').")
    try:
        tool: Tool[Any] = Tool(function, name=given)
    except (LibraryUserError, PydanticUserError, NameError, TypeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{label}: its parameters cannot be read ({first}). Give each a type hint.") from None
    if tool.takes_ctx:
        raise UserError(
            f"{label} takes a RunContext, which is an agent's own; give it in toolsets=[FunctionToolset(…)]."
        )
    tool.function_schema.name = given
    return tool.function_schema


def _with_a_name(function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
    """*function* such that the library can read it: of a partial it wants a name, of an object its method."""
    if isinstance(function, functools.partial):
        named: Any = functools.partial(function.func, *function.args, **function.keywords)
        functools.update_wrapper(named, function.func)
        del named.__wrapped__  # its own signature counts: what is given already is no parameter any more
        named.__name__ = name or ""
        return named  # type: ignore[no-any-return]
    return function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004


def _output(schema: Mapping[str, Any]) -> dict[str, Any]:
    # Only what it promises about the kind of value; a schema that allows anything says nothing.
    return dict(schema or {})


def _first_words(description: str | None) -> str:
    """The summary of a docstring, in one line."""
    return " ".join((description or "").strip().partition("\n\n")[0].split())


def _label(function: Any) -> str:
    target = inspect.unwrap(getattr(function, "func", function))
    module, name = getattr(target, "__module__", ""), getattr(target, "__qualname__", type(target).__qualname__)
    return f"{module}:{name}" if module else str(name)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
