"""nginx gets a configuration with its port, and nothing else is open in it."""

from __future__ import annotations

from benchmarks.peers.nginx_hello import configuration


def test_the_configuration_listens_where_it_is_told() -> None:
    text = configuration(9876)
    assert "listen 127.0.0.1:9876 " in text
    assert text.count("{") == text.count("}")
