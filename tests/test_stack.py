"""wire() and Stack: what they hold at run time, and what two type checkers think of their neighbours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    PipelineError,
    Stack,
    TransparentHandler,
    wire,
)
from pipeline_net.testing import EmbeddedChannel

_ROOT = Path(__file__).parent.parent
_CASES = _ROOT / "tests" / "typing"
_GOOD = "good_stacks.py"
_BAD = "bad_stacks.py"


class Decoder(ChannelInboundHandler[bytes, str]):
    pass


class Encoder(ChannelOutboundHandler[str, bytes]):
    pass


class Codec(ChannelDuplexHandler[Any, Any, Any, Any]):
    pass


# -- at run time ------------------------------------------------------------------------------------


def test_a_stack_lists_its_stages_from_the_wire_to_the_application() -> None:
    decoder, encoder, codec = Decoder(), Encoder(), Codec()
    stack = wire() >> decoder >> encoder >> codec
    assert stack.handlers == [decoder, encoder, codec]
    assert list(stack) == [decoder, encoder, codec]
    assert len(stack) == 3


def test_composing_leaves_the_stack_below_as_it_was() -> None:
    below = wire() >> Decoder()
    above = below >> Encoder()
    assert len(below) == 1
    assert len(above) == 2


def test_the_list_of_stages_is_a_copy() -> None:
    stack = wire() >> Decoder()
    stack.handlers.clear()
    assert len(stack) == 1
    assert stack.stages == tuple(stack.handlers)


def test_a_stack_goes_on_top_of_a_stack() -> None:
    decoder, encoder, codec = Decoder(), Encoder(), Codec()
    stack = (wire() >> decoder) >> (Stack[Any, Any, Any, Any]() >> encoder >> codec)
    assert stack.handlers == [decoder, encoder, codec]


def test_a_stack_may_hold_named_stages() -> None:
    decoder = Decoder()
    stack = Stack[Any, Any, Any, Any](("lines", decoder)) >> Encoder()
    channel = EmbeddedChannel(stack)
    assert channel.pipeline.names == ["lines", "encoder"]
    assert channel.pipeline.get("lines") is decoder


def test_a_stage_in_a_row_may_have_a_name() -> None:
    decoder, codec = Decoder(), Codec()
    channel = EmbeddedChannel(wire() >> ("lines", decoder) >> Encoder() >> ("last", codec))
    assert channel.pipeline.names == ["lines", "encoder", "last"]
    assert channel.pipeline.get("last") is codec


def test_a_pipeline_seats_a_stack_at_the_application_end() -> None:
    channel = EmbeddedChannel(Codec())
    channel.pipeline.add_stack(wire() >> Decoder() >> Encoder())
    channel.pipeline.add_last(*(wire() >> Decoder()).handlers)
    assert channel.pipeline.names == ["codec", "decoder", "encoder", "decoder-2"]


def test_a_stack_that_was_seated_cannot_be_seated_again() -> None:
    stack = wire() >> Decoder()
    EmbeddedChannel(stack)
    with pytest.raises(PipelineError, match="has a seat already"):
        EmbeddedChannel(stack)


@pytest.mark.parametrize(
    "stage", [Decoder, "decoder", None, 7, ("decoder", "encoder"), ("a",), (1, Decoder()), ("decoder", Decoder)]
)
def test_what_is_no_stage_cannot_be_composed(stage: Any) -> None:
    with pytest.raises(PipelineError, match=r"a stage is a ChannelHandler, or \(name, handler\), and not"):
        wire() >> stage


def test_a_class_in_the_place_of_a_stage_is_told_apart() -> None:
    with pytest.raises(PipelineError, match=r"did you mean Decoder\(\)\?; after wire\(\)"):
        wire() >> Decoder  # type: ignore[operator]  # what the test is about


def test_a_stack_is_drawn_as_it_was_written() -> None:
    assert repr(wire() >> Decoder() >> Encoder()) == "wire() >> Decoder >> Encoder"
    assert repr(wire()) == "wire()"


def test_a_transparent_stage_passes_everything_on_both_ways() -> None:
    channel = EmbeddedChannel(wire() >> TransparentHandler())
    channel.write_inbound(b"in")
    channel.write_outbound(b"out")
    assert (channel.inbound, channel.outbound) == ([b"in"], [b"out"])


# -- what the checkers say --------------------------------------------------------------------------


@dataclass
class Verdict:
    """What one checker said about both files: by file and line."""

    errors: dict[str, dict[int, str]] = field(default_factory=lambda: {_GOOD: {}, _BAD: {}})
    revealed: dict[int, str] = field(default_factory=dict)  # of the good file

    def add(self, path: str, line: int, severity: str, message: str) -> None:
        name = Path(path).name
        if severity == "error":
            self.errors[name][line] = f"{self.errors[name].get(line, '')}{message}\n"
        elif found := re.match(r'(?:Revealed type is|Type of ".*" is) "(.*)"$', message):
            self.revealed[line] = re.sub(r"\b(?:\w+\.)+", "", found[1])  # names without their modules


def _ask(command: list[str], allowed: tuple[int, ...] = (0, 1)) -> str:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode in allowed, f"{command} says {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _ask_mypy(tmp_path: Path) -> Verdict:
    verdict = Verdict()
    for name in (_GOOD, _BAD):
        for line in _ask([sys.executable, "-m", "mypy", "--strict", "-O", "json", str(_CASES / name)]).splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                verdict.add(said["file"], said["line"], said["severity"], said["message"])
    return verdict


def _ask_pyright(tmp_path: Path) -> Verdict:
    config = tmp_path / "pyrightconfig.json"
    config.write_text(
        json.dumps(
            {
                "include": [str(_CASES)],
                "extraPaths": [str(_ROOT)],
                "typeCheckingMode": "strict",  # pyright's own, without the rules that basedpyright adds
                "pythonVersion": "3.11",
            }
        )
    )
    binary = str(Path(sys.executable).parent / "basedpyright")
    answer = json.loads(_ask([binary, "--outputjson", "--project", str(config), "--pythonpath", sys.executable]))
    verdict = Verdict()
    for said in answer["generalDiagnostics"]:
        verdict.add(said["file"], said["range"]["start"]["line"] + 1, said["severity"], said["message"])
    assert answer["summary"]["filesAnalyzed"] == 2
    return verdict


_CHECKERS: dict[str, Callable[[Path], Verdict]] = {"mypy": _ask_mypy, "pyright": _ask_pyright}


@pytest.fixture(scope="module", params=list(_CHECKERS))
def verdict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    return _CHECKERS[request.param](tmp_path_factory.mktemp("typing"))


def _marked(name: str, marker: str) -> dict[int, str]:
    """Line number → what follows the marker."""
    found = {}
    for number, line in enumerate((_CASES / name).read_text().splitlines(), 1):
        _, marks, what = line.partition(f"# {marker}: ")
        if marks:
            found[number] = what
    return found


@pytest.mark.timeout(300)
def test_every_good_line_is_accepted(verdict: Verdict) -> None:
    assert verdict.errors[_GOOD] == {}


@pytest.mark.timeout(300)
def test_every_bad_line_is_rejected_and_no_other(verdict: Verdict) -> None:
    expected = _marked(_BAD, "E")
    assert len(expected) >= 32
    missed = {line: why for line, why in expected.items() if line not in verdict.errors[_BAD]}
    surplus = {line: what for line, what in verdict.errors[_BAD].items() if line not in expected}
    assert (missed, surplus) == ({}, {})


@pytest.mark.timeout(300)
def test_a_stack_has_the_type_that_its_drawing_promises(verdict: Verdict) -> None:
    expected = _marked(_GOOD, "R")
    assert len(expected) >= 4
    assert verdict.revealed == expected


@pytest.mark.timeout(300)
def test_a_rejection_names_both_neighbours(verdict: Verdict) -> None:
    line = next(line for line, why in _marked(_BAD, "E").items() if why == "nobody turns its str into bytes")
    said = verdict.errors[_BAD][line]
    assert "Stack[bytes, str, " in said
    assert "Chat" in said
