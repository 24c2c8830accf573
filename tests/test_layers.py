"""Who may import whom: every file of the package is read and held to one table.

Imports under ``TYPE_CHECKING`` are free: they cost nothing and tie nothing together when the program runs.  All others
count, those inside functions too.  A new room needs a row here, which is the moment to think about where it belongs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parent.parent / "pipeline_net"

# Room: the rooms that it may import.  "transport" means all of transport/.  Each may import itself, and _mypyc.
_CORE = (
    "channel_life channel_output channel_posts complaints inbox errors buffer ring_buffer future handler event_bits"
    " context ends on_pool pipeline channel options loop file_region datagram unread_message pieces"
)
_TABLE = {
    "_mypyc": "",
    "errors": "",
    "ring_buffer": "errors",
    "option_checks": "",
    "options": "errors option_checks",
    "file_region": "errors",
    "datagram": "",
    "server_draining": "",
    "unread_message": "",
    "loop": "errors",
    "buffer": "errors",
    "future": "errors",
    "complaints": "errors loop",
    "handler": "errors",
    "event_bits": "handler",
    "pieces": "errors file_region",
    "events_by_name": "handler",
    "context": "complaints event_bits events_by_name handler errors pieces",
    "on_pool": "errors handler",
    "ends": "context event_bits handler loop",
    "forwarding": "context ends handler",
    "pooled_events": "context event_bits forwarding handler",
    "pooled_queue": "context errors forwarding handler pooled_events",
    "pooled": "context event_bits handler errors pooled_queue",
    "guarded": "channel_life context errors",
    "stage_facts": "context event_bits events_by_name handler errors loop on_pool",
    "pipeline": "context ends event_bits forwarding guarded handler errors loop on_pool pooled stage_facts",
    "channel_life": "",
    "inbox": "file_region",
    "channel_output": "channel_life inbox pipeline errors options loop file_region",
    "channel_posts": "channel_output inbox future errors options loop",
    "channel": "channel_life channel_posts complaints inbox pipeline context future errors options loop unread_message",
    "channel_group": "channel channel_life errors",
    "stack": "handler on_pool pipeline errors",
    "codecs.message_to_byte": "handler context future",
    "codecs.message_to_message": "handler context",
    "codecs.base": "codecs.message_to_byte codecs.message_to_message buffer handler context pipeline errors",
    "codecs": "datagram codecs.base buffer handler context pipeline errors",  # framing: the single files
    "codecs.redis": "complaints datagram codecs.base buffer handler context pipeline errors stack",
    "codecs.redis.client": "codecs.redis bootstrap channel complaints future handler context pipeline errors"
    " option_checks options loop transport.group transport.event_loop transport.running transport.address",
    "codecs.http": "codecs.base buffer handler context pipeline channel errors stack loop file_region future options"
    " option_checks server_draining unread_message",
    "codecs.http.client": "codecs.http codecs.http.content bootstrap channel complaints future handler context pipeline"
    " errors option_checks options loop file_region transport.group transport.event_loop transport.running"
    " transport.address handlers.tls_context",
    "codecs.http.content": "codecs.http codecs.base handler context errors future file_region handlers.held_writes",
    "codecs.http.site": "codecs.http codecs.http.forms codecs.base buffer handler context channel complaints errors"
    " loop future server_draining",
    "codecs.http.forms": "codecs.http complaints context handler errors unread_message",
    "codecs.websocket": "codecs.http codecs.base buffer handler context pipeline channel channel_group errors stack"
    " option_checks options loop future server_draining",
    "codecs.websocket.client": "codecs.http codecs.websocket bootstrap channel context future handler errors options"
    " transport.group transport.event_loop",
    "codecs.http.files": "codecs.http codecs.http.content complaints handler context errors future file_region",
    "gateways": "codecs.http codecs.websocket transport bootstrap channel complaints context handler errors options"
    " stack file_region server_draining handlers.tls handlers.tls_context",
    "cli_names": "",
    "cli_binding": "",
    "cli_check": "cli_names testing __init__ errors",
    "cli_gateways": "cli_names cli_binding gateways codecs.http codecs.http.site codecs.websocket errors"
    " handlers.tls_context",
    "handlers": "complaints datagram channel pipeline context handler future errors options loop file_region",
    "transport": "complaints datagram channel channel_group channel_life on_pool pipeline stack context handler future"
    " errors options loop file_region ring_buffer",
    "bootstrap": "datagram channel channel_group stack transport pipeline handler future errors options loop"
    " handlers.tls_context server_draining",
    "event_handler": "",
    "conn": "event_handler codecs.base handler channel inbox errors ring_buffer",
    "datagram_conn": "conn datagram event_handler handler channel errors",
    "server": "datagram bootstrap conn datagram_conn event_handler handler errors options ring_buffer"
    " transport.group transport.datagram_channel",
    "testing": f"{_CORE} stack codecs.base transport.timers transport.opening",
    "__main__": "cli",
    "cli": f"{_CORE} cli_names cli_binding cli_check cli_gateways __init__ stack codecs bootstrap server testing"
    " transport",
    # The doors.  The main one leads to no protocol, so that importing pipeline_net stays quick.
    "__init__": f"{_CORE} stack channel_group codecs.base transport bootstrap server conn event_handler",
    "codecs.__init__": "codecs.base codecs",
    "codecs.redis.__init__": "codecs.redis codecs.redis.client",
    "codecs.http.__init__": "codecs.http codecs.http.content codecs.http.files codecs.http.client codecs.http.forms"
    " codecs.http.site",
    "codecs.websocket.__init__": "codecs.websocket codecs.websocket.client",
    "handlers.__init__": "handlers",
}

# Modules of the standard library that only some rooms may see.
_RESTRICTED = {
    "socket": "transport bootstrap",
    "select": "transport bootstrap",
    "selectors": "transport bootstrap",
    "ssl": "handlers.tls handlers.tls_output handlers.tls_context handlers.tls_verification",
    # access_log_file has a thread that may wait for a disk; testing.embedded_loop asks only which thread it is on; the
    # handlers and event_broadcast have what channels of several loops share; complaints hears stages on pools, and
    # pooled_queue takes the place of a loop that has stopped
    "threading": "complaints guarded pooled_queue inbox transport bootstrap server future gateways"
    " testing.embedded_loop"
    " handlers.connection_limit handlers.traffic_shaping handlers.pcap"
    " codecs.http.site.access_log_file codecs.http.site.event_broadcast"
    " codecs.http.site.event_stream",  # threads send through it
    "_thread": "transport bootstrap server future",
}

# Everything from outside the standard library; mypy_extensions is for building only, and _mypyc does without.
_OUTSIDE = {
    "attr": "*",
    "attrs": "*",
    "typing_extensions": "*",
    "mypy_extensions": "_mypyc",
    "librt": "codecs.websocket.mask_words",  # which is imported where it can be
    "uvloop": "gateways.asgi_server",  # inside the function that looks for it
    "hypothesis": "testing.strategies",  # inside the function that needs it
}


def _module_of(path: Path) -> str:
    """``codecs/base.py`` → ``codecs.base``, relative to the package."""
    return ".".join(path.relative_to(_PACKAGE).with_suffix("").parts)


_FILES = {_module_of(path): path for path in sorted(_PACKAGE.rglob("*.py"))}


def _room_of(module: str) -> str:
    """The row of the table that speaks of a module: the longest that fits."""
    if module in _TABLE:
        return module
    parts = module.split(".")
    if len(parts) == 4 and ".".join(parts[:3]) in _TABLE:  # a room inside a protocol's
        return ".".join(parts[:3])
    if len(parts) == 3 and parts[0] == "codecs":  # every protocol is a room of its own, however little its row says
        return ".".join(parts[:2])
    return parts[0]


def _is_within(module: str, rooms: str) -> bool:
    """Whether a module belongs to one of these rooms; "codecs" holds the single files, not the protocols."""
    for room in rooms.split():
        if room in ("*", module) or _room_of(module) == room:
            return True
        if room != "codecs" and module.startswith(room + "."):
            return True
    return False


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _run_time_nodes(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    elif isinstance(node, ast.If) and _is_type_checking(node.test):
        for statement in node.orelse:
            yield from _run_time_nodes(statement)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _run_time_nodes(child)


def _imports(source: str, module: str, known: frozenset[str]) -> Iterator[str]:
    """What a module imports when it runs, as absolute names; ``from package import submodule`` means the submodule."""
    package = ["pipeline_net", *module.split(".")[:-1]]
    for node in _run_time_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            inside = submodule.removeprefix("pipeline_net.")
            yield submodule if inside in known or f"{inside}.__init__" in known else base


def _split(name: str, known: frozenset[str]) -> str | None:
    """An import's name as a module of ours, or None for somebody else's."""
    if name == "pipeline_net":
        return "__init__"
    if not name.startswith("pipeline_net."):
        return None
    inside = name.removeprefix("pipeline_net.")
    return f"{inside}.__init__" if f"{inside}.__init__" in known else inside


def _ours_and_others(module: str) -> tuple[set[str], set[str]]:
    known = frozenset(_FILES)
    ours, others = set(), set()
    for name in _imports(_FILES[module].read_text(), module, known):
        target = _split(name, known)
        if target is None:
            others.add(name.partition(".")[0])
        else:
            ours.add(target)
    return ours, others


@pytest.mark.parametrize("module", _FILES)
def test_a_module_imports_only_what_its_row_of_the_table_allows(module: str) -> None:
    room = _room_of(module)
    assert room in _TABLE or module.endswith("__init__"), f"{module} has no row in the table of {Path(__file__).name}"
    # A door without a row leads into its own room only.
    allowed = _TABLE.get(room, "") if not module.endswith(".__init__") or module in _TABLE else module.split(".")[0]
    ours, _ = _ours_and_others(module)
    wrong = {target for target in ours if _room_of(target) != room and not _is_within(target, f"{allowed} _mypyc")}
    assert not wrong, f"{module} may import {allowed or 'nothing'}, and imports {sorted(wrong)}"


@pytest.mark.parametrize("module", _FILES)
def test_sockets_threads_and_tls_stay_in_their_rooms(module: str) -> None:
    _, others = _ours_and_others(module)
    wrong = {name for name in others & _RESTRICTED.keys() if not _is_within(module, _RESTRICTED[name])}
    assert not wrong, (
        f"{module} imports {sorted(wrong)}, which belong to {[_RESTRICTED[name] for name in sorted(wrong)]}"
    )


@pytest.mark.parametrize("module", _FILES)
def test_nothing_is_needed_but_the_standard_library_attrs_and_typing_extensions(module: str) -> None:
    _, others = _ours_and_others(module)
    wrong = {
        name
        for name in others - sys.stdlib_module_names
        if name not in _OUTSIDE or not _is_within(module, _OUTSIDE[name])
    }
    assert not wrong, f"{module} imports {sorted(wrong)}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: _ours_and_others(module)[0] - {"__init__"} for module in _FILES}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_reader_of_imports_sees_functions_and_else_branches_but_not_type_checking() -> None:
    source = """
