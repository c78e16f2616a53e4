"""Imports what every command imports, once, and forks itself for each of them.

Started as `python warm_server.py SOCKET` by `warm_python`; it ends with its standard
input. A command runs in a process and session of its own, with the files, folder,
environment and arguments of the one that asked. The asker's end is the command's.
"""

import atexit
import contextlib
import gc
import json
import logging
import os
import random
import runpy
import select
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

from warm_ending import Ending

ROOT = str(Path(__file__).resolve().parents[2])


def import_all() -> None:
    """Imports the heavy modules, and undoes what importing does to a process."""
    path = list(sys.path)
    sys.path.insert(0, ROOT)
    import torch._dynamo  # noqa: F401  (the first optimizer would, for over a second)

    import vq_nat.image
    import vq_nat.translation  # noqa: F401

    sys.path[:] = path
    gc.collect()
    gc.freeze()  # children look through what they make themselves
    for handler in list(logging.getLogger().handlers):  # a library has logged
        logging.getLogger().removeHandler(handler)


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Returns a request, and the asker's standard files."""
    length, files, _, _ = socket.recv_fds(link, 8, 3)
    content = b""
    while len(content) < int.from_bytes(length, "big"):
        content += link.recv(1 << 16) or b"}"  # cut short: no JSON
    return json.loads(content), files


def serve(listener: socket.socket) -> dict[str, Any]:
    """Forks for each request; returns it in the child. The parent ends here."""
    running: dict[socket.socket, int] = {}
    awake, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([0, awake, listener, *running], [], [])
        if 0 in ready:
            for pid in running.values():
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        if awake in ready:
            awake.recv(1 << 10)
            report(running)
        for link in [link for link in ready if link in running]:
            word = link.recv(1)
            os.kill(running[link], word[0] if word else signal.SIGKILL)
            if not word:
                del running[link]  # nobody is left to tell
        if listener in ready:
            link, _ = listener.accept()
            request, files = receive(link)
            if (pid := os.fork()) == 0:
                for other in (awake, wake, listener, link, *running):
                    other.close()
                become(request, files)
                return request
            running[link] = pid
            for file in files:
                os.close(file)


def report(running: dict[socket.socket, int]) -> None:
    """Tells askers how their commands have ended."""
    links = {pid: link for link, pid in running.items()}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if link := links.get(pid):
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):  # it may have gone at the same moment
                link.sendall(code.to_bytes(4, "big", signed=True))
            link.close()
            del running[link]


def become(request: dict[str, Any], files: list[int]) -> None:
    """Makes this process what a new Python would be for the asker."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    text = partial(open, encoding="utf-8", closefd=False)
    sys.stdin = sys.__stdin__ = text(0)
    sys.stdout = sys.__stdout__ = text(1, "w")
    sys.stderr = sys.__stderr__ = text(2, "w", 1, errors="backslashreplace")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable, words = request["shim"], request["words"]
    sys.orig_argv = [sys.executable, *words]
    firsts = {"-m": os.getcwd(), "-c": ""}
    first = firsts.get(words[0], os.path.dirname(os.path.abspath(words[0])))
    more = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [first, *more, *sys.path]
    draw_anew()


def draw_anew() -> None:
    """Seeds what a new process draws by chance, and sets torch's threads."""
    import numpy
    import torch

    random.seed()
    numpy.random.seed()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(threads) if threads.isdecimal() else os.cpu_count() or 1)


def main() -> None:
    """Serves until standard input ends; in each child, runs what was asked for."""
    # Of this start: its own folder, and what its PYTHONPATH names.
    own = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:] = [place for place in sys.path[1:] if place not in own]
    ending = Ending()
    atexit.register(ending)  # before any other is, so that it comes last
    import_all()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)
    words = serve(listener)["words"]
    space, run_module = vars(sys.modules["__main__"]), runpy._run_module_as_main
    new = {"__name__": "__main__", "__spec__": None, "__builtins__": __builtins__}
    if words[0] == "-m":
        sys.argv, content = words[1:], ""
    elif words[0] == "-c":
        sys.argv, content = ["-c", *words[2:]], words[1]
    else:
        sys.argv, content = words, Path(words[0]).read_bytes()
        new["__file__"] = words[0]
    space.clear()  # what is run finds none of this file's names
    space |= new
    if words[0] == "-m":
        ending.run(lambda: run_module(words[1]))
    else:
        ending.run(lambda: exec(compile(content, words[0], "exec"), space))


if __name__ == "__main__":
    main()
