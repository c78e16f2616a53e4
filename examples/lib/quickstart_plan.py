"""Owns what the quickstart has to do: its options, its preset, where things lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.lib.options import number_of, read_yaml
from data_prep.lib.steps import UserError
from examples.lib.layers import check_sections, overlay, settled
from examples.lib.places import Place

SEED = "student-seed"  # and a number: the name of a further student
WORDS = "words"  # a student whose codes are words, if the preset has a section of it
NEEDED = {
    "corpus": ("name", "bpe-operations"),
    "teacher": ("max-update",),
    "distill": (),
    "student": ("max-update",),
    "measure": (),
}
NUMBERS = (
    ("corpus", "bpe-operations"),
    *((one, "max-update") for one in ("teacher", "student")),
    *((one, "max-tokens") for one in ("teacher", "student")),
    *((one, "batch-tokens") for one in ("teacher", "student")),
    ("student", "average"),
)


@dataclass(frozen=True)
class QuickstartPlan(Place):
    """What to do, and where; every step reads it and none changes it."""

    preset: dict[str, dict[str, Any]]
    rows: Path
    compare: bool
    seeds: tuple[int, ...] = ()  # of further students on the teacher's output

    @property
    def distilled(self) -> Path:
        """The same with the teacher's translations."""
        return self.work / "corpus-distilled"

    @property
    def teacher(self) -> Path:
        """The teacher's checkpoint."""
        return self.work / "teacher" / "checkpoint_best.pt"

    @property
    def students(self) -> dict[str, Path]:
        """The latent systems and what each is trained on."""
        raw = {"student-raw": self.corpus} if self.compare else {}
        words = {WORDS: self.distilled} if WORDS in self.preset else {}
        more = {f"{SEED}{seed}": self.distilled for seed in self.seeds}
        return {"student": self.distilled, **words, **more, **raw}

    def flags_of(self, student: str) -> dict[str, Any]:
        """The student's section of the preset, and what its name changes in it."""
        flags = self.preset["student"]
        if student == WORDS:
            return settled(overlay(flags, self.preset[WORDS]))
        if not student.startswith(SEED):
            return flags
        return {**flags, "seed": int(student.removeprefix(SEED))}


def read_preset(path: Path) -> dict[str, dict[str, Any]]:
    """Reads and checks a preset.

    Raises:
        UserError: if it is missing or incomplete.
    """
    try:
        preset = read_yaml(path)
    except FileNotFoundError:
        raise UserError(f"The preset {path} is missing.") from None
    check_sections(path, preset, NEEDED | ({WORDS: ()} if WORDS in preset else {}))
    for section, name in NUMBERS:
        if name in preset[section]:
            number_of(preset[section], name, 1, f"section `{section}` of {path}")
    return preset
