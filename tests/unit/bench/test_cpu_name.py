"""Machines that are called alike, but are not, are told apart by their name."""

import pytest

from vq_nat.bench import machine

TEXT = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu {}\n"


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("avx2 avx512f avx512_bf16 amx_bf16", "Intel(R) Xeon(R) Processor (AMX)"),
        (
            "avx2 avx512f avx512_bf16",
            "Intel(R) Xeon(R) Processor (AVX-512 with bfloat16)",
        ),
        ("avx2 avx512f", "Intel(R) Xeon(R) Processor (AVX-512)"),
        ("sse2", "Intel(R) Xeon(R) Processor"),
    ],
)
def test_a_cpu_is_named_by_what_it_multiplies_with(flags: str, name: str) -> None:
    assert machine.cpu_name(2 * TEXT.format(flags)) == name


def test_an_unknown_cpu_has_the_name_that_python_knows(monkeypatch, tmp_path) -> None:
    assert machine.cpu_name("") == machine.cpu_name("Hardware : BCM2835") == ""
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(machine.platform, "processor", lambda: "an abacus")
    assert machine.processor("cpu") == "an abacus"
