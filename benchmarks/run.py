"""``python benchmarks/run.py …``: the same as ``python -m benchmarks …``, from whatever directory.

A first argument ``scale``, ``guard`` or ``pages`` runs that module instead.
"""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
module = "benchmarks"
if len(sys.argv) > 1 and sys.argv[1] in ("scale", "guard", "pages"):
    module = f"benchmarks.{sys.argv.pop(1)}"
runpy.run_module(module, run_name="__main__", alter_sys=True)
