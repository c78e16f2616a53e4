"""Tests of late.py: what fairseq needs seldom is imported when it is called."""

import subprocess
import sys

from vq_nat.fairseq_side.late import LATE

PROGRAM = """
import sys
import vq_nat.translation
assert not {*LATE} & {*sys.modules}, {*LATE} & {*sys.modules}
from fairseq.criterions import sentence_prediction as criterion
from fairseq.tasks import audio_classification as task
late = criterion.f1_score([1, 0, 1], [1, 1, 1]), criterion.pearsonr([1, 2], [2, 4])[0]
late += (task.sklearn_metrics.accuracy_score([1, 0], [1, 1]),)
from scipy.stats import pearsonr
from sklearn import metrics
ours = metrics.f1_score([1, 0, 1], [1, 1, 1]), pearsonr([1, 2], [2, 4])[0]
assert late == (*ours, metrics.accuracy_score([1, 0], [1, 1])), (late, ours)
"""


def test_what_fairseq_seldom_needs_comes_when_it_is_called() -> None:
    program = f"LATE = {LATE}\n{PROGRAM}"
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_imported_already_stays() -> None:
    import sklearn.metrics

    from vq_nat.fairseq_side.late import late_modules

    with late_modules():
        assert sys.modules["sklearn.metrics"] is sklearn.metrics
    assert sys.modules["sklearn.metrics"] is sklearn.metrics
