"""pipeline-net: run an example or your own server, check a decoder, say what is installed.

::

    pipeline-net run redis --address tcp://127.0.0.1:6379     an example of the source tree
    pipeline-net run redis -- --appendonly data.aof           the same, with options of its own
    pipeline-net run chat:initializer --loops 2               what a module of yours serves
    pipeline-net run chat:initializer --tls-cert cert.pem --tls-key key.pem
    pipeline-net check frames:FrameDecoder --cases frames.toml
    pipeline-net version

It ends with 0 when all is well, with 1 when an address is taken or a decoder is wrong, and with 2 when it does not
understand what was asked.  Ctrl-C and SIGTERM end a server quietly, with 0.
"""

from __future__ import annotations

import argparse
import inspect
import platform
import runpy
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from . import (
    COMPILED,
    AddressError,
    ChannelHandler,
    EventHandler,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    __version__,
    errors,
    serve,
)
from .cli_binding import DEFAULT_ADDRESS, DEFAULT_PLACE, says_why_it_cannot_bind
from .cli_check import check
from .cli_gateways import add_gateways
from .cli_names import UsageError, load
from .transport.address import parse_address


@attrs.frozen
class Place:
    """Where a server shall listen, on how many loops, and with which certificate; ``None`` where nothing was said."""

    address: str | None = None
    loops: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    own: tuple[str, ...] = ()  # options of the program itself

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Place:
        if arguments.tls_key is not None and arguments.tls_cert is None:
            raise UsageError("--tls-key is of no use without --tls-cert, the certificate that belongs to it")
        return cls(arguments.address, arguments.loops, arguments.tls_cert, arguments.tls_key, arguments.own)

    @property
    def tls(self) -> tuple[Path, Path] | None:
        return None if self.certificate is None else (self.certificate, self.key or self.certificate)

    @property
    def known_address(self) -> str:
        return self.address or (DEFAULT_ADDRESS if self.certificate is None else f"tls://{DEFAULT_PLACE}")

    @property
    def options(self) -> list[str]:
        """The same as a program would be told on its command line."""
        said = {"address": self.address, "loops": self.loops, "tls-cert": self.certificate, "tls-key": self.key}
        words = [word for name, value in said.items() if value is not None for word in (f"--{name}", str(value))]
        return [*words, *self.own]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; ``None`` means that of the process.  Returns its exit code.

    Raises:
        SystemExit: from argparse: 0 after ``--help``, 2 for options that it does not know.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    end = words.index("--") if "--" in words else len(words)
    arguments = _parser().parse_args(words[:end])
    arguments.own = tuple(words[end + 1 :])
    try:
        if arguments.own and arguments.do is not _run:
            raise UsageError(f"only a program that is run has options of its own: {' '.join(arguments.own)}")
        code: int = arguments.do(arguments)
    except UsageError as exc:
        print(f"pipeline-net: {exc}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pipeline-net", description="Run a server of pipeline_net, check a decoder, or say what is installed."
    )
    parser.add_argument("--version", action="version", version=_describe_build())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="start an example, or a server of your own",
        description=(
            "Start an example of the source tree by its name, or what MODULE:NAME is: a function that takes a channel "
            "and returns its stages, an EventHandler, or a main function."
        ),
        epilog="What follows -- are options of the program itself.  Ctrl-C stops the server.",
    )
    run.add_argument(
        "what", metavar="EXAMPLE|MODULE:NAME", help="redis, echo, chat, …, or for example chat:initializer"
    )
    run.add_argument(
        "--address", type=_address, help=f"where to listen (yours: {DEFAULT_ADDRESS}; examples say theirs)"
    )
    run.add_argument("--loops", type=_count, metavar="N", help="event loops, each in a thread of its own (1)")
    run.add_argument("--tls-cert", type=Path, metavar="FILE", help="encrypt with this certificate (PEM); see --tls-key")
    run.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, unless it is in the same file")
    run.set_defaults(do=_run)
    add_gateways(commands, _address, _count, _quiet_end)

    check_ = commands.add_parser(
        "check",
        help="check that a decoder does not notice how its bytes are cut",
        description=(
            "Feed each case to the decoder whole, byte by byte and cut at every point; the same messages must come. "
            "MODULE:NAME is a decoder class, or a function that makes a decoder or several stages."
        ),
        epilog="A file of cases is described in the manual: how-to, “Write a frame decoder”.",
    )
    check_.add_argument("what", metavar="MODULE:NAME", help="for example frames:FrameDecoder")
    check_.add_argument(
        "--cases", metavar="FILE", type=Path, required=True, help="TOML: bytes, and the messages in them"
    )
    check_.set_defaults(do=check)

    version = commands.add_parser("version", help="say which version this is, and whether it is compiled")
    version.set_defaults(do=_version)
    return parser


def _address(text: str) -> str:
    try:
        parse_address(text)
    except AddressError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, not {text!r}")
    return int(text)


# -- version --------------------------------------------------------------------------------------------


def _version(arguments: argparse.Namespace) -> int:
    print(_describe_build())
    return 0


def _describe_build() -> str:
    build = "compiled" if COMPILED else "pure Python"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"pipeline_net {__version__}, {build}, on {python} ({sys.platform})"


