"""The benchmarks are a package of the tree and not of the distribution: their tests find them beside it."""

from __future__ import annotations

import sys
from pathlib import Path

# At the end, so that pipeline_net is still the installed one.
sys.path.append(str(Path(__file__).parent.parent.parent))
