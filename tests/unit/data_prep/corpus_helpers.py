"""What the tests of the corpus scripts compare with and look at."""

from pathlib import Path

SIZE = 40  # training pairs of the corpus that is distilled
ENGLISH = ["A man rides a bike.", "Two well-known dogs run.", 'She says "hello".']
GERMAN = ["Ein Mann fährt Rad.", "Zwei bekannte Hunde rennen.", "Sie sagt „hallo“."]


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, without hidden ones, by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def leftovers(folder: Path) -> list[str]:
    """Return the temporary names below a folder."""
    return [path.name for path in folder.rglob(".tmp-*")]


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1]
