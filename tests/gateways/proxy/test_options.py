"""How patient a proxy is."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.gateways.proxy import ProxyOptions


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("timeout", 0, "timeout must be more than 0 seconds, not 0"),
        ("timeout", float("nan"), "timeout must be more than 0 seconds, not nan"),
        ("tunnel_timeout", -1, "tunnel_timeout must be more than 0 seconds, not -1"),
        ("idle_timeout", None, "idle_timeout must be more than 0 seconds, not None"),
        ("max_idle", -1, "max_idle must be a whole number from 0 on, not -1"),
        ("max_idle", True, "max_idle must be a whole number from 0 on, not True"),
        ("name", "a b", "name must be a token, as the name of a header is, not 'a b'"),
        ("name", "a\r\nX: y", "name must be a token"),
        ("upgrades", "websocket", "upgrades must be a tuple of protocols, not 'websocket'"),
        ("upgrades", ("web socket",), "upgrades must be a token"),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, value: Any, rule: str) -> None:
    settings: dict[str, Any] = {option: value}
    with pytest.raises(ValueError, match=rule):
        ProxyOptions(**settings)
