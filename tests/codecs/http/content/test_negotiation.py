"""Accept-Encoding, taken apart and weighed."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.content.negotiation import AcceptEncoding


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, br", "br"),  # ours is the order among equals
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br ; q=0.5 ,\tgzip ; Q=0.501", "gzip"),
        ("br;q=0, gzip;q=0.001", "gzip"),
        ("*", "br"),
        ("*;q=0.1, br;q=0", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0", "identity"),  # nothing that can be had
        ("identity;q=0, gzip", "gzip"),
        ("foo, bar", "identity"),
        (",, gzip,", "gzip"),
        # What is no coding with a weight is not there.
        ("gzip;q=1.001", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=-1", "identity"),
        ("gzip;q=0.1234", "identity"),
        ("gzip;q=٠.٥", "identity"),
        ("gzip;q=", "identity"),
        ("gzip;level=9", "identity"),
        ("gzip;q=1;q=1", "identity"),
        ("gzip;q=1.", "gzip"),
        ("gzip;q=0.", "identity"),
    ],
)
def test_what_is_chosen_of_br_and_gzip(value: str | None, chosen: str) -> None:
    assert AcceptEncoding(value).choose(["br", "gzip"]) == chosen


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        (None, True),
        ("gzip", True),
        ("identity;q=0", False),
        ("*;q=0", False),
        ("*;q=0, identity;q=0.1", True),
        ("*", True),
    ],
)
def test_whether_a_body_without_a_coding_is_taken(value: str | None, takes: bool) -> None:
    assert AcceptEncoding(value).takes_identity is takes
