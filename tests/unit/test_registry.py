"""Classes by name: registered ones, and those of other packages' entry points."""

import sys
from pathlib import Path

import pytest

from vq_nat.registry import Registry


class Thing:
    """What is registered here."""


class Other:
    """Another one."""


@pytest.fixture
def registry() -> Registry[type]:
    """A registry with one class."""
    things: Registry[type] = Registry("kind", "vq_nat_test.things")
    things.register("thing")(Thing)
    return things


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """install(package, name): puts a package there whose entry point offers `Own`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(package: str, name: str) -> None:
        (tmp_path / f"{package}.py").write_text("class Own:\n    pass\n")
        info = tmp_path / f"{package}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {package}\nVersion: 1\n")
        entry = f"[vq_nat_test.things]\n{name} = {package}:Own\n"
        (info / "entry_points.txt").write_text(entry)

    yield add
    for package in [name for name in sys.modules if name.startswith("outside_")]:
        del sys.modules[package]


def test_a_registered_class_is_found(registry: Registry[type]) -> None:
    assert registry.register("other")(Other) is Other
    assert registry.get("other") is Other and registry.get("thing") is Thing
    assert registry.names() == ["other", "thing"]


def test_an_unknown_name_is_refused_with_the_known_ones(
    registry: Registry[type], install
) -> None:
    install("outside_a", "a")
    with pytest.raises(
        ValueError, match="`kind` must be one of 'a', 'thing', but is 'x' instead"
    ):
        registry.get("x")


def test_a_name_is_that_of_one_class(registry: Registry[type]) -> None:
    registry.register("thing")(Thing)  # as when a module is imported again
    with pytest.raises(ValueError, match="`kind` 'thing' must be .*Thing already"):
        registry.register("thing")(Other)
    assert registry.get("thing") is Thing


def test_an_entry_point_is_loaded_when_its_name_is_asked_for(
    registry: Registry[type], install
) -> None:
    install("outside_a", "a")
    assert registry.names() == ["a", "thing"] and "outside_a" not in sys.modules
    loaded = registry.get("a")
    assert (loaded.__module__, loaded.__name__) == ("outside_a", "Own")
    assert registry.get("a") is loaded


def test_an_entry_point_takes_no_name_of_the_package(
    registry: Registry[type], install
) -> None:
    install("outside_a", "thing")
    assert registry.get("thing") is Thing and registry.names() == ["thing"]


def test_two_packages_cannot_offer_one_name(registry: Registry[type], install) -> None:
    install("outside_a", "a")
    install("outside_b", "a")
    with pytest.raises(ValueError, match="is by outside_a:Own and outside_b:Own"):
        registry.get("a")
