"""Encoders of content codings: what they make is decoded again, all of it, also before the end."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.content.decoders import DECODERS, ContentDecoder
from pipeline_net.codecs.http.content.encoders import DEFAULT_LEVELS, ENCODERS, LEVELS

_TEXT = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(1000))


def _decoded(decoder: ContentDecoder, data: bytes) -> bytes:
    output = decoder.decode(data, 1 << 20)
    while not decoder.needs_input:
        output += decoder.decode(b"", 1 << 20)
    return output


@pytest.mark.parametrize("coding", ENCODERS)
def test_what_is_encoded_can_be_decoded_at_each_level(coding: str) -> None:
    for level in LEVELS[coding]:
        encoder, decoder = ENCODERS[coding](level), DECODERS[coding]()
        data = encoder.encode(_TEXT) + encoder.encode(memoryview(b"the end")) + encoder.finish()
        assert len(data) < len(_TEXT) / 3
        assert _decoded(decoder, data) == _TEXT + b"the end"
        assert decoder.is_complete


@pytest.mark.parametrize("coding", ENCODERS)
def test_after_a_flush_a_decoder_sees_all_that_was_taken(coding: str) -> None:
    encoder, decoder = ENCODERS[coding](DEFAULT_LEVELS[coding]), DECODERS[coding]()
    for word in (b"one", b"two", b"three"):
        assert _decoded(decoder, encoder.encode(word) + encoder.flush()) == word
    assert _decoded(decoder, encoder.finish()) == b""
    assert decoder.is_complete
