"""Authorization: what is sent, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http.client.auth import BasicAuth, BearerAuth, as_auth


def test_basic() -> None:
    # RFC 7617 2: the example, and its sequel with a pound sign in UTF-8
    assert BasicAuth("Aladdin", "open sesame").value == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert BasicAuth("test", "123£").value == "Basic dGVzdDoxMjPCow=="
    assert as_auth(("a", "b:c")) == BasicAuth("a", "b:c")


def test_bearer() -> None:
    assert BearerAuth("mF_9.B5f-4.1JqM").value == "Bearer mF_9.B5f-4.1JqM"


def test_secrets_are_not_shown() -> None:
    assert repr(BasicAuth("a", "secret")) == "BasicAuth(user='a')"
    assert "secret" not in repr(BearerAuth("secret"))


@pytest.mark.parametrize(("user", "password"), [("a:b", "c"), ("a\r\n", "c"), ("a", "c\0")])
def test_impossible_users(user: str, password: str) -> None:
    with pytest.raises(ValueError, match="no co"):
        BasicAuth(user, password)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "ä"])
def test_impossible_tokens(token: str) -> None:
    with pytest.raises(ValueError, match="a bearer token"):
        BearerAuth(token)


@pytest.mark.parametrize("given", ["user:password", ("a",), 5])
def test_what_is_no_auth(given: Any) -> None:
    with pytest.raises(TypeError, match="auth= is"):
        as_auth(given)