# -- run ------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    what: str = arguments.what
    place = Place.of(arguments)
    try:
        with _quiet_end():
            if ":" in what:
                _serve(load(what), what, place)
            else:
                _run_example(find_example(what), place)
    except KeyboardInterrupt:
        return 0
    except (AddressError, errors.TlsError) as exc:
        raise UsageError(str(exc)) from exc
    except OSError as exc:
        if not says_why_it_cannot_bind(exc, f"pipeline-net run {what}"):
            raise
        return 1
    return 0


@contextmanager
def _quiet_end() -> Iterator[None]:
    """Let SIGTERM end a server as Ctrl-C does, so that sockets are closed and the files of Unix sockets removed."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread, where no signals arrive
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _example_folders() -> list[Path]:
    """Where examples are: here, when this is the root of the source tree; or beside the package, when it is a part."""
    folders = (Path.cwd() / "examples", Path(__file__).resolve().parent.parent / "examples")
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def find_example(name: str) -> Path:
    """Find an example: ``redis`` is ``redis.py``, ``redis_server.py``, or such a folder that has a ``__main__.py``.

    Raises:
        UsageError: there is none; the message lists those that are there.
    """
    stem = name.replace("-", "_").removesuffix(".py")
    folders = _example_folders()
    for folder in folders:
        for path in [folder / name for name in (f"{stem}.py", f"{stem}_server.py", stem, f"{stem}_server")]:
            if path.is_file() or (path / "__main__.py").is_file():
                return path
    found = [path for folder in folders for path in (*folder.glob("[!_]*.py"), *folder.glob("[!_]*/__main__.py"))]
    stems = {path.parent.name if path.name == "__main__.py" else path.stem for path in found}
    if Path(f"{stem}.py").is_file() and Path.cwd().name == "examples":
        raise UsageError(f"{stem}.py is here: examples are run from the folder above examples/, so go up (cd ..)")
    if Path(f"{stem}.py").is_file():
        raise UsageError(
            f"{stem}.py is here, and no example: name what it serves, too, as in {stem}:initializer."
            "  That is a function from a channel to its stages"
        )
    names = sorted({stem.removesuffix("_server") for stem in stems})
    if names:
        raise UsageError(f"no example is called {name!r}; there are: {', '.join(names)}.  {_YOUR_OWN}")
    raise UsageError(
        f"the example {name!r} is not here: examples are part of the source tree, not of an installed package."
        f"  Go to the root of the tree, where the folder examples/ is, and try again.  {_YOUR_OWN}"
    )


_YOUR_OWN: Final = "A server of your own is named MODULE:NAME, such as chat:initializer"


def _run_example(path: Path, place: Place) -> None:
    """Run an example as ``python examples/…`` would."""
    sys.path.insert(0, str(path.parent))
    try:
        with _command_line(str(path), place):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.path.remove(str(path.parent))


@contextmanager
def _command_line(program: str, place: Place) -> Iterator[None]:
    """Let a program see, as its own, the options that it was given here."""
    before = sys.argv
    sys.argv = [program, *place.options]
    try:
        yield
    finally:
        sys.argv = before


def _serve(found: Any, what: str, place: Place) -> None:
    """Serve an initializer or an event handler, or call a main function."""
    if place.own and (isinstance(found, type) or not callable(found) or _required_parameters(found) > 0):
        raise UsageError(f"{what} is no program, and has no options of its own: {' '.join(place.own)}")
    if isinstance(found, type) and issubclass(found, EventHandler):
        if _required_parameters(found) > 0:
            raise UsageError(
                f"{what} cannot be made without arguments: name an instance, or a function that calls serve()"
            )
        found = found()
    if isinstance(found, EventHandler):
        serve(found, place.known_address, loops=place.loops, tls=place.tls, ready=_announce)
    elif isinstance(found, ChannelHandler | Stack) or (isinstance(found, type) and issubclass(found, ChannelHandler)):
        raise UsageError(
            f"{what} is made of stages, and every channel wants its own:"
            " name a function that takes the channel and returns them"
        )
    elif isinstance(found, type):
        raise UsageError(
            f"{what} is a class, and no EventHandler: name a function from a channel to its stages,"
            " or a main function that takes nothing"
        )
    elif not callable(found):
        raise UsageError(f"{what} is {found!r}; expected a function, or an EventHandler")
    elif (parameters := _required_parameters(found)) == 1:
        _serve_stages(found, place)
    elif parameters == 0:
        with _command_line(what, place):
            found()
    else:
        kind = {3: "asgi", 2: "wsgi"}.get(parameters)
        raise UsageError(
            f"{what} wants {parameters} arguments; an initializer takes one, the channel, and a main function none."
            + (f"  An application is started with  pipeline-net {kind} {what}" if kind else "")
        )


def _serve_stages(initializer: Callable[[Any], Any], place: Place) -> None:
    with EventLoopGroup(place.loops or 1) as group:
        server = ServerBootstrap(group, initializer=initializer, tls=place.tls).bind(place.known_address)
        _announce(server)
        server.wait()


def _announce(server: Any) -> None:
    print("listening on", *server.addresses, flush=True)


def _required_parameters(fn: Callable[..., Any]) -> int:
    return sum(
        parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in inspect.signature(fn).parameters.values()
    )
