"""Cookies that only the server can have written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http import CookieSigner, SetCookie

_OLD, _NEW = b"o" * 32, b"n" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500))
def test_any_text_comes_back_and_fits_a_cookie(value: str) -> None:
    signer = CookieSigner([_NEW], clock=Clock())
    signed = SetCookie("a", signer.sign("a", value)).value
    assert signer.unsign("a", signed, max_age=0) == value


def test_a_signature_is_what_openssl_makes_of_it() -> None:
    # printf '1:a=aGk.1000000' | openssl dgst -sha256 -hmac nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn -binary | base64
    signed = CookieSigner([_NEW], clock=Clock()).sign("a", "hi")
    assert signed == "aGk.1000000.UVsAzFcCgujWQ635kKLHn58jcb48INYugufBlGCw9VI"


def test_whatever_is_changed_is_seen() -> None:
    signer = CookieSigner([_NEW], clock=Clock())
    signed = signer.sign("a", "hello")
    for at in range(len(signed)):
        for char in "A.":
            other = signed[:at] + char + signed[at + 1 :]
            assert other == signed or signer.unsign("a", other, max_age=10**7) is None
    for text in (None, "", ".", "..", signed[:-1], signed + "A", "é" + signed, "x" * 10_000, signed.rpartition(".")[0]):
        assert signer.unsign("a", text, max_age=10**7) is None


def test_a_value_cannot_be_moved_to_another_cookie() -> None:
    signer = CookieSigner([_NEW], clock=Clock())
    assert signer.unsign("b", signer.sign("a", "x"), max_age=10) is None


def test_keys_are_changed_one_after_the_other() -> None:
    clock = Clock()
    signed = CookieSigner([_OLD], clock=clock).sign("a", "x")
    both = CookieSigner([_NEW, _OLD], clock=clock)
    assert both.unsign("a", signed, max_age=10) == "x"
    assert CookieSigner([_NEW], clock=clock).unsign("a", both.sign("a", "y"), max_age=10) == "y"
    assert CookieSigner([_NEW], clock=clock).unsign("a", signed, max_age=10) is None


def test_signatures_grow_old_and_do_not_come_from_the_future() -> None:
    clock = Clock()
    signer = CookieSigner([_NEW], clock=clock)
    signed = signer.sign("a", "x")
    clock.now += 10
    assert signer.unsign("a", signed, max_age=10) == "x"
    clock.now += 1
    assert signer.unsign("a", signed, max_age=10) is None
    clock.now -= 12
    assert signer.unsign("a", signed, max_age=10) is None


@pytest.mark.parametrize("keys", [[], [b"short"], b"x" * 32, ["x" * 32]])
def test_a_signer_wants_good_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        CookieSigner(keys)


def test_it_does_not_show_its_keys() -> None:
    assert repr(CookieSigner([_NEW])) == "<CookieSigner with 1 keys>"
