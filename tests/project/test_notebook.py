"""The notebooks, executed as a reader would execute them."""

import sys

import nbformat
import pytest
from support.paths import PROJECT

NOTEBOOKS = {name: PROJECT / "notebooks" / name for name in ("lesson.ipynb", "lesson.zh-CN.ipynb")}
HOLDS = {"lesson.ipynb": ">holds<", "lesson.zh-CN.ipynb": ">成立<"}


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def html(notebook):
    return "".join(output.data.get("text/html", "") for output in outputs(notebook) if "data" in output)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_was_executed_in_order_and_says_nothing_of_the_machine_that_did(name):
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"display_data", "execute_result"}
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    assert str(PROJECT) not in text and "site-packages" not in text


def test_the_two_have_the_same_cells():
    kinds = [
        [(cell.cell_type, len(cell.get("outputs", []))) for cell in nbformat.read(path, as_version=4).cells]
        for path in NOTEBOOKS.values()
    ]
    assert kinds[0] == kinds[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_its_checks_hold(name, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    written = nbformat.read(NOTEBOOKS[name], as_version=4)
    before = html(written)
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert {output.output_type for output in outputs(notebook)} <= {"display_data", "execute_result"}
    after = html(notebook)
    assert after.count(HOLDS[name]) == before.count(HOLDS[name]) >= 5
    assert not any(f">{fails}<" in after for fails in ("fails", "不成立"))
    assert any("image/png" in output.data for output in outputs(notebook)), sys.version
