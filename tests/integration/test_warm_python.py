"""What stands for Python in other tests does what Python does."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from warm_python import warm_python

SCRIPT = """
import os, signal, sys
from other import name
print(name, __name__, sys.argv[1:], os.getcwd(), os.environ["SECRET"])
print(sys.stdin.read(), file=sys.stderr)
print("torch" in sys.modules, os.path.samefile(__file__, sys.argv[0]))
"""
ENDS = {
    "returns": "pass",
    "exits": "raise SystemExit(3)",
    "says": "raise SystemExit('why')",
    "raises": "raise ValueError('why')",
    "leaves": "import os; os._exit(4)",
    "is ended": "import os; os.kill(os.getpid(), 15)",
    "is interrupted": "raise KeyboardInterrupt",
    "exits with much": "raise SystemExit(256 + 7)",
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Writes a script, and returns its path."""

    def script(content: str) -> str:
        (tmp_path / "script.py").write_text(content)
        (tmp_path / "other.py").write_text("name = 'other'")
        return str(tmp_path / "script.py")

    return script


def run(python: str, *words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *words], capture_output=True, text=True, **options)


def test_a_script_gets_what_python_gives_it(write, tmp_path: Path) -> None:
    options = {"cwd": tmp_path, "env": {"SECRET": "s"}, "input": "question"}
    command = (write(SCRIPT), "--one", "two words")
    real, warm = (
        run(one, *command, **options) for one in (sys.executable, warm_python())
    )
    assert real.stdout.splitlines()[1] == "False True"
    assert warm.stdout.splitlines()[1] == "True True"
    assert warm.stdout.splitlines()[0] == real.stdout.splitlines()[0]
    assert warm.stderr == real.stderr == "question\n"


@pytest.mark.parametrize("end", ENDS)
def test_a_script_ends_as_it_does_in_python(write, end: str) -> None:
    script = write("import atexit; atexit.register(print, 'last')\n" + ENDS[end])
    real, warm = (run(one, script) for one in (sys.executable, warm_python()))
    assert (warm.returncode, warm.stdout) == (real.returncode, real.stdout)
    assert warm.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_what_is_still_open_is_written(write, tmp_path: Path) -> None:
    content = "left = open('made', 'w'); left.write('all of it')"
    assert run(warm_python(), write(content), cwd=tmp_path).returncode == 0
    assert (tmp_path / "made").read_text() == "all of it"


def test_threads_are_waited_for(write) -> None:
    content = (
        "import threading, time\n"
        "def late():\n    time.sleep(0.3)\n    print('late')\n"
        "threading.Thread(target=late).start()\n"
    )
    assert run(warm_python(), write(content)).stdout == "late\n"


def test_what_asks_python_itself_is_not_warm() -> None:
    loaded = "import sys; print('torch' in sys.modules, sys.executable)"
    assert run(warm_python(), "-c", loaded).stdout == f"False {sys.executable}\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_as_well(write, tmp_path: Path, number: int) -> None:
    """What sleeps would write a file, but is gone."""
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("Shells have what they start in the background ignore interrupts.")
    script = write(
        "import time; print(1, flush=True); time.sleep(1); open('made', 'w')"
    )
    process = subprocess.Popen(
        [warm_python(), script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    assert process.stdout is not None and process.stdout.readline() == b"1\n"
    process.send_signal(number)
    assert process.wait(30) == -number
    assert process.stdout.read() == b""  # nobody holds the other end
    process.stdout.close()
    time.sleep(1.2)
    assert not (tmp_path / "made").exists()


def test_what_a_script_starts_is_warm_and_two_draw_differently(write) -> None:
    draw = "import random; print(random.random())"
    twice = (
        "import subprocess, sys\n"
        f"if sys.argv[1:]:\n    {draw}\n"
        "else:\n"
        "    for _ in range(2):\n"
        "        subprocess.run([sys.executable, __file__, 'x'], check=True)\n"
    )
    numbers = run(warm_python(), write(twice)).stdout.split()
    assert len({*numbers}) == 2


def test_a_module_is_run_by_its_name() -> None:
    words = ("-m", "vq_nat.cli", "translate", "--nonsense")
    real, warm = (run(one, *words) for one in (sys.executable, warm_python()))
    assert (warm.returncode, warm.stderr) == (real.returncode, real.stderr)
