"""The notebook, executed as a reader would execute it."""

import sys

import nbformat
import pytest
from support.paths import PROJECT

NOTEBOOK = PROJECT / "notebooks" / "lesson.ipynb"


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def html(notebook):
    return "".join(output.data.get("text/html", "") for output in outputs(notebook) if "data" in output)


def test_it_was_executed_in_order_and_says_nothing_of_the_machine_that_did():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"display_data", "execute_result"}
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert str(PROJECT) not in text and "site-packages" not in text


@pytest.mark.slow
def test_it_runs_and_its_checks_hold(monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    written = nbformat.read(NOTEBOOK, as_version=4)
    before = html(written)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert {output.output_type for output in outputs(notebook)} <= {"display_data", "execute_result"}
    after = html(notebook)
    assert after.count(">holds<") == before.count(">holds<") >= 5 and ">fails<" not in after
    assert any("image/png" in output.data for output in outputs(notebook)), sys.version
