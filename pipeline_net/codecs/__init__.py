"""Stages that turn bytes into messages and back: one file a framing, one folder a protocol."""
