"""Which other sites may read: the words of WHATWG Fetch, and what Starlette says in the same places."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import http

Make = Callable[..., Any]

_APP = "https://app.example.org"


class Ok(ChannelInboundHandler[Any]):
    """Answers everything, by default with headers that are a constant."""

    headers = http.Headers({"content-type": "text/plain"})

    def channel_read(self, ctx: Any, msg: Any) -> None:
        if isinstance(msg, http.FullRequest):
            ctx.write(http.FullResponse(200, self.headers, b"ok", to=msg))


def _cors(response: http.FullResponse) -> dict[str, str]:
    wanted = ("access-control-", "vary")
    return {name: response.headers[name] for name in response.headers if name.startswith(wanted)}


def _site(make_site: Make, *args: Any, handler: Any = None, **settings: Any) -> Any:
    return make_site(http.Cors(http.CorsPolicy(*args, **settings)), Ok() if handler is None else handler)


def test_a_response_tells_who_may_read_it(make_site: Make) -> None:
    site = _site(make_site, _APP, expose_headers=["X-Total"])
    assert _cors(site.ask("GET", "/", origin=_APP)) == {
        "vary": "Origin",
        "access-control-allow-origin": _APP,
        "access-control-expose-headers": "X-Total",
    }
    assert _cors(site.ask("GET", "/", origin="https://evil.example")) == {"vary": "Origin"}
    assert _cors(site.ask("GET", "/")) == {"vary": "Origin"}  # or a cache would give it to the page
    assert Ok.headers.items() == [("content-type", "text/plain")]  # the constant is as it was


def test_everybody_means_everybody(make_site: Make) -> None:
    site = _site(make_site, "*", expose_headers="*")
    for headers in ({}, {"origin": _APP}, {"origin": "null"}):
        assert _cors(site.ask("GET", "/", **headers)) == {
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "*",
        }


def test_credentials_are_for_those_who_are_named(make_site: Make) -> None:
    site = _site(make_site, [_APP], allow_credentials=True)
    assert _cors(site.ask("GET", "/", origin=_APP))["access-control-allow-credentials"] == "true"
    assert "access-control-allow-credentials" not in _cors(site.ask("GET", "/", origin="https://evil.example"))


def test_a_preflight_is_answered_before_the_application(make_site: Make) -> None:
    site = _site(
        make_site, _APP, allow_methods=["GET", "PUT"], allow_headers=["X-Key"], max_age=60, allow_private_network=True
    )
    asked = {"origin": _APP, "access_control_request_method": "PUT", "access_control_request_headers": "x-key"}
    response = site.ask("OPTIONS", "/", **asked)
    assert (response.status, response.body) == (204, b"")
    assert _cors(response) == {
        "vary": "Origin",
        "access-control-allow-origin": _APP,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "X-Key",
        "access-control-max-age": "60",
    }
    response = site.ask("OPTIONS", "/", access_control_request_private_network="true", **asked)
    assert _cors(response)["access-control-allow-private-network"] == "true"
    refused = site.ask("OPTIONS", "/", origin="https://evil.example", access_control_request_method="PUT")
    assert (refused.status, _cors(refused)) == (403, {"vary": "Origin"})


def test_options_that_are_no_preflight_are_the_applications(make_site: Make) -> None:
    site = _site(make_site, _APP)
    assert site.ask("OPTIONS", "/").body == b"ok"
    assert site.ask("OPTIONS", "/", origin=_APP).body == b"ok"
    assert site.ask("OPTIONS", "/", access_control_request_method="GET").body == b"ok"


def test_a_preflight_with_a_body_is_read_to_its_end(make_site: Make) -> None:
    site = _site(make_site, _APP)
    asked = {"origin": _APP, "access_control_request_method": "PUT"}
    assert site.ask("OPTIONS", "/", b"why not", **asked).status == 204
    assert site.ask("GET", "/", origin=_APP).status == 200


def test_a_preflight_may_come_whole(make_site: Make) -> None:
    policy = http.CorsPolicy(_APP)
    site = make_site(whole=True)
    site.channel.pipeline.add_last(http.Cors(policy), Ok())
    assert site.ask("OPTIONS", "/", origin=_APP, access_control_request_method="GET").status == 204
    assert _cors(site.ask("GET", "/", origin=_APP))["access-control-allow-origin"] == _APP


@pytest.mark.parametrize(
    ("vary", "result"),
    [
        ("Accept", "Accept, Origin"),
        ("origin", "origin"),
        ("Accept, ORIGIN", "Accept, ORIGIN"),
        ("*", "*"),
    ],
)
def test_what_the_application_says_is_kept(make_site: Make, vary: str, result: str) -> None:
    class Own(Ok):
        headers = http.Headers({"vary": vary, "access-control-allow-origin": "https://wrong.example"})

    response = _site(make_site, _APP, handler=Own()).ask("GET", "/", origin=_APP)
    assert response.headers.get_all("access-control-allow-origin") == [_APP]
    assert response.headers["vary"] == result


def test_responses_in_parts_and_out_of_order(make_site: Make) -> None:
    class Later(ChannelInboundHandler[Any]):
        def __init__(self) -> None:
            self.requests: list[http.FullRequest] = []

        def channel_read(self, ctx: Any, msg: Any) -> None:
            self.requests.append(msg)
            if len(self.requests) == 3:
                for request in reversed(self.requests):
                    for part in (http.Response(200, to=request), http.Data(b"x", to=request), http.End(to=request)):
                        ctx.write(part)

    site = make_site(
        http.Cors(http.CorsPolicy(lambda origin: origin != "https://b")),
        Later(),
        limits=http.Limits(max_pipelined=4),
    )
    site.channel.write_inbound(
        b"".join(b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://%b\r\n\r\n" % name for name in (b"a", b"b", b"c"))
    )
    data = site.sent()
    assert [b"https://%b" % name in data for name in (b"a", b"b", b"c")] == [True, False, True]
    assert data.index(b"https://a") < data.index(b"https://c")


def test_errors_below_it_are_readable_too(make_site: Make) -> None:
    router = http.Router()
    router.add("GET", "/", lambda request: 1 / 0)
    site = make_site(http.Cors(http.CorsPolicy(_APP)), router)
    for target, status in (("/", 500), ("/none", 404)):
        response = site.ask("GET", target, origin=_APP)
        assert (response.status, response.headers["access-control-allow-origin"]) == (status, _APP)


@pytest.mark.parametrize(
    ("origins", "settings", "complaint"),
    [
        ("*", {"allow_credentials": True}, "credentials are not for everybody"),
        ([_APP, "*"], {"allow_credentials": True}, "credentials are not for everybody"),
        ("null", {"allow_credentials": True}, "credentials are not for the origin null"),
        (_APP, {"allow_credentials": True, "allow_methods": "*"}, 'allow_methods="\\*" means nothing'),
        (_APP, {"allow_credentials": True, "allow_headers": ["*"]}, 'allow_headers="\\*" means nothing'),
        (_APP, {"allow_credentials": True, "expose_headers": "*"}, 'expose_headers="\\*" means nothing'),
        (_APP, {"allow_methods": ["GE T"]}, "'GE T', which is no name"),
        (_APP, {"allow_headers": ["a\r\nb"]}, "which is no name"),
        (_APP, {"expose_headers": [""]}, "which is no name"),
        (_APP, {"max_age": -1}, "from 0 to 86400 seconds"),
        (_APP, {"max_age": 86401}, "from 0 to 86400 seconds"),
        ([], {}, "no origin is allowed"),
        ("app.example.org", {}, "an origin is"),
    ],
)
def test_a_policy_that_could_not_work_is_refused(origins: Any, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.CorsPolicy(origins, **settings)


# -- the same asked of Starlette's CORSMiddleware ----------------------------------------------------------------------

_ORIGINS = [None, _APP, "https://evil.example", "null"]
_POLICIES: list[dict[str, Any]] = [
    {"allow_origins": ["*"]},
    {"allow_origins": [_APP]},
    {"allow_origins": [_APP], "allow_credentials": True, "allow_methods": ["GET", "PUT"]},
    {"allow_origins": [_APP], "allow_headers": ["X-Key"], "expose_headers": ["X-Total"], "max_age": 60},
    {"allow_origins": ["*"], "allow_methods": ["*"]},
]
_SAFELISTED = {"accept", "accept-language", "content-language", "content-type"}


def _starlette(policy: dict[str, Any], requests: list[tuple[str, dict[str, str]]]) -> list[httpx.Response]:
    async def ok(request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    app: Any = CORSMiddleware(
        Starlette(routes=[Route("/", ok, methods=["GET", "PUT", "OPTIONS"])]),
        **{"allow_methods": ["GET", "HEAD", "POST"], **policy},
    )

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example.org") as client:
            return [await client.request(method, "/", headers=headers) for method, headers in requests]

    return asyncio.run(ask())


def _names(value: str | None) -> set[str]:
    return {name.strip().lower() for name in (value or "").split(",")} - {""}


@pytest.mark.parametrize("policy", _POLICIES)
def test_starlette_lets_the_same_pages_read(make_site: Make, policy: dict[str, Any]) -> None:
    requests: list[tuple[str, dict[str, str]]] = [
        (method, {} if origin is None else {"origin": origin}) for origin in _ORIGINS for method in ("GET", "PUT")
    ]
    settings = dict(policy)
    site = _site(make_site, settings.pop("allow_origins"), **settings)
    for (method, headers), theirs in zip(requests, _starlette(policy, requests), strict=True):
        ours = site.ask(method, "/", **headers)
        if headers:
            for name in ("allow-origin", "allow-credentials", "expose-headers"):
                if name == "allow-credentials" and "access-control-allow-origin" not in theirs.headers:
                    continue  # they say so to origins that are refused, too, which means nothing
                if name == "expose-headers" and "access-control-allow-origin" not in theirs.headers:
                    continue  # the same
                name = f"access-control-{name}"
                assert ours.headers.get(name) == theirs.headers.get(name), (headers, name)
        if policy["allow_origins"] == ["*"]:
            # They say so only to who has an Origin, and so have to say Vary; we tell everybody the same.
            assert (ours.headers["access-control-allow-origin"], ours.headers.get("vary")) == ("*", None)
        else:
            # They say Vary only where an origin was allowed.  A cache that has kept the answer to another one would
            # give it to a page that may read it, without the words that let it.
            assert _names(ours.headers.get("vary")) == {"origin"} >= _names(theirs.headers.get("vary"))


@pytest.mark.parametrize("policy", _POLICIES)
def test_starlette_lets_the_same_preflights_through(make_site: Make, policy: dict[str, Any]) -> None:
    settings = dict(policy)
    site = _site(make_site, settings.pop("allow_origins"), **settings)
    requests = []
    for origin in _ORIGINS[1:]:
        for method in ("GET", "PUT", "DELETE"):
            for asked in (None, "x-key", "content-type", "x-other, x-key"):
                headers = {"origin": str(origin), "access-control-request-method": method}
                if asked is not None:
                    headers["access-control-request-headers"] = asked
                requests.append(("OPTIONS", headers))
    for (method, headers), theirs in zip(requests, _starlette(policy, requests), strict=True):
        ours = site.ask(method, "/", **{name.replace("-", "_"): value for name, value in headers.items()})
        assert _lets_through(ours.status, ours.headers, headers) == _lets_through(
            theirs.status_code, theirs.headers, headers
        ), headers


def _lets_through(status: int, response: Any, asked: dict[str, str]) -> bool:
    """Fetch 4.8, "CORS-preflight fetch", as a browser does it; without credentials.

    Starlette answers 400 where a method or a header is not allowed, and we 204 with a list in which it is missing: a
    browser sends the request in neither case.
    """
    if not 200 <= status <= 299 or response.get("access-control-allow-origin") not in ("*", asked["origin"]):
        return False
    methods = _names(response.get("access-control-allow-methods"))
    method = asked["access-control-request-method"].lower()
    headers = _names(response.get("access-control-allow-headers")) | _SAFELISTED
    return (method in methods | {"get", "head", "post"} or "*" in methods) and (
        "*" in headers or _names(asked.get("access-control-request-headers")) <= headers
    )


def test_a_stage_without_a_policy_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="Cors takes a CorsPolicy"):
        http.Cors(["https://a.example"])  # type: ignore[arg-type]  # the mistake
