"""Large blocks that come and go are not fetched from the kernel each time."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from pipeline_net.transport.allocator import settle_allocator

{before}
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in range(1 << 18, 1 << 22, 1 << 18):
    bytearray(b"x") * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""


def _faults(before: str) -> int:
    program = _FAULTS.format(before=before)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide otherwise")
def test_blocks_that_grow_are_not_each_fetched_from_the_kernel() -> None:
    assert _faults("settle_allocator()") < _faults("") / 3  # 1,000 pages, the largest block's; or all of them, 7,700
