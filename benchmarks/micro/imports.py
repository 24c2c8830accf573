"""What `import pipeline_net` brings with it that a plain program should not pay for."""

import json
import sys

import pipeline_net

_NEVER = ("ssl", "asyncio")
_PROTOCOLS = ("redis", "http", "websocket")

found = [name for name in _NEVER if name in sys.modules]
found += [
    name for name in sys.modules if name.startswith(tuple(f"pipeline_net.codecs.{house}" for house in _PROTOCOLS))
]
print(json.dumps({"unwanted": found, "compiled": pipeline_net.COMPILED}))
