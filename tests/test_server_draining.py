"""What a server tells its pipelines when it is going to end; that it tells them, tests/test_bootstrap.py shows."""

from __future__ import annotations

import pipeline_net
from pipeline_net.server_draining import ServerDraining


def test_it_says_how_long_there_is() -> None:
    assert ServerDraining(2.5).timeout == 2.5
    assert repr(ServerDraining(2.5)) == "ServerDraining(timeout=2.5)"


def test_it_is_the_one_at_the_door() -> None:
    assert pipeline_net.ServerDraining is ServerDraining
