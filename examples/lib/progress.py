"""Owns what the scripts show while they work: lines, time spans, progress bars."""

from __future__ import annotations

import re
import sys

from tqdm import tqdm

from vq_nat.results.training_log import read_entry

VALIDATION = {"bleu": "valid BLEU", "bleu_true_codes": "with true codes"}
BAR = re.compile(r"(?:(\S+):)?\s*\d+%\|[^|]*\| (\d+)/(\d+) ")

tqdm.monitor_interval = 0  # no thread of tqdm's own while children are started


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


def minutes(seconds: float) -> str:
    """Writes a time span."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def new_bar(total: int, unit: str, name: str = "", leave: bool = False) -> tqdm:
    """Makes a progress bar that does not flood a log file."""
    return tqdm(
        total=total,
        desc=f"      {name}".rstrip(),
        unit=unit,
        leave=leave,
        mininterval=0.5 if sys.stderr.isatty() else 30,
        miniters=1,  # a resumed training jumps ahead once, and must not wait as long
    )


class TrainingBar:
    """Shows the JSON lines of fairseq-train: updates, loss and BLEU.

    Args:
        updates: the training's last.
        name: of the training, where several are shown at once.
    """

    def __init__(self, updates: int, name: str = "") -> None:
        self.bar = new_bar(updates, " updates", name, leave=True)
        self.figures: dict[str, str] = {}

    def __call__(self, line: str) -> bool:
        """Reads a line of the log; it is never hidden."""
        entry = read_entry(line)
        if entry is None or entry.kind == "train":
            return False
        names = {"loss": "loss"} if entry.kind == "train_inner" else VALIDATION
        for key, name in names.items():
            if key in entry.values:
                self.figures[name] = f"{entry.values[key]:.2f}"
        self.bar.set_postfix(self.figures, refresh=False)
        done = int(entry.values.get("num_updates", self.bar.n))
        self.bar.update(max(0, done - self.bar.n))
        return False

    def close(self) -> None:
        """Leaves the last state on the screen."""
        self.bar.refresh()
        self.bar.close()


class ForwardedBar:
    """Shows the progress bars that a command of data_prep draws."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.shown: tuple[str, int] | None = None

    def __call__(self, line: str) -> bool:
        """Shows a line that is a bar, and tells whether it was one."""
        match = BAR.search(line)
        if match is None:
            return False
        name, done, total = match[1] or "", int(match[2]), int(match[3])
        if self.bar is None or self.shown != (name, total):
            self.close()
            self.bar, self.shown = new_bar(total, "", name), (name, total)
        self.bar.update(max(0, done - self.bar.n))
        return True

    def close(self) -> None:
        """Removes the bar from the screen."""
        if self.bar is not None:
            self.bar.close()
