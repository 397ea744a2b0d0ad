"""The document that is served is valid OpenAPI 3.1, and says what the routes do: neither more nor less."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from toolwright import Toolwright
from toolwright.web.application import application
from toolwright.web.problems import KINDS
from toolwright.web.table import OPERATIONS
from toolwright.whoasks import Names


@pytest.fixture(scope="module")
def document(door):
    return door.get("/openapi.json", token=None).body


def test_it_is_valid_by_the_schema_of_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    torn = json.loads(json.dumps(document))
    torn["paths"]["/v1/tools"]["get"]["parameters"][0]["in"] = "nowhere"
    assert list(OpenAPIV31SpecValidator(torn).iter_errors()), "what is torn is seen"


def test_it_has_the_routes_and_no_others(document, tmp_path):
    with Toolwright(home=tmp_path) as tw:
        app, _ = application(tw, Names.of("localhost"))
    routes = {(route.path, method) for route in app._app.routes for method in route.methods - {"HEAD"}}
    said = {(path, method.upper()) for path, one in document["paths"].items() for method in one}
    assert said == routes
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)


def test_each_operation_asks_for_the_token_that_the_document_says(document, door):
    for one in OPERATIONS:
        said = document["paths"][one.path][one.method.lower()]
        path = re.sub(
            r"\{(\w+)\}", lambda found: {"name": "add", "id": "1"}.get(found[1], "20260101-000000-abcdef"), one.path
        )
        answer = door.ask(one.method, path, token=None)
        assert (answer.status == 401) == bool(said["security"]), one.name
        assert str(answer.status) in said["responses"], one.name


def test_what_is_answered_is_as_the_document_says(document, door):
    for path in (
        "/health",
        "/v1/token",
        "/v1/tools",
        "/v1/search?query=add",
        "/v1/tools/add",
        "/v1/runs",
        "/v1/approvals",
    ):
        held(document, path.partition("?")[0].replace("/tools/add", "/tools/{name}"), "get", door.get(path))
    held(document, "/v1/tools/{name}/calls", "post", door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}))
    begun = door.post("/v1/runs", {"task": "What is twice 21?"})
    held(document, "/v1/runs", "post", begun)
    run_id = begun.body["run_id"]
    door.ended(run_id)
    held(document, "/v1/runs/{run_id}", "get", door.get(f"/v1/runs/{run_id}"))
    held(document, "/v1/runs/{run_id}/trace", "get", door.get(f"/v1/runs/{run_id}/trace"))
    held(document, "/v1/tools/{name}", "get", door.get("/v1/tools/nobody"))
    source = 'def odd(number: int) -> int:\n    """Say {0} of a number."""\n    return number + {0}\n'
    for asked in (
        {"source": source.format(1), "example": "odd(1) == 3"},
        {"source": source.format(2), "example": "odd(1) == 3"},
        {"source": source.format(2), "example": "odd(1) == 3"},
        {"source": "import socket\n" + source.format(3), "powers": {"hosts": ["odd.example"]}},
        {"description": "Say what an odd number is.", "source": "def"},
    ):
        name = "odd" if "powers" not in asked else "odder"
        told = door.post(
            "/v1/tools", {"tool_name": name, **asked, "source": asked["source"].replace("odd(", f"{name}(")}
        )
        assert told.status == 200, told.body
        held(document, "/v1/tools", "post", told)


def held(document, path, method, answer):
    """*answer* against the schema of its status."""
    said = document["paths"][path][method]["responses"][str(answer.status)]["content"]
    schema = said[answer.headers["content-type"]]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.body)


def test_each_problem_that_it_names_is_one_that_there_is(document):
    named = set()
    for path in document["paths"].values():
        for one in path.values():
            for status, response in one["responses"].items():
                if "application/problem+json" in response["content"] if "content" in response else False:
                    reasons = response["description"].partition("`reason`: ")[2].rstrip(".").split(", ")
                    assert {KINDS[reason].status for reason in reasons} == {int(status)}
                    named |= set(reasons)
    assert named >= set(KINDS) - {"no-such-path", "method"}


def test_the_page_lists_every_operation_and_every_problem():
    page = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
    for one in OPERATIONS:
        assert f"`{one.method} {one.path}`" in page, one.name
    for reason, kind in KINDS.items():
        assert re.search(rf"\| `{reason}` \| {kind.status} \|", page), reason
