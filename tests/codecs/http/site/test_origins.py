"""Which origins are meant by a list, by subdomains, by a function."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http.site.origins import AllowedOrigins


@pytest.mark.parametrize(
    ("allowed", "origin", "is_allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "https://a.example.evil", False),
        ("https://a.example", "https://evil-a.example", False),
        ("https://a.example", "HTTPS://A.EXAMPLE", False),  # no browser writes it so
        (["https://a.example", "http://localhost:3000"], "http://localhost:3000", True),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("null", "null", True),
        ("https://a.example", "null", False),
        ("*", "https://anybody.example", True),
        ("https://*.example.org", "https://a.example.org", True),
        ("https://*.example.org", "https://a.b.example.org", True),
        ("https://*.example.org", "https://example.org", False),
        ("https://*.example.org", "https://.example.org", False),
        ("https://*.example.org", "https://a..example.org", False),
        ("https://*.example.org", "http://a.example.org", False),
        ("https://*.example.org", "https://evil.example/.example.org", False),
        ("https://*.example.org", "https://evil.example:80@x.example.org", False),
        ("https://*.example.org", "https://evilexample.org", False),
        ("https://*.example.org", "https://a.example.org:8443", False),
        ("https://*.example.org:8443", "https://a.example.org:8443", True),
        (lambda origin: origin.endswith("7"), "https://a7", True),
        (lambda origin: None, "https://a7", False),
    ],
)
def test_who_is_allowed(allowed: Any, origin: str, is_allowed: bool) -> None:
    assert AllowedOrigins(allowed).allow(origin) is is_allowed


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "example.org",
        "https://",
        "https://example.org/",
        "https://example.org/path",
        "https://Example.org",
        "HTTPS://example.org",
        "https://example.org:443",
        "http://example.org:80",
        "http://example.org:",
        "http://example.org:0",
        "http://example.org:65536",
        "http://example.org:٣",
        "https://*",
        "https://*example.org",
        "https://a.*.example.org",
        "https://*.*.example.org",
        "https://exa mple.org",
        "https://user@example.org",
        "https://a..b",
        "https://[::1",
        "https://[]",
        "https://[x]",
        "1http://a",
        "://a",
    ],
)
def test_what_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="an origin is scheme://host"):
        AllowedOrigins([origin])


def test_a_list_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no origin is allowed"):
        AllowedOrigins([])
