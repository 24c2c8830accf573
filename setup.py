"""The compiled build: mypyc turns the hot modules into one C extension, where that is possible.

Everything else about the project stands in pyproject.toml.  No compiler, no headers or a failing compilation give the
pure build, with a line that says why; the same files run either way.

    PIPELINE_NET_PURE=1              do not try
    PIPELINE_NET_REQUIRE_COMPILED=1  fail rather than fall back

An editable install is always pure: an extension module inside the source tree would shadow the file that you edit.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# One line a module; tests/test_house_rules.py fails on a name without a file.
COMPILED_MODULES: Final = (
    "pipeline_net/ring_buffer.py",
    "pipeline_net/buffer.py",
    "pipeline_net/future.py",
    "pipeline_net/loop.py",
    "pipeline_net/complaints.py",
    "pipeline_net/handler.py",
    "pipeline_net/event_bits.py",
    "pipeline_net/events_by_name.py",
    "pipeline_net/context.py",
    "pipeline_net/pieces.py",
    "pipeline_net/forwarding.py",
    "pipeline_net/pooled_events.py",
    "pipeline_net/pooled_queue.py",
    "pipeline_net/pooled.py",
    "pipeline_net/ends.py",
    "pipeline_net/stage_facts.py",
    "pipeline_net/pipeline.py",
    "pipeline_net/channel_life.py",
    "pipeline_net/inbox.py",
    "pipeline_net/channel_output.py",
    "pipeline_net/channel_posts.py",
    "pipeline_net/channel.py",
    "pipeline_net/codecs/message_to_byte.py",
    "pipeline_net/codecs/message_to_message.py",
    "pipeline_net/codecs/base.py",
    "pipeline_net/conn.py",
    "pipeline_net/codecs/line.py",
    "pipeline_net/codecs/delimiter.py",
    "pipeline_net/codecs/fixed_length.py",
    "pipeline_net/codecs/length_field.py",
    "pipeline_net/codecs/varint.py",
    "pipeline_net/codecs/integers.py",
    "pipeline_net/codecs/text.py",
    "pipeline_net/codecs/json.py",
    "pipeline_net/codecs/frame_codecs.py",
    "pipeline_net/handlers/tls_life.py",
    "pipeline_net/handlers/tls_output.py",
    "pipeline_net/handlers/tls.py",
    "pipeline_net/codecs/http/grammar.py",
    "pipeline_net/codecs/http/decisive_names.py",
    "pipeline_net/codecs/http/headers.py",
    "pipeline_net/codecs/http/messages.py",
    "pipeline_net/codecs/http/chunk_line.py",
    "pipeline_net/codecs/http/date.py",
    "pipeline_net/codecs/http/decoder.py",
    "pipeline_net/codecs/http/request_decoder.py",
    "pipeline_net/codecs/http/response_decoder.py",
    "pipeline_net/codecs/http/encoder.py",
    "pipeline_net/codecs/http/aggregator.py",
    "pipeline_net/codecs/http/deadlines.py",
    "pipeline_net/codecs/http/response_parts.py",
    "pipeline_net/codecs/http/unanswered.py",
    "pipeline_net/codecs/http/early_responses.py",
    "pipeline_net/codecs/http/server.py",
    "pipeline_net/codecs/http/client_handler.py",
    "pipeline_net/codecs/http/site/exchanges.py",
    "pipeline_net/codecs/http/site/route_pattern.py",
    "pipeline_net/codecs/http/site/route_table.py",
    "pipeline_net/codecs/http/site/access_record.py",
    "pipeline_net/codecs/http/site/access_log.py",
    "pipeline_net/codecs/websocket/opcodes.py",
    "pipeline_net/codecs/websocket/messages.py",
    "pipeline_net/codecs/websocket/masking.py",
    "pipeline_net/codecs/websocket/utf8.py",
    "pipeline_net/codecs/websocket/deflate.py",
    "pipeline_net/codecs/websocket/frame_decoder.py",
    "pipeline_net/codecs/websocket/frame_encoder.py",
    "pipeline_net/codecs/websocket/closing.py",
    "pipeline_net/codecs/websocket/protocol.py",
    "pipeline_net/codecs/websocket/inbox.py",
    "pipeline_net/codecs/redis/messages.py",
    "pipeline_net/codecs/redis/rules.py",
    "pipeline_net/codecs/redis/scalars.py",
    "pipeline_net/codecs/redis/lines.py",
    "pipeline_net/codecs/redis/builder.py",
    "pipeline_net/codecs/redis/decoder.py",
    "pipeline_net/codecs/redis/reply_decoder.py",
    "pipeline_net/codecs/redis/parts.py",
    "pipeline_net/codecs/redis/part_decoder.py",
    "pipeline_net/codecs/redis/part_aggregator.py",
    "pipeline_net/codecs/redis/encoder.py",
    "pipeline_net/codecs/redis/command_encoder.py",
    "pipeline_net/codecs/redis/command_registry.py",
    "pipeline_net/codecs/redis/arguments.py",
    "pipeline_net/codecs/redis/output_limit.py",
    "pipeline_net/codecs/redis/pub_sub.py",
    "pipeline_net/codecs/redis/monitor.py",
    "pipeline_net/codecs/redis/server_state.py",
    "pipeline_net/codecs/redis/session.py",
    "pipeline_net/codecs/redis/command_handler.py",
    "pipeline_net/codecs/redis/connection_commands.py",
    "pipeline_net/codecs/redis/transactions.py",
    "pipeline_net/codecs/redis/subscription_commands.py",
    "pipeline_net/codecs/redis/client/refused.py",
    "pipeline_net/codecs/redis/client/footprints.py",
    "pipeline_net/codecs/redis/client/calls.py",
    "pipeline_net/codecs/redis/client/reply_matcher.py",
    "pipeline_net/codecs/redis/client/connection.py",
    "pipeline_net/codecs/redis/client/command_queue.py",
    "pipeline_net/codecs/redis/client/command_client.py",
    "pipeline_net/handlers/flow_control.py",
    "pipeline_net/handlers/flush_consolidation.py",
    "pipeline_net/handlers/held_writes.py",
    "pipeline_net/handlers/idle_state.py",
    "pipeline_net/handlers/metrics.py",
    "pipeline_net/handlers/timeouts.py",
    "pipeline_net/handlers/traffic_shaping.py",
    "pipeline_net/transport/poller.py",
    "pipeline_net/transport/busy_poller.py",
    "pipeline_net/transport/residents.py",
    "pipeline_net/transport/event_loop.py",
    "pipeline_net/transport/forks.py",
    "pipeline_net/transport/timers.py",
    "pipeline_net/transport/wakeup.py",
    "pipeline_net/transport/bare_socket.py",
    "pipeline_net/transport/stream_channel.py",
    "pipeline_net/transport/server_channel.py",
    "pipeline_net/transport/opening.py",
    "pipeline_net/channel_group.py",
    "pipeline_net/transport/open_channels.py",
    "pipeline_net/transport/balancer.py",
    "pipeline_net/transport/group.py",
    "pipeline_net/stack.py",
    "pipeline_net/gateways/gateway_stack.py",
    "pipeline_net/gateways/connection.py",
    "pipeline_net/gateways/response_head.py",
    "pipeline_net/gateways/asgi_scope.py",
    "pipeline_net/gateways/asgi.py",
    "pipeline_net/gateways/asgi_exchange.py",
    "pipeline_net/gateways/asgi_websocket.py",
)

# Compiled into a library of its own, which may fail to be imported: it needs librt at run time.
COMPILED_ALONE: Final = "pipeline_net/codecs/websocket/mask_words.py"

_PURE: Final = os.environ.get("PIPELINE_NET_PURE", "") not in ("", "0")
_REQUIRED: Final = os.environ.get("PIPELINE_NET_REQUIRE_COMPILED", "") not in ("", "0")

# Commands that put files into a wheel.  Builders also run this file for metadata, which must not cost a compilation.
_BUILDING: Final = ("bdist_wheel", "build", "build_ext", "install", "bdist")


def say(line: str) -> None:
    print(f"pipeline_net: {line}", flush=True)


def fall_back(reason: str) -> None:
    """Say why the build is pure, or stop if it may not be."""
    if _REQUIRED:
        raise SystemExit(f"pipeline_net: a compiled build was required, but {reason}")
    say(f"pure build, because {reason}")


def compiler_trouble() -> str | None:
    """Compile three lines that include Python.h; what went wrong, or None."""
    if sys.platform == "win32":
        return None  # the compiler is not on the path there; setuptools knows where to look, and building tells
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\n#include <stdio.h>\nint probe(void) { return PY_VERSION_HEX; }\n")
        includes = [f"-I{sysconfig.get_path(name)}" for name in ("include", "platinclude")]
        command = [*compiler, *includes, "-c", str(source), "-o", str(Path(folder, "probe.o"))]
        try:
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as exc:
            return f"there is no C compiler ({compiler[0]}: {exc.strerror})"
    if outcome.returncode != 0:
        complaint = outcome.stderr.strip().splitlines() or ["no message"]
        return f"{compiler[0]} cannot compile against Python.h ({complaint[0]})"
    return None


class BuildExtensions(build_ext):
    """Builds all extensions or none.

    The modules share one library: if that fails to build, or to link, nobody could import the ones that did not.
    """

    def run(self) -> None:
        try:
            super().run()
        except Exception as exc:  # noqa: BLE001 - compilers fail in as many ways as there are compilers; the pure files always work
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []
            fall_back(f"compiling the generated C failed: {exc}")


# What ends the life of an object, in mypyc's C; and the two lines by which its list of weak references is taken for an
# object that it owns.
_END_OF_LIFE: Final = re.compile(r"^( *)(CPy_TRASHCAN_BEGIN\(self, )", re.MULTILINE)
_OWNED_LIST: Final = re.compile(
    r"^ *Py_(?:VISIT|CLEAR)\(\*\(\(PyObject \*\*\)\(\(char \*\)self \+ sizeof\(PyObject \*\) \+ .*\n", re.MULTILINE
)


# From CPython 3.12 on, the flag that gives instances of generic classes a ``__dict__``, but no list of weak references.
_MANAGED_DICT: Final = re.compile(r"^( *\.tp_flags = .*\bPy_TPFLAGS_MANAGED_DICT\b)", re.MULTILINE)

# Where mypyc puts the ``__dict__`` of contexts on CPython 3.11; from 3.12 on, the same flag, and what looks after it.
_DICT: Final = re.compile(r"^ *\.tp_dictoffset = sizeof\(\w+(?:Context|_Nowhere)Object\),\n", re.MULTILINE)
_DICT_FLAG: Final = re.compile(r"(\w(?:Context|_Nowhere)_template_ = \{\n[^{}]*?) \| Py_TPFLAGS_MANAGED_DICT\b")
_DICT_CARE: Final = re.compile(
    r"^(( *)(?:static int32_t )?\w+(?:Context|_Nowhere)_(?:traverse|clear|clear_on_completion)\(.*\)\n"
    r"\2\{\n(?:(?!\2\}\n).*\n)*?)"  # no further than the end of the function
    r" *(?:rv = PyObject_VisitManagedDict\(.*\n *if \(rv != 0\) return rv|PyObject_ClearManagedDict\(.*);\n",
    re.MULTILINE,
)


def mend_weak_references(extensions: list[Extension]) -> bool:
    """Let weak references know when a compiled object dies; whether the place for that was found.

    mypyc gives instances of generic classes a list of weak references, and frees them without clearing it (mypyc issue
    1102): a callback is never called, and the reference may lead to what was freed.  From CPython 3.12 on it gives them
    no list, so that nobody could refer to a handler or a future; there they get the list that CPython manages.
    """
    mended = 0
    for path in _sources(extensions):
        text = path.read_text()
        if "mend_weak_references" in text:
            return True  # mypyc found its own output up to date
        text, count = _END_OF_LIFE.subn(
            r"\1if (Py_TYPE(self)->tp_weaklistoffset != 0) PyObject_ClearWeakRefs((PyObject *)self);"
            r"  /* setup.py, mend_weak_references */\n\1\2",
            text,
        )
        if count:
            text = _MANAGED_DICT.sub(r"\1 | Py_TPFLAGS_MANAGED_WEAKREF", text)
            path.write_text(_OWNED_LIST.sub("", text))
            mended += count
    return mended > 0


# Classes that interpreted ones may derive from have a second table of methods.
_EXTENSIBLE: Final = re.compile(r"^ *static CPyVTableItem (\w+)_vtable_shadow\[", re.MULTILINE)

# Where an object is freed, and where the collector asks what it refers to.
_FREEING: Final = re.compile(
    r"^( *)(CPy_TRASHCAN_BEGIN\(self, (\w+)_dealloc\)\n.*\n) *Py_TYPE\(self\)->tp_free\(\(PyObject \*\)self\);\n",
    re.MULTILINE,
)
_VISITING: Final = re.compile(r"^( *(\w+)_traverse\(\w+ \*self, visitproc visit, void \*arg\)\n( *)\{\n)", re.MULTILINE)


def release_classes(extensions: list[Extension]) -> None:
    """Let an interpreted class end that derives from a compiled one.

    Each instance holds its class, and CPython leaves it to the ``tp_dealloc`` of a base that is a heap type to let go
    of it.  mypyc's classes are heap types, and theirs does not: a class that had an instance would never be freed.
    (What instances of mypyc's own classes hold does no harm: those live for ever anyway.)
    """
    for path in _sources(extensions):
        text = path.read_text()
        if "release_classes" in text:
            continue  # mypyc found its own output up to date

        extensible = set(_EXTENSIBLE.findall(text))

        def free(found: re.Match[str], extensible: set[str] = extensible) -> str:
            indent, begin, name = found.groups()
            if name not in extensible:
                return found[0]
            return (
                f"{indent}{begin}{indent}PyTypeObject *kind = Py_TYPE(self);  /* setup.py, release_classes */\n"
                f"{indent}kind->tp_free((PyObject *)self);\n"
                f"{indent}if (kind->tp_dealloc != (destructor){name}_dealloc) Py_DECREF(kind);\n"
            )

        def visit(found: re.Match[str], extensible: set[str] = extensible) -> str:
            begin, name, indent = found.groups()
            if name not in extensible:
                return found[0]
            is_derived = f"Py_TYPE(self)->tp_traverse != (traverseproc){name}_traverse"
            return f"{begin}{indent}    if ({is_derived}) Py_VISIT(Py_TYPE(self));\n"

        path.write_text(_VISITING.sub(visit, _FREEING.sub(free, text)))


def leave_out_dicts(extensions: list[Extension]) -> None:
    """Spare contexts the ``__dict__`` that mypyc gives instances of generic classes, and of no others.

    CPython 3.11 and 3.12 do not learn where the methods of such an instance are, so that they would look up ``write``
    whenever a handler says ``ctx.write``.  3.13 learns it, and gets the same so that contexts are alike everywhere.
    (Handlers keep theirs: without, 3.11 would not let one class derive from an inbound and an outbound handler.)
    """
    for path in _sources(extensions):
        text = path.read_text()
        without = _DICT_CARE.sub(r"\1", _DICT_FLAG.sub(r"\1", _DICT.sub("", text)))
        if without != text:
            path.write_text(without)


# Where mypyc describes a class, a function and a property in C, by the signature alone or not at all.
_CLASS_DOC: Final = re.compile(
    r'(\bCPyType_(\w+)_template_ = \{\n[^{}]*?\.tp_doc = PyDoc_STR\()(NULL|"(?:[^"\\]|\\.)*")(?=\))'
)
_FUNCTION_DOC: Final = re.compile(
    r'(\(PyCFunction\)CPyPy_(\w+),\s+METH_[A-Z_ |]+, PyDoc_STR\()(NULL|"(?:[^"\\]|\\.)*")(?=\))'
)
_PROPERTY_DOC: Final = re.compile(r"(\(getter\)(\w+),\s+(?:\(setter\)\w+|NULL),\s+)(NULL)(?=, NULL\})")


def put_docstrings_in(extensions: list[Extension], modules: list[str]) -> None:
    """Write docstrings behind the signatures that mypyc leaves alone there, so that ``help()`` tells in both builds.

    Were mypyc's C another, there would be no docstrings, and nothing worse.  Modules stay without.
    """
    found: dict[str, str] = {}
    for path in modules:
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        for begin in range(len(parts)):  # mypyc calls a module by as much of the end of its name as is unique
            _find_docstrings(tree, "".join(f"{part}___" for part in parts[begin:]), found)
    for path in _sources(extensions):
        text = with_them = path.read_text()
        for pattern in (_CLASS_DOC, _FUNCTION_DOC, _PROPERTY_DOC):
            with_them = pattern.sub(lambda match: match[1] + _described(match[3], found.get(match[2])), with_them)
        if with_them != text:
            path.write_text(with_them)


def _find_docstrings(tree: ast.AST, prefix: str, found: dict[str, str]) -> None:
    """Collect docstrings under the names that mypyc gives what they describe."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text is not None:
            found[f"{prefix}{node.name}"] = text
            if isinstance(tree, ast.ClassDef):
                found[f"{prefix.removesuffix('___')}_get_{node.name}"] = text
        if isinstance(node, ast.ClassDef):
            _find_docstrings(node, f"{prefix}{node.name}___", found)


def _described(signature: str, text: str | None) -> str:
    """A C string, or NULL: the signature that is there, and the docstring behind it."""
    if text is None:
        return signature
    # Octal and not hexadecimal, which would go on as far as there are digits; and no ??, which may begin a trigraph.
    quoted = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{quoted}"' if signature in ("NULL", f'"{quoted}"') else f'{signature} "{quoted}"'


def _sources(extensions: list[Extension]) -> list[Path]:
    return [Path(source) for extension in extensions for source in extension.sources]


def compiled_extensions() -> list[Extension]:
    """What mypyc makes of the hot modules; nothing where that is unwanted or impossible."""
    if not any(command in sys.argv for command in _BUILDING) or "editable_wheel" in sys.argv:
        return []
    if _PURE:
        say("pure build, because PIPELINE_NET_PURE is set")
        return []
    modules = [path for path in COMPILED_MODULES if Path(path).is_file()]
    trouble = compiler_trouble()
    if trouble is not None:
        fall_back(trouble)
        return []
    try:
        from mypyc.build import mypycify
    except ImportError as exc:
        fall_back(f"mypyc cannot be imported ({exc})")
        return []
    try:
        # No configuration file: how strict to be is the test run's business, and must not decide what gets installed.
        options = ["--config-file=", "--ignore-missing-imports"]
        extensions: list[Extension] = mypycify([*options, *modules], opt_level="3", debug_level="0")
        extensions += mypycify([*options, COMPILED_ALONE], opt_level="3", debug_level="0")
    except SystemExit as exc:  # mypyc's way to say that the source has errors, which it has printed
        fall_back(f"mypyc refused the source: {exc.code if isinstance(exc.code, str) else 'see its messages above'}")
        return []
    except Exception as exc:  # noqa: BLE001 - a crash of mypyc is no reason to leave anybody without the package
        fall_back(f"mypyc failed: {exc!r}")
        return []
    if not mend_weak_references(extensions):
        fall_back("mypyc writes other C than was expected, in which weak references would not be safe")
        return []
    leave_out_dicts(extensions)
    release_classes(extensions)
    put_docstrings_in(extensions, [*modules, COMPILED_ALONE])
    for extension in extensions:
        # mypyc makes warnings errors; a new compiler's new warning is no reason to install the slow build.
        extension.extra_compile_args = [flag for flag in extension.extra_compile_args if flag != "-Werror"]
        if sys.platform != "win32":
            # Python's own flags ask for warnings, and looking for them takes as long as all the rest of compiling.
            extension.extra_compile_args.append("-Wno-all")
            # mypyc's functions call one another across modules.  Were they visible to other libraries, each call would
            # go through a table, and none could be inlined.
            extension.extra_compile_args.append("-fvisibility=hidden")
    say(f"compiling {len(modules)} modules")
    return extensions


setup(ext_modules=compiled_extensions(), cmdclass={"build_ext": BuildExtensions})
