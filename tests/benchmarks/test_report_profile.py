"""The split of a replication's seconds, and that what it looks for is still there."""

import ast
import importlib.util
import re

import pytest
from support.paths import PROJECT


def report_profile():
    spec = importlib.util.spec_from_file_location("report_profile", PROJECT / "benchmarks" / "report_profile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


UPDATE = "execute_all (harness/engines/execution.py:58);StackedMLP.update (harness/training/stacked/mlp.py:113)"


def test_a_sample_counts_where_the_first_line_fits():
    lines = [
        f"process 7;{UPDATE};BatchedMatmul.multiply (harness/training/stacked/matmul.py:51) 30\n",
        f"process 8;{UPDATE};BatchedMatmul.multiply (harness/training/stacked/matmul.py:51) 20\n",
        f"process 7;{UPDATE} 8\n",
        f"process 7;update_costs (harness/engines/stacking.py:120);{UPDATE} 4\n",
        "process 6;main (harness/replicate.py:9) 2\n",
    ]
    assert report_profile().seconds_by_share(lines, rate=2) == {
        "matrix products of updates": 25.0,
        "the rest of updates": 4.0,
        "measuring widths of stacks": 2.0,
        "all else: start, batches, toys": 1.0,
    }


@pytest.mark.parametrize("part", sorted({part for parts in report_profile().SHARES.values() for part in parts}))
def test_what_is_looked_for_is_there(part):
    name, path = re.fullmatch(r"(\w*) ?\((\S+\.py)", part).groups()
    defined = {
        node.name for node in ast.walk(ast.parse((PROJECT / path).read_text())) if isinstance(node, ast.FunctionDef)
    }
    assert defined and (not name or name in defined)
