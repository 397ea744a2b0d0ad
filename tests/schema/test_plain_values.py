"""The quick test says yes only to what the slow one says yes to; and for the schemas of simple tools it does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from toolwright.fitting import fits, fitter
from toolwright.plainfit import surely
from toolwright.schema import tool_spec

SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind})
SCHEMAS = st.recursive(
    SCALARS | st.just({}) | st.just({"type": "integer", "minimum": 3}) | st.just({"enum": ["a", 1]}),
    lambda inner: st.one_of(
        inner.map(lambda one: {"type": "array", "items": one}),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"anyOf": some}),
        st.builds(
            lambda properties, required, more: {
                "type": "object",
                "properties": properties,
                "required": [name for name in required if name in properties],
                **more,
            },
            st.dictionaries(st.sampled_from(["a", "b", "ü"]), inner, max_size=3),
            st.lists(st.sampled_from(["a", "b", "ü"]), max_size=2, unique=True),
            st.sampled_from([{}, {"additionalProperties": False}, {"title": "x"}, {"minProperties": 1}]),
        ),
    ),
    max_leaves=5,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ü", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, VALUES)
def test_what_is_sure_to_fit_fits_and_the_rest_is_told_as_ever(schema, value):
    sure = surely(schema)
    if sure is not None and sure(value):
        assert fits(value, schema) == ""
    assert fitter(schema)(value) == fits(value, schema)


def test_the_schemas_of_simple_tools_have_a_quick_test():
    spec = tool_spec(
        tool_name="work",
        description="Do the work.",
        input_params="n: int, words: list[str], rate: float = 1.0, note: str | None = None, deep: dict[str, int] = {}",
        return_type="list[float]",
    )
    plain = tool_spec(
        tool_name="w", description="Do.", input_params="n: int, note: str | None = None", return_type="str"
    )
    assert surely(plain.input_schema)({"n": 1})
    assert not surely(plain.input_schema)({"n": True})
    assert not surely(plain.input_schema)({})
    assert not surely(plain.input_schema)({"n": 1, "m": 2})
    assert surely(spec.output_schema)([1, 2.5])
    assert not surely(spec.output_schema)([float("nan")])
