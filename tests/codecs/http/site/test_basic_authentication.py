"""Names and passwords: who may pass, and who is asked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

Make = Callable[..., Any]


class Who(ChannelInboundHandler[http.FullRequest]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(http.FullResponse(200, None, repr(http.basic_credentials(msg)).encode()))


def _basic(text: str | bytes) -> str:
    return "Basic " + b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("authorization", "credentials"),
    [
        (_basic("ada:lovelace"), ("ada", "lovelace")),
        ("bAsIc  " + _basic("ada:lovelace")[6:], ("ada", "lovelace")),
        (_basic("ada:love:lace"), ("ada", "love:lace")),
        (_basic(":"), ("", "")),
        (_basic("test:123£"), ("test", "123£")),  # RFC 7617 2.1
        (_basic("ada"), None),
        (_basic("a\0da:x"), None),
        (_basic("ada:x\r\n"), None),
        (_basic(b"\xff:x"), None),
        (_basic("a:" + "x" * 5000), None),
        ("Basic", None),
        ("Basic !!!!", None),
        ("Basic YQ", None),
        ("Bearer YTpi", None),
        ("", None),
    ],
)
def test_what_a_request_says_about_who_sent_it(authorization: str, credentials: Any) -> None:
    assert http.basic_credentials(http.Request("GET", "/", {"authorization": authorization})) == credentials
    assert http.basic_credentials(http.Request("GET", "/", {})) is None


def test_who_knows_a_password_may_pass(make_site: Make) -> None:
    site = make_site(http.BasicAuthentication({"ada": "lovelace", "é": "ü"}, realm="Notes"), Who())
    assert site.ask("GET", "/", authorization=_basic("ada:lovelace")).body == b"('ada', 'lovelace')"
    assert site.ask("GET", "/", authorization=_basic("é:ü")).status == 200
    for wrong in ("ada:", "ada:lovelacE", "bob:lovelace", "bob:", ":", "ada:lovelace:"):
        response = site.ask("POST", "/", b"a body", authorization=_basic(wrong))
        assert response.status == 401
        assert response.headers["www-authenticate"] == 'Basic realm="Notes", charset="UTF-8"'
    assert site.ask("GET", "/").status == 401
    assert site.ask("GET", "/", authorization=_basic("ada:lovelace")).status == 200


def test_a_function_decides(make_site: Make) -> None:
    site = make_site(http.BasicAuthentication(lambda name, password: name == password, realm="r"), Who())
    assert site.ask("GET", "/", authorization=_basic("a:a")).status == 200
    assert site.ask("GET", "/", authorization=_basic("a:b")).status == 401


def test_what_is_true_and_no_yes_lets_nobody_in(make_site: Make) -> None:
    site = make_site(http.BasicAuthentication(lambda name, password: "no", realm="r"), Who())  # type: ignore[arg-type, return-value]  # the mistake
    assert site.ask("GET", "/", authorization=_basic("a:a")).status == 401


def test_paths_that_are_exempt(make_site: Make) -> None:
    site = make_site(http.BasicAuthentication({"a": "b"}, realm="r", exempt="/open/"), Who())
    assert site.ask("GET", "/open/x").status == 200
    assert site.ask("GET", "/open/../closed").status == 401
    assert site.ask("GET", "/open").status == 401


def test_who_waits_for_leave_to_send_a_body_is_refused_without_it(make_site: Make) -> None:
    site = make_site(http.BasicAuthentication({"a": "b"}, realm="r"), Who())
    site.channel.write_inbound(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert site.sent().startswith(b"HTTP/1.1 401 ")


def test_requests_that_are_whole_are_asked_too() -> None:
    stage = http.BasicAuthentication({"a": "b"}, realm="r")
    channel = EmbeddedChannel(http.server_stack(date=False), http.RequestAggregator(), stage, Who())
    channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 401 ")


def test_a_preflight_needs_no_password(make_site: Make) -> None:
    cors = http.Cors(http.CorsPolicy("https://a.example", allow_credentials=True))
    site = make_site(cors, http.BasicAuthentication({"a": "b"}, realm="r"), Who())
    asked = {"origin": "https://a.example", "access_control_request_method": "GET"}
    assert site.ask("OPTIONS", "/", **asked).status == 204
    refused = site.ask("GET", "/", origin="https://a.example")
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")


@pytest.mark.parametrize(
    ("known", "options", "complaint"),
    [
        ({}, {}, "nobody is known"),
        ({"a:b": "c"}, {}, "cannot have a colon"),
        ({"a": "b"}, {"realm": 'a"b'}, "a realm is ASCII"),
        ({"a": "b"}, {"realm": "a\r\nb"}, "a realm is ASCII"),
        ({"a": "b"}, {"realm": "ä"}, "a realm is ASCII"),
        ({"a": "b"}, {"exempt": ["open"]}, "begins with a slash"),
    ],
)
def test_what_could_not_work_is_refused(known: Any, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.BasicAuthentication(known, **{"realm": "r", **options})
