"""Owns the folder that fairseq trains on: its command, and what text needs."""

import errno
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from data_prep.lib.describing import describe_text, write_text_file
from data_prep.lib.plan import CorpusPlan
from data_prep.lib.steps import UserError, tell
from vq_nat.processes import run_group

ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)\b")


def make_bin(plan: CorpusPlan, folder: Path) -> None:
    """Binarises with one dictionary for both sides, and adds what text needs."""
    run_fairseq_preprocess(plan, folder)
    # The log holds times and paths, which would differ from run to run.
    (folder / "preprocess.log").unlink(missing_ok=True)
    shutil.copyfile(plan.out / "bpe" / plan.codes_name, folder / plan.codes_name)
    recipe = describe_text(*plan.langs, plan.tokenizer, plan.bpe, plan.plain_quotes)
    write_text_file(folder, recipe)


def run_fairseq_preprocess(plan: CorpusPlan, folder: Path) -> None:
    """Calls fairseq's own command on OUT/bpe."""
    prefixes = {split: str(plan.out / "bpe" / split) for split in plan.splits()}
    tests = [prefixes[split] for split in prefixes if split.startswith("test")]
    command = [sys.executable, "-m", "fairseq_cli.preprocess", "--joined-dictionary"]
    command += ["--source-lang", plan.source_lang, "--target-lang", plan.target_lang]
    command += ["--trainpref", prefixes["train"], "--validpref", prefixes["valid"]]
    command += ["--testpref", ",".join(tests), "--destdir", str(folder)]
    command += ["--workers", str(plan.workers)]
    if plan.joined_dict is not None:
        command += ["--srcdict", str(plan.joined_dict)]
    result = run_group(command)
    if result.returncode != 0:
        raise_from_log("fairseq-preprocess", result.stderr)
    tell(f"bin: {len(prefixes)} splits binarised")


def raise_from_log(command: str, log: str) -> NoReturn:
    """Raises the error that a failed command left at the end of its log."""
    reason = last_error(log)
    if f"[Errno {errno.ENOSPC}]" in reason:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise UserError(f"{command} failed: {reason}.")


def last_error(log: str) -> str:
    """Returns the last error of a log, which may have several lines, in one."""
    lines = log.strip().splitlines() or ["no message"]
    begins = [n for n, line in enumerate(lines) if ERROR.match(line)]
    return " ".join(" ".join(lines[begins[-1] if begins else -1 :]).split()).rstrip(".")
