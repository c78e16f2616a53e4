"""Mutated weights files, read under the sanitizers; the count for a release is 10^6."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "vq_nat" / "engine" / "src"
FUZZER = ROOT / "tests" / "unit" / "engine" / "fuzz_weights_file.cpp"
READER = [SOURCES / "weights_file.cpp", SOURCES / "weights_header.cpp"]
OPTIONS = ["-std=c++17", "-O1", "-g", "-fno-sanitize-recover=all"]
SANITIZERS = "-fsanitize=address,undefined"


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiles the fuzzer, where a compiler has the sanitizers."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("fuzzer")
    empty = folder / "empty.cpp"
    empty.write_text("int main() {}\n")
    command = [compiler, *OPTIONS, SANITIZERS]
    probe = [*command, str(empty), "-o", str(folder / "empty")]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        pytest.skip("needs a compiler with sanitizers")
    program = folder / "fuzzer"
    files = [str(path) for path in (FUZZER, *READER)]
    subprocess.run([*command, f"-I{SOURCES}", *files, "-o", str(program)], check=True)
    return program


def test_mutated_headers_are_read_or_refused(fuzzer: Path) -> None:
    done = subprocess.run([fuzzer, "20000", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts = re.match(r"20000 mutations, (\d+) read, (\d+) refused", done.stdout)
    assert counts is not None and int(counts[1]) > 100 and int(counts[2]) > 10_000
