"""JSON cut out of a stream, checked against json.loads on whatever hypothesis thinks of."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.json import JsonDecoder, JsonEncoder, JsonObjectDecoder
from pipeline_net.codecs.line import LineBasedFrameDecoder
from pipeline_net.errors import CorruptedFrameError, EncodeError, FrameTooLongError
from pipeline_net.stack import wire
from pipeline_net.testing import EmbeddedChannel, check_codec, check_decoder, check_limits


def whole() -> JsonObjectDecoder:
    return JsonObjectDecoder(100)


def elements() -> JsonObjectDecoder:
    return JsonObjectDecoder(100, stream_array=True)


class TestTexts:
    def test_texts_come_out_however_they_are_cut(self) -> None:
        check_decoder(
            whole,
            [
                (b'{"a":1} [2,\n3]  ', [b'{"a":1}', b"[2,\n3]"]),  # the picture
                (b"{}[]{}", [b"{}", b"[]", b"{}"]),
                (b" \t\r\n{ }\n", [b"{ }"]),
                (b'{"}":"]"}', [b'{"}":"]"}']),
                (rb'{"\"}":"\\"}{"\\\"":[]}', [rb'{"\"}":"\\"}', rb'{"\\\"":[]}']),
                (b'[[[{"a":[{}]}]]]', [b'[[[{"a":[{}]}]]]']),
                ("{'ä':'€'}".replace("'", '"').encode(), ["{'ä':'€'}".replace("'", '"').encode()]),
            ],
        )

    @pytest.mark.parametrize("begin", [b"a", b"1", b'"x"', b"}", b"]", b",", b"\xef\xbb\xbf{}", b"\0"])
    def test_what_begins_with_no_bracket_is_corrupted(self, begin: bytes) -> None:
        check_decoder(whole, [(b"{} " + begin, [b"{}", CorruptedFrameError])])

    @pytest.mark.parametrize("rest", [b"{", b'["', b'["\\', b'{"a":'])
    def test_input_that_ends_in_the_middle_of_a_text_is_truncated(self, rest: bytes) -> None:
        check_decoder(whole, [(b"{}" + rest, [b"{}", CorruptedFrameError])])

    def test_input_may_end_in_whitespace(self) -> None:
        decoder = whole()
        assert decoder.feed(b"{} \n") == [b"{}"]
        assert decoder.finish() == []

    def test_each_byte_is_looked_at_once(self) -> None:
        text = b'{"key":["' + b"\\x" * 2**18 + b'"]}'
        decoder = JsonObjectDecoder(2**20)
        frames = []
        for byte in text:
            frames += decoder.feed(bytes([byte]))
        assert frames == [text]


class TestElements:
    def test_elements_come_out_however_they_are_cut(self) -> None:
        check_decoder(
            elements,
            [
                (b'[1, {"a":2}, [] ]', [b"1", b'{"a":2}', b"[]"]),  # the picture
                (b"[]", []),
                (b"[ ]\n[ 1 ]", [b"1"]),
                (b'["a,]", "\\"", true,null ,-1.5e3]', [b'"a,]"', b'"\\""', b"true", b"null", b"-1.5e3"]),
                (b'{"a":[1,2]}[[1,2],[3]]{}', [b'{"a":[1,2]}', b"[1,2]", b"[3]", b"{}"]),
            ],
        )

    def test_an_element_is_delivered_before_its_comma_if_it_ends_by_itself(self) -> None:
        decoder = elements()
        assert decoder.feed(b'[{"a":1}') == [b'{"a":1}']
        assert decoder.feed(b',"b"') == [b'"b"']
        assert decoder.feed(b",1") == []
        assert decoder.feed(b"2") == []
        assert decoder.feed(b" ") == [b"12"]

    @pytest.mark.parametrize("data", [b"[,1]", b"[1,,2]", b"[1,]", b"[1 2]", b"[{}{}]", b'["a""b"]', b"[}"])
    def test_an_element_that_is_missing_or_one_too_many_is_corrupted(self, data: bytes) -> None:
        loose = [element for element in (b"1", b"{}", b'"a"') if data.startswith(b"[" + element)]
        check_decoder(elements, [(data, [*loose, CorruptedFrameError])])

    @pytest.mark.parametrize("rest", [b"[", b"[1", b"[1,", b'["', b"[{", b"[{}"])
    def test_input_that_ends_in_the_middle_of_an_array_is_truncated(self, rest: bytes) -> None:
        decoder = elements()
        decoder.feed(b"[]" + rest)
        with pytest.raises(CorruptedFrameError, match="in the middle of a JSON text"):
            decoder.finish()

    def test_the_limit_is_for_an_element_not_for_the_array(self) -> None:
        data = b"[" + b'"0123456",' * 50 + b"1]"
        assert JsonObjectDecoder(10, stream_array=True).feed(data) == [b'"0123456"'] * 50 + [b"1"]


class TestLimits:
    def test_after_an_overlong_text_the_next_is_delivered_again(self) -> None:
        check_decoder(
            lambda: JsonObjectDecoder(10),
            [
                (b'{}{"a":"}]\\"xx"}[12345678]', [b"{}", FrameTooLongError, b"[12345678]"]),
                (b"[" * 20 + b"]" * 20 + b"{}", [FrameTooLongError, b"{}"]),
                (b"[123456789]", [FrameTooLongError]),
            ],
        )

    def test_after_an_overlong_element_the_next_is_delivered_again(self) -> None:
        check_decoder(
            lambda: JsonObjectDecoder(5, stream_array=True),
            [(b'[1,123456,{"a":1},"abcd",12345 ]{}', [b"1", *[FrameTooLongError] * 3, b"12345", b"{}"])],
        )

    def test_input_that_ends_in_a_text_that_was_reported_is_not_reported_again(self) -> None:
        decoder = JsonObjectDecoder(5)
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"[123456")
        assert decoder.finish() == []

    @pytest.mark.parametrize("begin", [b"[", b'["', b'{"a":"\\'])
    def test_no_text_is_held_above_the_limit(self, begin: bytes) -> None:
        check_limits(lambda: JsonObjectDecoder(1000), lambda n: (begin + b"[" * n)[:n], 1000)

    def test_nesting_costs_no_memory_and_no_recursion(self) -> None:
        text = b"[" * 500_000 + b"]" * 500_000
        assert JsonObjectDecoder(2**20).feed(text) == [text]
        channel = EmbeddedChannel(JsonObjectDecoder(2**20), JsonDecoder())
        with pytest.raises(CorruptedFrameError, match=r"recursion|Stack overflow"):  # 3.14 says the latter
            channel.write_inbound(text)

    @pytest.mark.parametrize("limit", [0, -1, 2**63])
    def test_an_impossible_limit_is_refused_by_name(self, limit: int) -> None:
        with pytest.raises(ValueError, match=f"max_length must be from 1 to .* but is {limit}"):
            JsonObjectDecoder(limit)


def test_who_takes_the_decoder_out_gets_the_text_that_was_begun() -> None:
    channel = EmbeddedChannel(JsonObjectDecoder(100))
    channel.write_inbound(b'{"a":1}{"b"')
    channel.write_inbound(b":")
    channel.pipeline.remove(JsonObjectDecoder)
    assert channel.inbound == [b'{"a":1}', b'{"b":']


class TestObjects:
    def test_any_parser_will_do(self) -> None:
        channel = EmbeddedChannel(JsonDecoder(lambda data: data.decode().upper()))
        channel.write_inbound(b"abc")
        assert channel.read_inbound() == "ABC"

    def test_a_list_is_one_message(self) -> None:
        channel = EmbeddedChannel(JsonDecoder())
        channel.write_inbound(b"[1, 2]")
        assert channel.inbound == [[1, 2]]

    @pytest.mark.parametrize("text", [b"", b"{", b'{"a"}', b"\xff", b"[1,]"])
    def test_what_the_parser_refuses_is_corrupted(self, text: bytes) -> None:
        channel = EmbeddedChannel(JsonDecoder())
        with pytest.raises(CorruptedFrameError) as caught:
            channel.write_inbound(text)
        assert isinstance(caught.value.__cause__, ValueError)

    def test_objects_are_written_compact_and_as_utf_8(self) -> None:
        assert JsonEncoder().encode({"ä": [1, None]}) == '{"ä":[1,null]}'.encode()

    def test_any_serializer_will_do(self) -> None:
        assert JsonEncoder(json.dumps).encode({"ä": 1}) == b'{"\\u00e4": 1}'
        assert JsonEncoder(lambda value: bytes(value)).encode(3) == b"\0\0\0"

    @pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1j: 2}, "\ud800"])
    def test_what_the_serializer_refuses_fails_its_write(self, value: Any) -> None:
        with pytest.raises(EncodeError, match="cannot be put into JSON") as caught:
            JsonEncoder().encode(value)
        assert isinstance(caught.value.__cause__, (ValueError, TypeError))

    def test_what_is_written_is_read(self) -> None:
        check_codec(
            lambda: wire() >> JsonObjectDecoder(1000) >> JsonDecoder() >> JsonEncoder(),
            [{}, [], {"a": ["}", '"', "\\"]}, [[1.5, True, None]], {"ä": "€"}],
        )

    def test_lines_of_json_may_be_anything(self) -> None:
        channel = EmbeddedChannel(LineBasedFrameDecoder(100), JsonDecoder())
        channel.write_inbound(b'1\n"a"\n')
        assert channel.inbound == [1, "a"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=8,
)


@given(
    values=st.lists(st.lists(VALUES, max_size=3) | st.dictionaries(st.text(), VALUES, max_size=3), max_size=4),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    cut=st.integers(1, 9),
)
def test_any_values_in_any_pieces(values: list[Any], indent: int | None, ascii_only: bool, cut: int) -> None:
    data = b"\n".join(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode() for value in values)
    decoder = JsonObjectDecoder(100_000)
    streaming = JsonObjectDecoder(100_000, stream_array=True)
    texts, parts = [], []
    for start in range(0, len(data), cut):
        texts += decoder.feed(data[start : start + cut])
        parts += streaming.feed(data[start : start + cut])
    assert [json.loads(text) for text in texts + decoder.finish()] == values
    flat = [element for value in values for element in (value if isinstance(value, list) else [value])]
    assert [json.loads(part) for part in parts + streaming.finish()] == flat
