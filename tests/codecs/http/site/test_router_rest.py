"""A router that leaves what matches no route to the stage behind it: an API, and everything else is a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import http

Make = Callable[..., Any]


class _Behind(ChannelInboundHandler[http.FullRequest]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(http.FullResponse(200, None, f"behind: {msg.method} {msg.path}".encode()))


def _api() -> http.Router:
    router = http.Router()
    router.get("/rooms")(lambda request: http.json_response([]))
    router.get("/rooms/{name}")(lambda request, name: http.json_response(name))
    router.pass_on("/")
    return router


def test_what_matches_no_route_goes_on(make_site: Make) -> None:
    site = make_site(_api(), _Behind())
    assert site.ask("GET", "/rooms").body == b"[]\n"
    assert site.ask("GET", "/").body == b"behind: GET /"
    assert site.ask("GET", "/chat.js").body == b"behind: GET /chat.js"
    assert site.ask("PUT", "/a/b/").body == b"behind: PUT /a/b/"


def test_what_matches_a_route_is_answered_as_ever(make_site: Make) -> None:
    site = make_site(_api(), _Behind())
    refused = site.ask("POST", "/rooms")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert site.ask("GET", "/rooms/").headers["location"] == "/rooms"
    assert site.ask("GET", "/rooms/%ff").status == 400


def test_files_stand_at_the_root_beside_an_api(make_site: Make, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "chat.js").write_text("script")
    site = make_site(_api(), http.StaticFiles(tmp_path, in_pool=False))
    assert site.ask("GET", "/").body == b"home"
    assert site.ask("GET", "/chat.js").body == b"script"
    assert site.ask("GET", "/rooms").body == b"[]\n"
    assert site.ask("GET", "/nope").status == 404
    assert site.ask("POST", "/chat.js").status == 405


def test_it_comes_before_the_first_connection_and_at_the_end_of_a_site(make_site: Make) -> None:
    router = http.Router()
    make_site(router)
    with pytest.raises(ValueError, match="comes too late: the router is in use"):
        router.pass_on("/")
    with pytest.raises(ValueError, match=r"leave '/api' with pass_on\('/api'\)"):
        http.Router().mount("/api", _api())
