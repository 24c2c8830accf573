"""The same commands to the real redis-server and to a small server made with the kit: the bytes must be the same.

What cannot be the same is masked, and nothing else: ids of clients, and the times and addresses that MONITOR shows.
Two things are not asked.  The order in which UNSUBSCRIBE and PUBSUB CHANNELS name several channels, and in which
several patterns get a message, is that of a hash table with a random seed.  What CLIENT LIST and COMMAND DOCS say, and
COMMAND of all commands, depends on the build and on how much it can do; the sentences of HELP and DOCS are our own.
"""

from __future__ import annotations

import random
import re
import select
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from pipeline_net import Server
from pipeline_net.codecs import redis

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

Step: TypeAlias = tuple[int, str]
Start = Callable[..., Server]

_PASSWORD: Final = "secret"


def _wire_of(command: str) -> bytes:
    words = [word.encode("latin-1").replace(b"\\n", b"\n").replace(b"\\0", b"\0") for word in command.split(" ")]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _dial(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(path)
    return client


def _masked(data: bytes) -> bytes:
    data = re.sub(rb"(\$2\r\nid\r\n:)\d+", rb"\1ID", data)
    data = re.sub(rb"\+[^\r]*\] \"ECHO\" \"done\"\r\n", b"", data)  # ours, in the order of the selector
    return re.sub(rb"\+\d+\.\d{6} \[(\d+) unix:[^\]]*\]", rb"+TIME [\1 ADDRESS]", data)


def _play(path: str, steps: list[Step]) -> list[bytes]:
    """Let clients say these things one after the other, then QUIT; what each of them was sent."""
    control = _dial(path)
    control.sendall(_wire_of(f"AUTH {_PASSWORD}"))
    control.recv(1000)
    clients = [_dial(path) for _ in range(1 + max(number for number, _ in steps))]
    came: list[list[bytes]] = [[] for _ in clients]
    try:
        for client in clients:  # who has been answered is known to the server, and not on its way there
            client.sendall(_wire_of("PING"))
            client.recv(1000)
        for number, command in steps:
            try:
                clients[number].sendall(_wire_of(command))
            except (BrokenPipeError, ConnectionResetError):
                continue  # it has been closed, which its end will show
            # What was sent earlier has been done by the time that this is answered, or is in the same turn of the loop.
            control.sendall(_wire_of("ECHO done"))
            assert control.recv(1000) == b"$4\r\ndone\r\n"
            _listen(clients, came)
        for client, pieces in zip(clients, came, strict=True):
            _farewell(client, pieces)
        return [_masked(b"".join(pieces)) for pieces in came]
    finally:
        for client in (control, *clients):
            client.close()


def _listen(clients: list[socket.socket], came: list[list[bytes]]) -> None:
    """Read what has come: the real server drops what waits for somebody who goes."""
    for client in select.select(clients, [], [], 0)[0]:
        try:
            came[clients.index(client)].append(client.recv(65536))
        except ConnectionResetError:
            continue  # it was closed, which its end will show


def _farewell(client: socket.socket, came: list[bytes]) -> None:
    try:
        client.sendall(_wire_of("QUIT"))
        client.shutdown(socket.SHUT_WR)  # who waits in BLPOP does not hear QUIT
    except OSError:
        pass  # it has been closed
    try:
        while data := client.recv(65536):
            came.append(data)
    except ConnectionResetError:
        pass  # it was closed before it said QUIT, and a Unix socket says so


def _start_real(folder: Path, *arguments: str) -> Iterator[str]:
    path = str(folder / "real.sock")
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            said = ""
            for line in process.stdout:
                said += line
                if "ready to accept connections" in line:
                    break
            assert "v=7.0" in subprocess.run(["redis-server", "-v"], capture_output=True, text=True, check=True).stdout
            assert process.poll() is None, said
            yield path
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _start_real(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def real_with_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _start_real(tmp_path_factory.mktemp("locked"), "--requirepass", _PASSWORD)


@pytest.fixture
def ours(run_kit: Start, tmp_path: Path) -> str:
    path = str(tmp_path / "ours.sock")
    run_kit(address=f"unix://{path}")
    return path


def _empty(path: str) -> None:
    with _dial(path) as client:
        for command in (f"AUTH {_PASSWORD}", "FLUSHALL"):
            client.sendall(_wire_of(command))
            client.recv(1000)


# -- chosen sequences: one row a subject ---------------------------------------------------------------

# Commands are parted by semicolons; \n and \0 are those bytes.
_CHOSEN: Final[dict[str, str]] = {
    "unknown commands": r"""
        NOPE; nope a b; {LONG} {HALF} {HALF} c; a\nb c\nd; a\0b c\0d e; CLIENT x\ny\0z; client {LONG};
        COMMAND nope; PUBSUB nope a
    """,
    "words": r"""
        GET; GET a b; SET a; PING a b; ECHO; MULTI x; CLIENT; PUBSUB; CLIENT ID x; AUTH; SELECT; WATCH; EXEC x;
        DISCARD x; UNWATCH x; RESET x; SUBSCRIBE; PUBLISH a; MONITOR x; COMMAND COUNT x; COMMAND GETKEYS;
        CLIENT KILL; CLIENT REPLY; PUBSUB NUMPAT x; SPUBLISH a
    """,
    "connection": r"""
        PING; PING a; ping; PiNg; ECHO a; SELECT 0; SELECT 15; SELECT 16; SELECT -1; SELECT x;
        SELECT 2147483648; SELECT 99999999999999999999; SELECT 01; SELECT +1; SELECT 0; SELECT -0; AUTH x;
        AUTH default x; AUTH a b; AUTH a b c; RESET; PING
    """,
    "hello": r"""
        HELLO; HELLO 2; HELLO 3; PING; HELLO 4; HELLO 1; HELLO x; HELLO 3 SETNAME; HELLO 3 FOO;
        HELLO 3 SETNAME bob; CLIENT GETNAME; HELLO 3 AUTH a b; HELLO 3 AUTH default b; HELLO 3 AUTH a;
        HELLO 2 auth default x setname y; CLIENT GETNAME; HELLO 2 SETNAME a\nb; HELLO 99999999999999999999;
        HELLO 3 AUTH default x FOO\0BAR\n; RESET; GET nothing; HELLO 3; GET nothing; HELLO 2
    """,
    "transactions": r"""
        EXEC; DISCARD; EXEC x; MULTI; MULTI; WATCH a; PING; SET a 1; GET a; SET a b c; EXEC; MULTI; PING;
        DISCARD; EXEC; MULTI; NOPE; PING; EXEC; MULTI; GET; DISCARD; EXEC; MULTI; PING; EXEC x; EXEC; MULTI;
        EXEC; WATCH a; SET a 2; MULTI; PING; EXEC; MULTI; RESET; EXEC; MULTI; SELECT 3; SET a 3; EXEC; GET a;
        MULTI; MONITOR; EXEC; HELLO 3; WATCH a; SET a 2; MULTI; PING; EXEC; MULTI; HELLO 2; GET no; EXEC; MULTI;
        UNWATCH; COMMAND COUNT x; CLIENT NOPE; EXEC
    """,
    "subscribe mode": r"""
        UNSUBSCRIBE; PUNSUBSCRIBE; SUNSUBSCRIBE; UNSUBSCRIBE a b; SUBSCRIBE a; PING; PING x; GET a; HELLO 3;
        EXEC; EXEC x; MULTI; NOPE; CLIENT GETNAME; CLIENT; CLIENT NOPE; PING a b; SUBSCRIBE a; PSUBSCRIBE *;
        SSUBSCRIBE z; PUBLISH a b; UNSUBSCRIBE; PING; PUNSUBSCRIBE *; SUNSUBSCRIBE z; PING; PUBLISH a b;
        SUBSCRIBE a; RESET; PING; PUBLISH a b
    """,
    "subscriptions in RESP3": r"""
        HELLO 3; SUBSCRIBE a a b; PING; PUBLISH a x; PSUBSCRIBE a*; PUBLISH a y; SSUBSCRIBE a; SPUBLISH a z;
        MULTI; PUBLISH a 1; SUBSCRIBE c; PUBLISH c 2; UNSUBSCRIBE a c; EXEC; PUBSUB CHANNELS x;
        PUBSUB CHANNELS x*; PUBSUB CHANNELS a b; PUBSUB NUMSUB; PUBSUB NUMSUB a b; PUBSUB NUMPAT;
        PUBSUB SHARDCHANNELS; PUBSUB SHARDNUMSUB a b; UNSUBSCRIBE b; PUNSUBSCRIBE; UNSUBSCRIBE; SUNSUBSCRIBE;
        HELLO 2; SUBSCRIBE a; PUBLISH a b
    """,
    "subscriptions in a transaction": r"""
        MULTI; SUBSCRIBE a b; PING; PUBLISH a x; EXEC; PING; GET a; UNSUBSCRIBE a b; GET a
    """,
    "replies off and on": r"""
        CLIENT REPLY SKIP; PING; PING; CLIENT REPLY SKIP; CLIENT REPLY SKIP; PING; PING; CLIENT REPLY OFF; PING;
        SUBSCRIBE a; UNSUBSCRIBE a; NOPE; CLIENT REPLY SKIP; CLIENT REPLY ON; CLIENT REPLY SKIP; MULTI; PING;
        EXEC; PING; MULTI; CLIENT REPLY SKIP; PING; EXEC; PING; PING; MULTI; CLIENT REPLY OFF; PING;
        CLIENT REPLY ON; PING; EXEC; CLIENT REPLY x; PING; CLIENT REPLY OFF; RESET; PING; HELLO 3; SUBSCRIBE a;
        CLIENT REPLY OFF; PUBLISH a b
    """,
    "client": r"""
        CLIENT GETNAME; CLIENT SETNAME a; CLIENT GETNAME; CLIENT SETNAME a\nb; CLIENT SETNAME ; CLIENT GETNAME;
        CLIENT LIST TYPE x; CLIENT LIST TYPE master; CLIENT LIST ID x; CLIENT LIST ID 99999; CLIENT LIST FOO;
        CLIENT LIST ID; CLIENT LIST TYPE; CLIENT LIST TYPE normal x; CLIENT LIST ID 9999 x; CLIENT KILL x;
        CLIENT KILL ID x; CLIENT KILL ID 0; CLIENT KILL ID 99999; CLIENT KILL TYPE x; CLIENT KILL TYPE pubsub;
        CLIENT KILL USER no; CLIENT KILL SKIPME x; CLIENT KILL a b; CLIENT KILL ADDR; CLIENT KILL ADDR x;
        CLIENT KILL LADDR x; CLIENT KILL SKIPME no ADDR x; CLIENT KILL ID 9 TYPE; CLIENT NO-EVICT;
        CLIENT NO-EVICT ON; CLIENT NO-EVICT x; CLIENT PAUSE; CLIENT PAUSE x; CLIENT PAUSE -1; CLIENT PAUSE 1 x;
        CLIENT PAUSE 1 WRITE x; CLIENT PAUSE 99999999999999999999; CLIENT PAUSE 0 WRITE; CLIENT UNPAUSE;
        CLIENT UNPAUSE x; CLIENT UNBLOCK x; CLIENT UNBLOCK 99999; CLIENT UNBLOCK 99999 x;
        CLIENT UNBLOCK 99999 ERROR; CLIENT UNBLOCK 99999 ERROR x
    """,
    "command": r"""
        COMMAND INFO nope ping ECHO auth hello quit reset select; COMMAND INFO multi exec discard watch unwatch;
        COMMAND INFO subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish;
        COMMAND INFO client|id client|list client|kill client|reply client|no-evict client|getname client|setname;
        COMMAND INFO client|info client|pause client|unpause client|unblock pubsub|numpat pubsub|channels monitor;
        COMMAND INFO command|count command|info command|docs command|list command|getkeys command|getkeysandflags;
        HELLO 3; COMMAND INFO nope watch spublish auth client|list get; COMMAND INFO client|nope nope|id;
        COMMAND DOCS nope; COMMAND LIST x; COMMAND LIST FILTERBY; COMMAND LIST FILTERBY x y;
        COMMAND LIST FILTERBY MODULE x; COMMAND LIST FILTERBY ACLCAT x; COMMAND LIST FILTERBY PATTERN select;
        COMMAND GETKEYS GET a; COMMAND GETKEYS GET a b; COMMAND GETKEYS PING a; COMMAND GETKEYS NOPE a;
        COMMAND GETKEYS WATCH a b; COMMAND GETKEYS CLIENT ID; COMMAND GETKEYS CLIENT x; COMMAND GETKEYS SET a b;
        COMMAND GETKEYS SPUBLISH a b; COMMAND GETKEYS DEL a b c; COMMAND GETKEYSANDFLAGS GET a;
        COMMAND GETKEYSANDFLAGS WATCH a; COMMAND NOPE; COMMAND GETKEYS BLPOP a b 0
    """,
}


def _commands(row: str) -> list[str]:
    text = row.replace("{LONG}", "x" * 200).replace("{HALF}", "x" * 100)
    return [command.lstrip() for command in " ".join(line.strip() for line in text.splitlines()).split(";")]


def _compare(ours: str, real: str, steps: list[Step]) -> None:
    """Let both say what they have to say, and show where they begin to differ."""
    for number, (mine, theirs) in enumerate(zip(_play(ours, steps), _play(real, steps), strict=True)):
        if mine != theirs:
            at = next(
                (at for at, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one != other),
                min(len(mine), len(theirs)),
            )
            start = max(0, at - 100)
            said = [command for who, command in steps if who == number]
            assert mine[start : at + 100] == theirs[start : at + 100], f"client {number} said {said}"
            assert mine == theirs


@pytest.mark.parametrize("subject", _CHOSEN)
def test_chosen_commands_are_answered_as_by_the_real_server(real: str, ours: str, subject: str) -> None:
    _empty(real)
    steps = [(0, command) for command in _commands(_CHOSEN[subject])]
    # One connection for each command, too: so that none hides what another one would have shown.
    apart = [(number, command) for number, (_, command) in enumerate(steps)]
    _compare(ours, real, steps)
    _compare(ours, real, apart)


_AUTHENTICATION: Final = """
    PING; NOPE; GET; GET a; EXEC; EXEC x; MULTI; AUTH; AUTH wrong; AUTH default wrong; AUTH other secret; HELLO;
    HELLO 3; HELLO 3 SETNAME x; HELLO 2 AUTH default wrong; SUBSCRIBE a; RESET; HELLO 3 AUTH default secret SETNAME bob;
    CLIENT GETNAME; PING; RESET; PING; AUTH secret; PING; AUTH wrong; PING; MULTI; RESET; EXEC
"""


def test_who_has_not_said_the_password_is_answered_as_by_the_real_server(
    real_with_password: str, run_kit: Start, tmp_path: Path
) -> None:
    path = str(tmp_path / "locked.sock")
    run_kit(redis.ServerState(password=_PASSWORD), address=f"unix://{path}")
    steps = [(0, command) for command in _commands(_AUTHENTICATION)]
    apart = [(number, command) for number, (_, command) in enumerate(steps)]
    _compare(path, real_with_password, steps)
    _compare(path, real_with_password, apart)


# -- several clients: who says what, in this order -------------------------------------------------------

_TOGETHER: Final[dict[str, list[str]]] = {
    "monitor": [
        '0 MONITOR; 1 MULTI; 1 SET k v; 1 SELECT 2; 1 NOPE; 1 EXEC; 1 MULTI; 1 SELECT 3; 1 SET k a\\n"b\\0\\; 1 GET k',
        "1 EXEC; 1 SET k; 1 AUTH x; 1 HELLO 2 AUTH a b; 1 HELLO 2 AUTH default b SETNAME x; 1 CLIENT GETNAME",
        "1 CLIENT LIST TYPE master; 1 EXEC x; 1 DISCARD; 1 SUBSCRIBE q; 1 PING; 1 GET k; 1 UNSUBSCRIBE; 1 WATCH k",
        "1 SET k w; 1 MULTI; 1 EXEC; 1 COMMAND COUNT x; 1 ping; 1 select 1; 1 reset; 1 PING; 1 QUIT; 0 PING; 0 GET k",
        "0 SUBSCRIBE x; 2 PUBLISH x y; 0 RESET; 2 PING; 0 MONITOR; 0 MONITOR; 0 MULTI; 0 SET a b; 0 PING; 0 EXEC",
        "0 CLIENT REPLY OFF; 2 PING; 0 CLIENT REPLY ON; 2 PING",
    ],
    "watch": [
        "0 WATCH k; 1 SET k 1; 0 MULTI; 0 GET k; 0 EXEC; 0 MULTI; 0 GET k; 0 EXEC; 0 WATCH k; 1 SET other 1; 0 MULTI",
        "0 PING; 1 SET k 1; 0 NOPE; 0 EXEC; 0 WATCH k; 0 UNWATCH; 1 SET k 2; 0 MULTI; 0 PING; 0 EXEC; 0 WATCH k",
        "1 SELECT 1; 1 SET k 3; 0 MULTI; 0 PING; 0 EXEC; 0 WATCH k; 0 SET k 5; 0 MULTI; 0 PING; 0 EXEC; 0 WATCH k x",
        "1 DEL k; 0 MULTI; 0 PING; 0 EXEC; 0 WATCH k; 1 SELECT 0; 1 DEL k; 0 WATCH x; 0 MULTI; 0 PING; 0 EXEC",
        "0 WATCH k; 1 DEL k; 0 MULTI; 0 PING; 0 EXEC; 0 WATCH k; 1 SET k v; 0 MULTI; 0 DISCARD; 0 MULTI; 0 PING",
        "0 EXEC",
    ],
    "publish": [
        "0 SUBSCRIBE x; 0 PSUBSCRIBE x*; 1 HELLO 3; 1 SUBSCRIBE x; 1 SSUBSCRIBE x; 2 PUBLISH x hello; 2 SPUBLISH x z",
        "2 PUBSUB CHANNELS x; 2 PUBSUB NUMPAT; 2 PUBSUB NUMSUB x; 0 QUIT; 2 PUBLISH x again; 2 MULTI; 2 PUBLISH x one",
        "2 PUBLISH x two; 2 EXEC; 1 MULTI; 1 PING; 2 PUBLISH x mid; 1 EXEC; 1 RESET; 2 PUBLISH x end",
        "2 PUBSUB NUMSUB x",
    ],
    "kill": [
        "0 CLIENT SETNAME a; 1 SUBSCRIBE x; 0 CLIENT KILL TYPE pubsub; 0 PUBLISH x y; 2 PING",
        "0 CLIENT KILL TYPE pubsub; 0 CLIENT KILL TYPE master; 0 CLIENT KILL USER default TYPE pubsub SKIPME no",
    ],
    "pause": [
        "0 CLIENT PAUSE 100000 WRITE; 1 GET k; 1 SET k v; 1 PING; 2 PUBLISH a b; 2 PING; 3 MULTI; 3 SET k w; 3 EXEC",
        "3 PING; 4 MULTI; 4 GET k; 4 EXEC; 4 SET k; 4 NOPE; 4 INCR k; 0 GET k; 0 CLIENT UNPAUSE; 0 PING; 0 DEL k",
    ],
    "blocking": [
        "0 BLPOP q 0; 1 RPUSH q a b; 0 PING; 0 BLPOP q 0; 0 BLPOP q 0; 0 PING; 1 RPUSH q c; 1 MULTI; 1 RPUSH q d",
        "1 BLPOP q 0; 1 BLPOP q 0; 1 EXEC; 0 HELLO 3; 0 MULTI; 0 BLPOP q 0; 0 EXEC; 0 BLPOP q 0; 2 BLPOP q 0",
        "1 RPUSH q e; 1 RPUSH q f g; 1 BLPOP q x; 1 BLPOP q 0",
    ],
}


@pytest.mark.parametrize("subject", _TOGETHER)
def test_several_clients_are_answered_as_by_the_real_server(real: str, ours: str, subject: str) -> None:
    _empty(real)
    steps: list[Step] = []
    for row in _TOGETHER[subject]:
        for step in row.split("; "):
            number, _, command = step.partition(" ")
            steps.append((int(number), command))
    _compare(ours, real, steps)


# -- random sequences ------------------------------------------------------------------------------------

_WORDS: Final = """
    PING; PING x; PING a b; ECHO a; ECHO; GET a; GET b; SET a 1; SET b 2; SET a; SET a b c; INCR a; DEL a; DEL a b;
    NOPE; nope x; MULTI; MULTI; EXEC; EXEC; EXEC x; DISCARD; WATCH a; WATCH b; UNWATCH; WATCH; SELECT 0; SELECT 1;
    SELECT 99; HELLO; HELLO 2; HELLO 3; HELLO 9; RESET; AUTH x; SUBSCRIBE a; SUBSCRIBE b; SUBSCRIBE a b; UNSUBSCRIBE a;
    UNSUBSCRIBE b; UNSUBSCRIBE b a; PSUBSCRIBE *; PUNSUBSCRIBE *; PUNSUBSCRIBE; SSUBSCRIBE a; SUNSUBSCRIBE;
    SUNSUBSCRIBE a; PUBLISH a x; PUBLISH b y; SPUBLISH a z; PUBLISH a; PUBSUB NUMSUB a b; PUBSUB NUMPAT;
    CLIENT GETNAME; CLIENT SETNAME me; CLIENT REPLY SKIP; CLIENT REPLY ON; CLIENT REPLY OFF; CLIENT NOPE; CLIENT;
    MONITOR; COMMAND COUNT x; COMMAND GETKEYS GET a; COMMAND INFO ping; QUIT; GET; RPUSH q a; BLPOP q 0
"""
_RARE: Final = ("QUIT", "MONITOR", "CLIENT REPLY OFF", "BLPOP q 0", "RESET")  # after these little else can be seen


@pytest.mark.parametrize("seed", range(24))
def test_random_commands_are_answered_as_by_the_real_server(real: str, ours: str, seed: int) -> None:
    _empty(real)
    chance = random.Random(seed)
    words = _commands(_WORDS)
    weights = [0.1 if word in _RARE else 1.0 for word in words]
    steps = [(chance.randrange(3), command) for command in chance.choices(words, weights, k=150)]
    _compare(ours, real, steps)
