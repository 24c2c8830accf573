"""Forks are counted in the child, and only there."""

from __future__ import annotations

import os

import pytest

from pipeline_net.transport.forks import FORKS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_is_one_generation_younger() -> None:
    before = FORKS.generation
    child = os.fork()
    if child == 0:
        os._exit(FORKS.generation - before)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert FORKS.generation == before
