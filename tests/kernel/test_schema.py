"""Input checked against fields: what is wrong is named, field by field, in words."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel import schema
from jarvis.kernel.errors import Invalid
from jarvis.kernel.schema import Field

TITLE = Field(kind="string", is_required=True, shortest=1, longest=20)
FIELDS = {
    "title": TITLE,
    "note": Field(kind="string", is_nullable=True, is_multiline=True, longest=50),
    "status": Field(kind="string", choices=("open", "closed")),
    "count": Field(kind="integer", lowest=1, highest=9),
    "ratio": Field(kind="number"),
    "is_loud": Field(kind="boolean"),
    "tags": Field(kind="array", items=Field(kind="string", shortest=1), longest=3),
    "free": Field(kind="object"),
    "owner": Field(kind="object", fields={"name": TITLE}),
    "rules": Field(kind="array", items=Field(kind="object", fields={"word": TITLE})),
}
ONLY_TEXT = st.characters(codec="utf-8", exclude_characters="\x00\r\n")


def problems(value: Any, fields: schema.Fields = FIELDS, **options: bool) -> dict[str, str]:
    try:
        schema.check(fields, value, **options)
    except Invalid as error:
        return {problem.field: problem.message for problem in error.fields}
    return {}


def only(kind: str, value: object, **limits: Any) -> str:
    """What is wrong with one value of one kind."""
    return Field(kind=kind, **limits).check(value)


class TestMessages:
    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("title", 5, "must be text"),
            ("title", None, "may not be null"),
            ("title", "  ", "may not be empty"),
            ("title", "x" * 21, "is too long (21 characters; at most 20)"),
            ("title", "a\x00b", "contains a NUL character"),
            ("title", "a\ud800b", "contains half a surrogate pair, which is no character"),
            ("title", "a\nb", "must be a single line"),
            ("title", "a\rb", "must be a single line"),
            ("status", "ajar", "must be one of open, closed"),
            ("count", "5", "must be a whole number"),
            ("count", 5.0, "must be a whole number"),
            ("count", True, "must be a whole number"),
            ("count", 0, "must be at least 1"),
            ("count", 10, "must be at most 9"),
            ("ratio", True, "must be a number"),
            ("ratio", math.nan, "must be a finite number"),
            ("ratio", math.inf, "must be a finite number"),
            ("ratio", 2**63, "is too large"),
            ("is_loud", 1, "must be true or false"),
            ("tags", "a", "must be a list"),
            ("tags", list("abcd"), "must have 0 to 3 items"),
            ("tags", ["a", ""], "item 2 may not be empty"),
            ("free", [], "must be an object"),
        ],
    )
    def test_a_bad_value_says_what_would_be_good(self, field: str, value: object, message: str) -> None:
        assert problems({"title": "x", field: value}) == {field: message}

    def test_a_missing_one_is_required(self) -> None:
        assert problems({}) == {"title": "is required"}

    def test_all_are_named_at_once(self) -> None:
        assert set(problems({"count": 0, "status": "x", "is_loud": 0})) == {"title", "count", "status", "is_loud"}

    @pytest.mark.parametrize("value", [None, [], "x", 1])
    def test_a_body_that_is_no_object_says_so(self, value: object) -> None:
        with pytest.raises(Invalid, match="must be a JSON object"):
            schema.check(FIELDS, value)

    def test_limits_of_numbers_may_be_reached(self) -> None:
        assert [only("integer", n) for n in (-(2**63), 2**63 - 1)] == ["", ""]
        assert only("integer", -(2**63) - 1) == "is too large"

    def test_a_pattern_speaks_through_its_help(self) -> None:
        assert only("string", "X1", pattern="[a-z]+", help="must be lower case") == "must be lower case"
        assert only("string", "X1", pattern="[a-z]+") == "does not match [a-z]+"
        assert only("string", "abc", pattern="[a-z]+") == ""


class TestInside:
    def test_a_field_of_an_object_is_named_by_its_path(self) -> None:
        assert problems({"title": "x", "owner": {}}) == {"owner.name": "is required"}

    def test_objects_in_a_list_are_checked_each(self) -> None:
        value = {"title": "x", "rules": [{"word": "a"}, {"word": 5}, {}]}
        assert problems(value) == {"rules[1].word": "must be text", "rules[2].word": "is required"}

    @pytest.mark.parametrize("value", [{"a": "\ud800"}, {"\ud800": 1}, {"a": math.inf}, {"a": [[math.nan]]}])
    def test_a_free_object_must_fit_json_and_utf_8(self, value: dict[str, object]) -> None:
        assert "surrogate pair, a number out of range" in problems({"title": "x", "free": value})["free"]
        assert "surrogate" in only("array", [value])

    def test_a_free_object_without_end_is_refused(self) -> None:
        deep: dict[str, object] = {}
        for _ in range(5000):
            deep = {"in": deep}
        assert "too much nesting" in problems({"title": "x", "free": deep})["free"]

    def test_unknown_names_are_dropped_at_every_depth(self) -> None:
        value = {"title": "x", "y": 1, "owner": {"name": "n", "z": "\ud800"}, "rules": [{"word": "w", "z": 1}]}
        assert schema.check(FIELDS, value) == {"title": "x", "owner": {"name": "n"}, "rules": [{"word": "w"}]}

    def test_unknown_names_can_be_refused(self) -> None:
        assert problems({"title": "x", "titel": "y"}, allow_unknown=False) == {"titel": "is not known here"}


class TestAgainstAModel:
    """A second, plainer statement of the same rules."""

    @given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
    def test_an_integer(self, value: object) -> None:
        is_right = type(value) is int and 1 <= value <= 9
        assert (only("integer", value, lowest=1, highest=9) == "") is is_right

    @given(st.none() | st.booleans() | st.integers() | st.floats())
    def test_a_number(self, value: object) -> None:
        is_right = (type(value) is float and math.isfinite(value)) or (type(value) is int and -(2**63) <= value < 2**63)
        assert (only("number", value) == "") is is_right

    @given(st.none() | st.integers() | st.text(max_size=30))
    def test_a_text(self, value: object) -> None:
        is_right = (
            isinstance(value, str)
            and len(value) <= 10
            and len(value.strip()) >= 2
            and not set(value) & set("\x00\r\n")
            and value.encode("utf-8", "ignore").decode() == value
        )
        assert (only("string", value, shortest=2, longest=10) == "") is is_right

    @given(
        st.fixed_dictionaries(
            {"title": st.text(ONLY_TEXT, min_size=1, max_size=20).filter(str.strip)},
            optional={
                "note": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50),
                "count": st.integers(1, 9),
                "tags": st.lists(st.text(ONLY_TEXT, min_size=1).filter(str.strip), max_size=3),
                "free": st.dictionaries(st.text(ONLY_TEXT), st.integers() | st.booleans()),
            },
        )
    )
    def test_what_is_right_passes_unchanged(self, value: dict[str, Any]) -> None:
        assert schema.check(FIELDS, value) == value

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
        )
    )
    def test_no_json_value_makes_it_fail_otherwise(self, value: object) -> None:
        for kind in schema.KINDS:
            assert isinstance(only(kind, value, is_nullable=True), str)
        problems(dict.fromkeys(FIELDS, value))


class TestFromText:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("count", "7", 7),
            ("count", " 7 ", 7),
            ("ratio", "-1.5", -1.5),
            ("ratio", "2", 2.0),
            ("is_loud", "ON", True),
            ("is_loud", "0", False),
            ("is_loud", "", False),
            ("tags", "a\r\n b \n\n", ["a", "b"]),
            ("note", "a\r\nb", "a\nb"),
            ("note", "", ""),
        ],
    )
    def test_text_becomes_its_kind(self, name: str, text: str, value: object) -> None:
        assert schema.from_text(FIELDS, {"title": "x", name: text}) == {"title": "x", name: value}

    def test_an_empty_text_is_no_number(self) -> None:
        assert schema.from_text(FIELDS, {"title": "x", "count": "", "ratio": ""}) == {"title": "x"}

    @pytest.mark.parametrize(
        ("name", "text"),
        [("count", "x"), ("count", "1.5"), ("count", "9" * 40), ("count", "١"), ("ratio", "nan"), ("is_loud", "maybe")],
    )
    def test_text_of_another_kind_is_named(self, name: str, text: str) -> None:
        with pytest.raises(Invalid) as caught:
            schema.from_text(FIELDS, {"title": "x", name: text})
        assert [problem.field for problem in caught.value.fields] == [name]

    def test_names_nobody_asked_for_are_ignored(self) -> None:
        assert schema.from_text(FIELDS, {"title": "x", "y": "1"}) == {"title": "x"}


class TestJsonSchema:
    def test_it_says_the_same_as_the_checks(self) -> None:
        shown = schema.object_schema(FIELDS)
        assert shown["required"] == ["title"]
        properties = shown["properties"]
        assert properties["title"] == {"type": "string", "minLength": 1, "maxLength": 20}
        assert properties["note"]["type"] == ["string", "null"]
        assert properties["status"] == {"type": "string", "enum": ["open", "closed"]}
        assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 9}
        assert properties["tags"]["maxItems"] == 3
        assert properties["rules"]["items"]["properties"]["word"]["maxLength"] == 20
        assert properties["owner"]["required"] == ["name"]
        json.dumps(shown)

    def test_a_choice_that_may_be_null_lists_null(self) -> None:
        shown = Field(kind="string", choices=("a",), is_nullable=True, help="Which.").as_json()
        assert shown == {"type": ["string", "null"], "enum": ["a", None], "description": "Which."}
