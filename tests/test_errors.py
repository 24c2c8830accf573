"""The tree of errors: drawn in one place, and what hangs where is promised."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import pipeline_net
from pipeline_net import errors
from pipeline_net.errors import CorruptedFrameError, DecodeError, EncodeError, FrameTooLongError, PipelineNetError

# Written down a second time, by hand: error → what else it is.
_TREE: dict[str, set[str]] = {
    "PipelineNetError": {"Exception"},
    "ChannelError": {"PipelineNetError"},
    "ChannelClosedError": {"ChannelError"},
    "ChannelBrokenError": {"ChannelError"},
    "ConnectTimeoutError": {"ChannelError", "TimeoutError"},
    "WriteBufferOverflowError": {"ChannelError"},
    "ProtocolError": {"PipelineNetError"},
    "DecodeError": {"ProtocolError"},
    "FrameTooLongError": {"DecodeError"},
    "CorruptedFrameError": {"DecodeError"},
    "EncodeError": {"ProtocolError"},
    "TlsError": {"PipelineNetError"},
    "PipelineError": {"PipelineNetError"},
    "ForeignThreadError": {"PipelineError"},
    "InterpreterExitError": {"PipelineError"},
    "AddressError": {"PipelineNetError", "ValueError"},
    "BlockingOperationError": {"PipelineNetError"},
    "PoolFullError": {"PipelineNetError"},
    "ReadTimeoutError": {"PipelineNetError", "TimeoutError"},
    "WriteTimeoutError": {"PipelineNetError", "TimeoutError"},
}


def _errors() -> dict[str, type[BaseException]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    }


def test_the_tree_is_the_one_that_is_promised() -> None:
    found = {name: {base.__name__ for base in error.__bases__} for name, error in _errors().items()}
    assert found == _TREE


def test_every_error_stands_in_the_drawing() -> None:
    assert errors.__doc__ is not None
    assert [name for name in _TREE if name not in errors.__doc__] == []


@pytest.mark.parametrize("name", _TREE)
def test_every_error_is_at_the_front_door(name: str) -> None:
    assert getattr(pipeline_net, name) is getattr(errors, name)
    assert name in pipeline_net.__all__


@pytest.mark.parametrize("name", _TREE.keys() - {"FrameTooLongError"})
def test_an_error_says_what_it_was_given_to_say(name: str) -> None:
    error = _errors()[name]("what went wrong")
    assert str(error) == "what went wrong"
    assert isinstance(error, PipelineNetError)


def test_an_overlong_frame_tells_both_numbers() -> None:
    error = FrameTooLongError(70_000, 65_536)
    assert (error.length, error.limit) == (70_000, 65_536)
    assert str(error) == "a frame of 70000 bytes is over the limit of 65536"
    assert error.reply is None


@pytest.mark.parametrize("transfer", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_overlong_frame_can_travel_to_another_process(transfer: object) -> None:
    assert callable(transfer)
    original = FrameTooLongError(70_000, 65_536)
    original.messages.append(b"before")
    error = transfer(original)
    assert type(error) is FrameTooLongError
    assert (error.length, error.limit, str(error)) == (70_000, 65_536, str(original))
    assert error.messages == [b"before"]


@pytest.mark.parametrize("error", [DecodeError, CorruptedFrameError])
def test_a_decode_error_carries_what_to_answer(error: type[DecodeError]) -> None:
    assert error("no answer").reply is None
    original = error("bad request", reply=b"400")
    travelled = pickle.loads(pickle.dumps(original))
    assert (str(travelled), original.reply, travelled.reply) == ("bad request", b"400", b"400")


def test_errors_do_not_share_the_messages_decoded_before_them() -> None:
    first, second = DecodeError("1"), DecodeError("2")
    first.messages.append(b"m")
    assert second.messages == []
    assert not hasattr(EncodeError("ours"), "messages")
