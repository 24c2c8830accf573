"""Our client, httpx and requests, sent around by the same server: who does what, and who tells whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests

from pipeline_net.codecs import http

_SECRETS = {"Authorization": "Basic eDp5", "Cookie": "id=1", "X-Other": "z"}
_FINAL = "/final"


def _answer(request: http.FullRequest) -> http.FullResponse:
    """Send who asks for ``/302?place`` there, and tell others what they have said."""
    if request.path != _FINAL:
        return http.FullResponse(int(request.path[1:]), {"location": request.query or _FINAL})
    names = [name for name in request.headers if name in ("authorization", "cookie", "x-other")]
    said = {"method": request.method, "body": request.body.decode(), "names": sorted(names)}
    return http.FullResponse(200, {"x-said": json.dumps(said)})


def _ours(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
    with http.Client() as client:
        return client.call(method, url, body=body, headers=headers)


def _httpx(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
    with httpx.Client(follow_redirects=True, trust_env=False) as client:
        return client.request(method, url, content=body, headers=headers)


def _requests(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, data=body, headers=headers, allow_redirects=True)


Ask = Callable[[str, str, "bytes | None", dict[str, str]], Any]
_OTHERS: list[Ask] = [_httpx, _requests]


def _said(ask: Ask, method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    return json.loads(ask(method, url, body, headers or {}).headers["x-said"])


@pytest.mark.parametrize("other", _OTHERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_methods_and_bodies_become_the_same(site: Any, other: Ask, method: str, status: int) -> None:
    url = f"{site(_answer).url}/{status}"
    body = b"abc" if method == "POST" else None
    assert _said(_ours, method, url, body) == _said(other, method, url, body)


@pytest.mark.parametrize("other", _OTHERS)
def test_on_the_way_home_everybody_says_the_same(site: Any, other: Ask) -> None:
    url = f"{site(_answer).url}/302"
    headers = {name: value for name, value in _SECRETS.items() if name != "Cookie"}  # theirs would come from a jar
    assert _said(_ours, "GET", url, headers=headers) == _said(other, "GET", url, headers=headers)


@pytest.mark.parametrize("other", _OTHERS)
def test_elsewhere_we_tell_no_more_than_others(site: Any, other: Ask) -> None:
    here, there = site(_answer), site(_answer)
    for url in (f"{here.url}/302?{there.url}{_FINAL}", f"{here.url}/302?http://localhost:{here.port}{_FINAL}"):
        ours = _said(_ours, "GET", url, headers=_SECRETS)["names"]
        assert set(ours) <= set(_said(other, "GET", url, headers=_SECRETS)["names"])
        assert ours == ["x-other"]


@pytest.mark.parametrize("ask", [_ours, *_OTHERS])
def test_nobody_lets_a_header_end_its_line(site: Any, ask: Ask) -> None:
    server = site(_answer)
    with pytest.raises(Exception, match=r"(?i)header|value|control"):
        ask("GET", server.url + _FINAL, None, {"x-other": "a\r\nx-evil: b"})
    assert server.seen == []
