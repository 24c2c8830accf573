"""The ClientHellos of real clients are read, at every cut; what contradicts itself is refused; nothing else happens."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import DecodeError, FrameTooLongError
from pipeline_net.handlers.client_hello import ClientHello, read_client_hello

OPENSSL = shutil.which("openssl")

# Arguments of `openssl s_client`, and what its ClientHello says: server name, ALPN, highest version.
OPENSSL_CASES: list[tuple[list[str], tuple[str | None, tuple[str, ...], int]]] = [
    (["-servername", "a.example"], ("a.example", (), 0x0304)),
    (["-servername", "A.Example", "-alpn", "h2,http/1.1"], ("a.example", ("h2", "http/1.1"), 0x0304)),
    (["-noservername"], (None, (), 0x0304)),
    (["-tls1_3", "-servername", "a.example"], ("a.example", (), 0x0304)),
    (["-tls1_2", "-servername", "a.example", "-alpn", "redis"], ("a.example", ("redis",), 0x0303)),
    (["-no_tls1_3", "-noservername"], (None, (), 0x0303)),
    (["-servername", "a.example", "-status", "-groups", "P-521"], ("a.example", (), 0x0304)),
]


def of_openssl(arguments: list[str]) -> bytes:
    """What `openssl s_client` says first."""
    assert OPENSSL is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", *arguments]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as client:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                said = b""
                while len(said) < 5 or len(said) < 5 + int.from_bytes(said[3:5], "big"):
                    said += connection.recv(65536)
            client.wait(10)
    return said


def of_python(server_name: str | None = "a.example", alpn: list[str] | None = None) -> bytes:
    """What Python's ssl says first."""
    context = ssl.create_default_context()
    context.check_hostname = server_name is not None
    if alpn:
        context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake with nobody was done")


