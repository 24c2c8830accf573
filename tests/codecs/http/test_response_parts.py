"""What a part of a response says of itself."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs.http import Data, End, FullResponse, InterimResponse, Request, Response
from pipeline_net.codecs.http.response_parts import request_of, size_of

ASKED = Request("GET", "/")


@pytest.mark.parametrize(
    ("part", "size"),
    [
        (Response(200, to=ASKED), 0),
        (FullResponse(200, None, b"hello", to=ASKED), 5),
        (InterimResponse(100, to=ASKED), 0),
        (Data(b"abc", to=ASKED), 3),
        (Data(memoryview(array("I", [1, 2])), to=ASKED), 2 * array("I").itemsize),
        (End(to=ASKED), 0),
    ],
)
def test_a_part_knows_its_request_and_its_weight(part: Any, size: int) -> None:
    assert request_of(part) is ASKED
    assert size_of(part) == size


def test_what_is_no_part_of_a_response_is_refused() -> None:
    with pytest.raises(EncodeError, match="a response is made of"):
        request_of(b"HTTP/1.1 200 OK")
