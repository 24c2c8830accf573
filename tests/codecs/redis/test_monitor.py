from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs.redis.monitor import quoted, without_secrets

Connect = Callable[..., Any]


@pytest.mark.parametrize(
    ("arg", "line"),
    [
        (b"plain", b'"plain"'),
        (b"", b'""'),
        (b'a"b\\c', rb'"a\"b\\c"'),
        (b"\n\r\t\a\b", rb'"\n\r\t\a\b"'),
        (b"\0\x1b\x7f\xff", rb'"\x00\x1b\x7f\xff"'),
        (b"x" * 10_000 + b"\n", b'"' + b"x" * 10_000 + rb'\n"'),
    ],
)
def test_a_value_is_spelt_as_one_line_of_ascii(arg: bytes, line: bytes) -> None:
    assert quoted(arg) == line


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (b"GET auth", b"GET auth"),
        (b"AUTH secret", b"AUTH (redacted)"),
        (b"auth user secret", b"auth (redacted) (redacted)"),
        (b"HELLO 3 AUTH user secret SETNAME bob", b"HELLO 3 AUTH (redacted) (redacted) SETNAME bob"),
        (b"hello 3 setname bob auth user secret", b"hello 3 setname bob auth (redacted) (redacted)"),
        (b"HELLO 3 AUTH user", b"HELLO 3 AUTH user"),
        (b"HELLO", b"HELLO"),
    ],
)
def test_passwords_are_not_shown(command: bytes, shown: bytes) -> None:
    args = command.split()
    assert b" ".join(without_secrets(args)) == shown
    assert args == command.split()


def _masked(data: bytes) -> bytes:
    return re.sub(rb"\+\d{10,}\.\d{6} ", b"+TIME ", data)


def test_who_monitors_sees_what_others_do_and_itself(kit: Connect) -> None:
    watcher, other = kit(), kit(remote_address=("192.0.2.1", 4711))
    assert _masked(watcher.ask("MONITOR", "MONITOR", "PING")) == b'+OK\r\n+PONG\r\n+TIME [0 unix:embedded] "PING"\r\n'
    assert other.ask("SET k v", "AUTH x", "SELECT 2", "NOPE", "CLIENT LIST ID 99")
    watcher.run_pending()
    assert _masked(watcher.take()) == (
        b'+TIME [0 192.0.2.1:4711] "SET" "k" "v"\r\n'
        b'+TIME [0 192.0.2.1:4711] "AUTH" "(redacted)"\r\n'
        b'+TIME [2 192.0.2.1:4711] "SELECT" "2"\r\n'
    )
    watcher.ask("RESET")
    other.ask("PING")
    watcher.run_pending()
    assert watcher.take() == b""
    for client in (watcher, other):
        client.finish()


def test_who_monitors_may_not_touch_keys_and_who_has_left_is_not_written_to(kit: Connect) -> None:
    watcher, other = kit(), kit()
    assert watcher.ask("MONITOR", "GET k") == b"+OK\r\n-ERR Replica can't interact with the keyspace\r\n"
    monitors = watcher.session.state.monitors
    assert len(monitors.loops) == 1
    watcher.finish()
    assert monitors.loops == {}
    assert other.ask("PING") == b"+PONG\r\n"
    other.finish()


def test_a_watcher_on_another_loop_sees_it_too(run_kit: Connect, dial: Callable[[str], Any]) -> None:
    server = run_kit(loops=2)
    watcher, other = dial(server.addresses[0]), dial(server.addresses[0])
    with watcher.makefile("rb") as lines:
        watcher.sendall(b"MONITOR\r\n")
        assert lines.readline() == b"+OK\r\n"
        other.sendall(b'SET k "two words"\r\n')
        assert other.recv(100) == b"+OK\r\n"
        host, port = other.getsockname()
        assert _masked(lines.readline()) == b'+TIME [0 %b:%d] "SET" "k" "two words"\r\n' % (host.encode(), port)
