"""Stages that turn bytes into messages and back: one file a framing, one folder a protocol.

Framings and small stages are here at the door; a protocol has its own: ``from pipeline_net.codecs import redis``.
"""

from __future__ import annotations

from .base import (
    ByteToMessageDecoder,
    ICodec,
    MessageToByteEncoder,
    MessageToMessageCodec,
    MessageToMessageDecoder,
    MessageToMessageEncoder,
)
from .delimiter import DelimiterBasedFrameDecoder
from .fixed_length import FixedLengthFrameDecoder
from .frame_codecs import (
    DelimiterBasedFrameCodec,
    FixedLengthFrameCodec,
    LengthFieldBasedFrameCodec,
    LineBasedFrameCodec,
)
from .frame_configs import DecoderConfig, EncoderConfig
from .generator import GeneratorDecoder
from .integers import BytesToIntegers, IntegersToBytes
from .json import JsonDecoder, JsonEncoder, JsonObjectDecoder
from .length_field import LengthFieldBasedFrameDecoder, LengthFieldPrepender
from .line import LineBasedFrameDecoder
from .text import Base64Decoder, Base64Encoder, LineEncoder, StringDecoder, StringEncoder
from .varint import Varint32FrameDecoder, Varint32FramePrepender

__all__ = [
    # what to subclass
    "ByteToMessageDecoder",
    "GeneratorDecoder",
    "ICodec",
    "MessageToByteEncoder",
    "MessageToMessageCodec",
    "MessageToMessageDecoder",
    "MessageToMessageEncoder",
    # framing
    "DelimiterBasedFrameDecoder",
    "FixedLengthFrameDecoder",
    "JsonObjectDecoder",
    "LengthFieldBasedFrameDecoder",
    "LengthFieldPrepender",
    "LineBasedFrameDecoder",
    "Varint32FrameDecoder",
    "Varint32FramePrepender",
    # framing both ways, in one object
    "DecoderConfig",
    "DelimiterBasedFrameCodec",
    "EncoderConfig",
    "FixedLengthFrameCodec",
    "LengthFieldBasedFrameCodec",
    "LineBasedFrameCodec",
    # small stages
    "Base64Decoder",
    "Base64Encoder",
    "BytesToIntegers",
    "IntegersToBytes",
    "JsonDecoder",
    "JsonEncoder",
    "LineEncoder",
    "StringDecoder",
    "StringEncoder",
]
