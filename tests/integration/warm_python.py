"""Python for tests that run many commands: each start of it has imported all before.

A process that starts with torch, fairseq and vq_nat takes four seconds before it does
anything. `warm_python()` is the path of a program that takes a command line as Python
does and leaves it to a fork of a process that has imported them, see `warm_server`.
Scripts find it as `sys.executable`, so that what they start is warm, too.

What is asked of Python itself is asked with `sys.executable`: how long imports take and
what they bring in, memory, another environment before the first import.
"""

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def warm_python() -> str:
    """Starts the warm process once, and returns what stands for Python."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    address, program = folder / "socket", folder / "python"
    client = [sys.executable, "-IS", HERE / "warm_client.py", sys.executable, address]
    words = shlex.join(map(str, [*client, program]))
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, HERE / "warm_server.py", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Two threads of each of two tests share two cores: who waits must not spin.
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
    )

    def end() -> None:
        for pipe in (server.stdin, server.stdout):
            assert pipe is not None
            pipe.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    return str(program)
