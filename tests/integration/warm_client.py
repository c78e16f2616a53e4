"""Stands for Python where a test runs commands: has a warm process run them.

It is started as `python -IS warm_client.py REAL SOCKET SHIM WORD ...`, imports little
and is all that its parent sees: it passes its files, folder and environment on, hands
signals over, and ends as the command ends. What a warm process is not fit for, Python
itself runs in this very process.
"""

import json
import os
import signal
import socket
import sys

# Modules and lines that are run; of scripts every one.
MODULES = ("fairseq_cli.", "torch.distributed.run", "vq_nat.cli")
STARTS = {"-m": MODULES, "-c": ("import torch;",)}
# They matter before the first import; PYTHONPATH and PYTHONUTF8 can be made up for.
EARLY = ("PYTHONHASHSEED", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "LD_PRELOAD")
HANDED_OVER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def fits(words: list[str]) -> bool:
    """Tells whether a warm process runs these words of a command line like Python."""
    if len(words) > 1 and words[0] in STARTS:
        return words[1].startswith(STARTS[words[0]])
    return bool(words) and words[0].endswith(".py") and os.path.isfile(words[0])


def run(link: socket.socket, shim: str, words: list[str]) -> int:
    """Has the words run, and returns the exit status; below 0 the signal."""
    request = {"words": words, "shim": shim, "folder": os.getcwd()}
    content = json.dumps(request | {"environment": dict(os.environ)}).encode()
    for number in HANDED_OVER:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda signum, _: link.send(bytes([signum])))
    socket.send_fds(link, [len(content).to_bytes(8, "big")], [0, 1, 2])
    link.sendall(content)
    return int.from_bytes(link.recv(4), "big", signed=True)


def main() -> None:
    """Runs the command line."""
    real, address, shim, *words = sys.argv[1:]
    link = socket.socket(socket.AF_UNIX)
    early = any(os.environ.get(name) for name in EARLY)
    if early or not fits(words) or link.connect_ex(address):
        os.execv(real, [real, *words])
    status = run(link, shim, words)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
