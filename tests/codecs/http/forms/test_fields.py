"""Names with their values, in order."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import Fields


def test_the_first_value_of_a_name_counts_and_all_are_there_in_order() -> None:
    fields = Fields([("a", "1"), ("b", "2"), ("a", "3")])
    assert fields["a"] == "1"
    assert fields.get("a") == "1"
    assert fields.get_all("a") == ["1", "3"]
    assert list(fields) == ["a", "b"]
    assert fields.items() == [("a", "1"), ("b", "2"), ("a", "3")]
    assert len(fields) == 3
    assert "b" in fields


def test_what_is_not_there() -> None:
    fields = Fields({"a": "1"})
    assert fields.get("b") is None
    assert fields.get("b", "x") == "x"
    assert fields.get_all("b") == []
    assert "b" not in fields
    with pytest.raises(KeyError):
        fields["b"]


def test_the_lists_that_are_given_out_are_copies() -> None:
    fields = Fields([("a", "1")])
    fields.get_all("a").append("2")
    fields.items().clear()
    assert fields == Fields({"a": "1"}) == Fields(fields)
    assert hash(fields) == hash(Fields({"a": "1"}))
    assert fields != Fields()
    assert repr(fields) == "Fields([('a', '1')])"
