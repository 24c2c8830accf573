"""A client of any Redis server: one command, a batch from the standard input, or the messages of some channels.

    python examples/redis_client.py SET greeting hello
    printf 'SET a 1\\nINCR a\\n' | python examples/redis_client.py -
    python examples/redis_client.py --listen news weather

All lines of a batch leave with one write.  When the server goes away, the client comes back by itself as soon as the
server does; a command that was under way then fails, because nobody knows whether it was executed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from pipeline_net import EventLoopGroup, PipelineNetError
from pipeline_net.codecs import redis


def shown(reply: Any) -> str:
    """Write a reply as one line."""
    if isinstance(reply, bytes):
        return reply.decode(errors="backslashreplace")
    if isinstance(reply, redis.SimpleString):
        return reply.text.decode()
    if isinstance(reply, redis.RedisError):
        return f"(error) {reply.code} {reply.text.decode(errors='backslashreplace')}"
    if isinstance(reply, dict):
        return "{" + ", ".join(f"{shown(key)}: {shown(value)}" for key, value in reply.items()) + "}"
    if isinstance(reply, list | set | frozenset):
        return "[" + ", ".join(map(shown, reply)) + "]"
    return "(nothing)" if reply is None else str(reply)


def run_batch(client: redis.Client) -> None:
    """Send every line as a command, all together, and show every reply, errors too."""
    with client.pipeline(keeps_errors=True) as batch:
        for line in sys.stdin:
            if words := shlex.split(line):
                batch.execute(*words)
    for reply in batch.results():
        print(shown(reply))


def listen(client: redis.Client, channels: list[str]) -> None:
    """Show messages until somebody presses Ctrl-C."""
    with client.subscribe(*channels) as messages:
        messages.ready.result()
        print("listening to", *channels, flush=True)
        for message in messages:
            print(f"{shown(message.channel)}: {shown(message.data)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask a Redis server.")
    parser.add_argument("--address", default="tcp://127.0.0.1:6379", help="where the server listens (%(default)s)")
    parser.add_argument("--password", help="what the server wants to hear first")
    parser.add_argument("--listen", action="store_true", help="show what is published in these channels")
    parser.add_argument("words", nargs="+", help="a command, - for a batch, or channels")
    arguments = parser.parse_args()
    options = redis.ClientOptions(password=arguments.password, name="redis_client.py")
    with EventLoopGroup(1) as loops, redis.Client(loops, arguments.address, options=options) as client:
        try:
            client.connect().result()
            if arguments.listen:
                listen(client, arguments.words)
            elif arguments.words == ["-"]:
                run_batch(client)
            else:
                print(shown(client.call(*arguments.words)))
        except PipelineNetError as exc:
            sys.exit(f"redis_client: {exc}")
        except KeyboardInterrupt:
            pass  # Ctrl-C is how listening ends


if __name__ == "__main__":
    main()
