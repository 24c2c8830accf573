"""Loops, sockets and what they need: knows pipelines, knows no codec."""
