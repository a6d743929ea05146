import re
import subprocess
import sys

import pytest
from places import DATA_DIR, PROJECT


@pytest.mark.slow
@pytest.mark.fashion_mnist
def test_it_prints_both_costs_and_their_ratio_and_keeps_out_of_the_data_folder():
    before = sorted(path.name for path in DATA_DIR.rglob("*"))
    script = PROJECT / "benchmarks" / "epoch_cost.py"
    arguments = [sys.executable, script, "--quick", "--data-dir", DATA_DIR]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    rows = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)$", done.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == ["128", "32"]
    for _, lesson, ours, ratio in rows:
        assert float(ratio) == pytest.approx(float(lesson) / float(ours), rel=0.05)
    assert sorted(path.name for path in DATA_DIR.rglob("*")) == before


@pytest.mark.slow
def test_without_the_data_it_says_where_they_belong():
    script = PROJECT / "benchmarks" / "epoch_cost.py"
    done = subprocess.run(
        [sys.executable, script, "--data-dir", "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: no Fashion-MNIST in nowhere; name its folder with --data-dir\n"