def in_records(hello: bytes, size: int) -> bytes:
    """The same ClientHello, spread over records of ``size`` bytes."""
    message = hello[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(hello[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def made(
    extensions: list[tuple[int, bytes]] | None,
    *,
    version: bytes = b"\3\3",
    session_id: bytes = b"",
    suites: bytes = b"\x13\x01",
    compression: bytes = b"\0",
    behind: bytes = b"",
) -> bytes:
    """A ClientHello with just these fields, in one record."""
    body = version + bytes(32) + bytes([len(session_id)]) + session_id
    body += len(suites).to_bytes(2, "big") + suites + bytes([len(compression)]) + compression
    if extensions is not None:
        block = b"".join(kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for kind, value in extensions)
        body += len(block).to_bytes(2, "big") + block
    message = b"\1" + (len(body) + len(behind)).to_bytes(3, "big") + body + behind
    return b"\x16\3\1" + len(message).to_bytes(2, "big") + message


def server_name(*names: bytes, kind: int = 0) -> tuple[int, bytes]:
    """The extension that names hosts."""
    entries = b"".join(bytes([kind]) + len(name).to_bytes(2, "big") + name for name in names)
    return 0, len(entries).to_bytes(2, "big") + entries


PYTHON = of_python("www.Example.com", ["h2", "http/1.1"])


def read(data: bytes) -> ClientHello:
    hello = read_client_hello(data)
    assert hello is not None
    return hello


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
@pytest.mark.parametrize(("arguments", "said"), OPENSSL_CASES, ids=lambda value: " ".join(map(str, value)))
def test_what_openssl_says(arguments: list[str], said: tuple[str | None, tuple[str, ...], int]) -> None:
    hello = read(of_openssl(arguments))
    assert (hello.server_name, hello.alpn, max(hello.versions)) == said


def test_what_python_says() -> None:
    hello = read(PYTHON)
    assert hello.server_name == "www.example.com"
    assert hello.alpn == ("h2", "http/1.1")
    assert set(hello.versions) >= {0x0303, 0x0304}
    assert repr(hello).startswith("<ClientHello for www.example.com, offers h2, http/1.1, versions 0304")
    assert read(of_python(None)).server_name is None


def test_it_agrees_with_a_real_server() -> None:
    seen: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda connection, name, _: seen.append(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(PYTHON)
    with pytest.raises(ssl.SSLError):  # it has no certificate
        server.do_handshake()
    assert seen[0] is not None
    assert seen[0].lower() == read(PYTHON).server_name


@pytest.mark.parametrize("data", [PYTHON, in_records(PYTHON, 1000), in_records(PYTHON, len(PYTHON) // 30)], ids=len)
def test_until_it_is_all_there_more_is_needed(data: bytes) -> None:
    for end in range(len(data)):
        assert read_client_hello(data[:end]) is None
    assert read(data).server_name == "www.example.com"
    assert read(data + b"what follows").server_name == "www.example.com"


def test_the_head_of_the_message_may_be_spread_over_records_too() -> None:
    assert read(in_records(made([server_name(b"a.example")]), 2)).server_name == "a.example"


def test_a_message_that_is_spread_too_thin_is_refused() -> None:
    with pytest.raises(DecodeError, match="spread over more than 64 records"):
        read_client_hello(in_records(PYTHON, 1))


@pytest.mark.parametrize(
    ("data", "server", "alpn", "versions"),
    [
        (made(None), None, (), (0x0303,)),
        (made([]), None, (), (0x0303,)),
        (made([server_name(b"a.example")]), "a.example", (), (0x0303,)),
        (made([server_name(b"localhost")]), "localhost", (), (0x0303,)),
        (made([server_name(b"anything at all", kind=9)]), None, (), (0x0303,)),
        (made([(16, b"\0\3\2h2")]), None, ("h2",), (0x0303,)),
        (made([(16, b"\0\6\2\x0a\x0a\2h2")]), None, ("\x0a\x0a", "h2"), (0x0303,)),  # the first is GREASE (RFC 8701)
        (made([(43, b"\4\3\4\x0a\x0a")]), None, (), (0x0304, 0x0A0A)),
        (made([(0x0A0A, b""), server_name(b"a"), (21, bytes(200))]), "a", (), (0x0303,)),
        (made(None, session_id=bytes(32), version=b"\3\1"), None, (), (0x0301,)),
    ],
)
def test_what_it_says(data: bytes, server: str | None, alpn: tuple[str, ...], versions: tuple[int, ...]) -> None:
    hello = read(data)
    assert (hello.server_name, hello.alpn, hello.versions) == (server, alpn, versions)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"G", "a record of a handshake has the type 22, not 71"),
        (b"\x17", "not 23"),
        (b"\x16\2", "the version of a record begins with 3, not with 2"),
        (b"\x16\3\1\0\0", "holds 1 to 16384 bytes, not 0"),
        (b"\x16\3\1\x40\1", "holds 1 to 16384 bytes, not 16385"),
        (b"\x16\3\1\0\5\2", "begins with a ClientHello .1., not with a message of type 2"),
        (b"\x16\3\1\0\5\1\xff\xff\xff", "a frame of 16777215 bytes is over the limit of 16384"),
        (b"\x16\3\1\0\4\1\0\0\0", "ends within its version: 2 bytes announced, 0 there"),
        (made(None, version=b"\2\0"), "the version of a ClientHello begins with 3, not with 2"),
        (made(None, session_id=bytes(33)), "at most 32 bytes, not 33"),
        (made(None, suites=b""), "cipher suites are some numbers of 2 bytes, not 0 bytes"),
        (made(None, suites=b"\1"), "not 1 bytes"),
        (made(None, compression=b""), "at least one compression method"),
        (made([], behind=b"x"), "1 bytes follow the ClientHello"),
        (made(None, behind=b"\0\5\0"), "ends within its extensions: 5 bytes announced, 1 there"),
        (made(None, behind=b"\0\3\0\0\0"), "ends within its extension 0: 2 bytes announced, 1 there"),
        (made([(9, b""), (9, b"")]), "has extension 9 twice"),
        (made([server_name(b"a"), server_name(b"b")]), "has extension 0 twice"),
        (made([server_name(b"a", b"b")]), "names two hosts"),
        (made([server_name(b"")]), "no name of a host"),
        (made([server_name(b"a..b")]), "no name of a host"),
        (made([server_name(b"a.example.")]), "no name of a host"),
        (made([server_name(b"a\0.example")]), "no name of a host"),
        (made([server_name(b"a.example\r\nX: y")]), "no name of a host"),
        (made([server_name(b"a.example\n")]), "no name of a host"),
        (made([server_name("bücher.example".encode())]), "no name of a host"),
        (made([server_name(b"x" * 64)]), "no name of a host"),
        (made([server_name(b".".join([b"x" * 50] * 6))]), "no name of a host"),
        (made([(0, b"")]), "ends within its server names"),
        (made([(0, b"\0\0")]), "do not fill their extension"),
        (made([(0, b"\0\4\0\0\1ab")]), "do not fill their extension"),
        (made([(0, b"\0\4\0\0\x09a")]), "ends within its server names"),
        (made([(16, b"\0\1\0")]), "a protocol without a name"),
        (made([(16, b"\0\0")]), "do not fill their extension"),
        (made([(43, b"\3\3\4\3")]), "ends within its versions"),
    ],
)
def test_what_contradicts_itself_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(DecodeError, match=complaint):
        read_client_hello(data)


def test_a_length_that_nobody_has_sent_allocates_nothing() -> None:
    head = b"\x16\3\1\x40\0\1\0\x3f\xf0"
    read_client_hello(head)
    tracemalloc.start()
    try:
        assert read_client_hello(head) is None
        with pytest.raises(FrameTooLongError):
            read_client_hello(b"\x16\3\1\x40\0\1\xff\xff\xff")
        assert tracemalloc.get_traced_memory()[1] < 16_000
    finally:
        tracemalloc.stop()


def test_the_limit_may_be_set() -> None:
    size = len(PYTHON) - 9
    assert read_client_hello(PYTHON, size) is not None
    with pytest.raises(FrameTooLongError) as caught:
        read_client_hello(PYTHON[:9], size - 1)
    assert (caught.value.length, caught.value.limit) == (size, size - 1)


def outcome(data: bytes) -> object:
    """What comes of it: nothing yet, a reason to refuse, or what it says; any other exception is a mistake of ours."""
    try:
        hello = read_client_hello(data)
    except DecodeError:
        return "refused"
    return None if hello is None else (hello.server_name, hello.alpn, hello.versions)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_waited_for(noise: bytes) -> None:
    for data in (noise, b"\x16\3\1" + noise, b"\x16\3\1\0\x80\1\0\0\x7c\3\3" + bytes(32) + noise):
        outcome(data)


@given(st.data())
def test_mutated_real_ones_are_refused_or_read_and_more_bytes_change_no_answer(data: st.DataObject) -> None:
    hello = bytearray(data.draw(st.sampled_from([PYTHON, made([server_name(b"a.example"), (16, b"\0\3\2h2")])])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(hello) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "repeat", "insert"]))
        if how == "set":
            hello[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, hello[at] ^ 1]))
        elif how == "cut":
            del hello[at : at + data.draw(st.integers(1, 40))]
        elif how == "repeat":
            hello[at:at] = hello[at : at + data.draw(st.integers(1, 40))]
        else:
            hello[at:at] = data.draw(st.binary(max_size=5))
        if not hello:
            return
    whole = outcome(bytes(hello))
    for end in data.draw(st.lists(st.integers(0, len(hello)), max_size=20)):
        early = outcome(bytes(hello[:end]))
        assert early is None or early == whole
