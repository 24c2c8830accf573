"""What LengthFieldBasedFrameCodec is told."""

from __future__ import annotations

import attrs
import pytest

from pipeline_net.codecs.frame_configs import DecoderConfig, EncoderConfig


def test_the_defaults_are_four_bytes_big_endian_and_nothing_else() -> None:
    assert EncoderConfig() == EncoderConfig(
        length_field_length=4, length_adjustment=0, length_includes_length_field=False, byte_order="big"
    )
    assert DecoderConfig() == DecoderConfig(
        length_field_offset=0, length_field_length=4, length_adjustment=0, initial_bytes_to_strip=0, byte_order="big"
    )


@pytest.mark.parametrize("config", [EncoderConfig(), DecoderConfig()])
def test_a_configuration_is_not_changed_once_it_is_used(config: EncoderConfig | DecoderConfig) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.length_adjustment = 1  # type: ignore[misc]  # what must not work