import os, socket
from . import line
from .base import ICodec
from ..errors import DecodeError
from pipeline_net.codecs import redis, LineEncoder
if TYPE_CHECKING:
    from ..channel import Channel
else:
    import json
def later():
    import ssl
    from pipeline_net import transport
"""
    known = frozenset(
        {"__init__", "errors", "channel", "codecs.line", "codecs.base", "codecs.redis.__init__", "transport.__init__"}
    )
    assert list(_imports(source, "codecs.text", known)) == [
        "os",
        "socket",
        "pipeline_net.codecs.line",
        "pipeline_net.codecs.base",
        "pipeline_net.errors",
        "pipeline_net.codecs.redis",
        "pipeline_net.codecs",
        "json",
        "ssl",
        "pipeline_net.transport",
    ]


@pytest.mark.parametrize(
    ("module", "rooms", "within"),
    [
        ("transport.timers", "transport", True),
        ("transport.timers", "transport.timers", True),
        ("transport.group", "transport.timers", False),
        ("transport.__init__", "transport", True),
        ("codecs.line", "codecs", True),
        ("codecs.base", "codecs", False),
        ("codecs.redis.decoder", "codecs", False),
        ("codecs.redis.decoder", "codecs.redis", True),
        ("channel", "*", True),
        ("channel", "", False),
    ],
)
def test_which_module_belongs_to_which_room(module: str, rooms: str, within: bool) -> None:
    assert _is_within(module, rooms) is within
