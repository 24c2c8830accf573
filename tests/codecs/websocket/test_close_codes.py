"""Which close codes may travel."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.websocket import CloseCode
from pipeline_net.codecs.websocket.close_codes import may_travel

# RFC 6455 7.4.1 and 7.4.2, with what IANA has registered since (1012 to 1014).
_TRAVEL = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999]
_STAY = [-1, 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", _TRAVEL)
def test_codes_that_travel(code: int) -> None:
    assert may_travel(code)


@pytest.mark.parametrize("code", _STAY)
def test_codes_that_do_not(code: int) -> None:
    assert not may_travel(code)


def test_a_code_says_its_name() -> None:
    assert repr(CloseCode.TOO_BIG) == "<CloseCode 1009 TOO_BIG>"
    assert int(CloseCode.NORMAL) == 1000
