"""Options that contradict themselves are refused where they are made."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelOptions
from pipeline_net.codecs.http import ClientOptions, Timeouts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_connections", 0),
        ("max_per_origin", 1.5),
        ("max_waiting", -1),
        ("idle_timeout", 0),
        ("max_lifetime", float("nan")),
        ("max_head", 10),
        ("max_body", -1),
        ("stream_buffer", 0),
        ("max_redirects", -1),
        ("retries", -1),
        ("retry_after", 0),
        ("secret_headers", "x-api-key"),
        ("codings", "gzip"),
    ],
)
def test_impossible_options(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        ClientOptions(**{name: value})


def test_a_coding_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="a coding is one of gzip"):
        ClientOptions(codings=["rot13"])


def test_timeouts_are_timeouts() -> None:
    with pytest.raises(TypeError, match="timeouts"):
        ClientOptions(timeouts=5.0)  # type: ignore[arg-type]  # the mistake that people make
    assert ClientOptions(timeouts=Timeouts(total=5)).timeouts.total == 5


def test_what_is_the_clients_business_is_not_the_channels() -> None:
    options = ClientOptions(channel=ChannelOptions(auto_read=False, auto_flush=False, connect_timeout=0.001))
    assert options.channel.auto_read
    assert options.channel.auto_flush
    assert options.channel.connect_timeout > 1000


def test_one_origin_cannot_have_more_than_there_are() -> None:
    assert ClientOptions(max_connections=2).max_per_origin == 2
    assert ClientOptions(secret_headers=["X-Api-Key"]).secret_headers == ("x-api-key",)
