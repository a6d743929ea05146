"""The import direction of docs/architecture.md, held by reading the imports."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent

# Each module may import those to its left in its own chain, and nothing that is not named here.
NO_TORCH = (
    "addresses",
    "claim_checks",
    "claim_complaints",
    "claim_file",
    "claim_lines",
    "claims",
    "clock",
    "comparison",
    "config",
    "curves",
    "data_choice",
    "databases",
    "defaults",
    "environment",
    "errors",
    "estimands",
    "experiments",
    "handover",
    "metrics",
    "mirror",
    "owner",
    "patience",
    "postgresql",
    "provenance",
    "records",
    "reports",
    "sampler",
    "seeds",
    "space",
    "spool",
    "spool_file",
    "storage",
    "stores",
    "study",
    "tables",
    "toml_text",
    "tracking",
    "tuning",
    "work",
)
MLFLOW = (
    "experiments",
    "handover",
    "logged_model",
    "patience",
    "provenance",
    "records",
    "reports",
    "spool",
    "tracking",
)
OPTUNA = ("storage", "mirror", "sampler", "study", "space", "summary", "study_page")
ORDER = (
    "errors", "defaults", "data_choice", "options", "seeds", "metrics", "environment", "config", "work", "toml_text",
    "estimands", "claims", "claim_lines", "claim_checks", "claim_complaints", "claim_file", "owner", "addresses",
    "postgresql", "databases", "stores", "command", "space", "machine", "fashion_mnist", "tables", "data", "sources",
    "model", "train", "products", "product_library",
    "stacked_weights", "stacked_norms", "stacked_mlp", "stacked_graph", "cohort", "probe", "loss_probes", "path_probes",
    "probes", "two_basins", "engines.base", "engines.orders", "engines.execution", "engines.stacking",
    "engines.planning", "engines.preload", "engines.pool", "engines.local", "engines.cluster", "engines.mailbox",
    "engines.ray", "engines.choice", "screen", "interrupts", "clock", "trial", "storage", "mirror", "sampler", "study",
    "spool_file", "patience", "records", "experiments", "provenance", "handover", "spool", "tracking", "reports",
    "curves", "tuning", "task", "recorder", "coordinator", "logged_model", "winner", "summary", "study_page", "conduct",
    "search_parts", "search", "worked_examples", "exact", "replication", "replicate", "ui", "lesson_loop", "lesson",
    "comparison", "replay",
)  # fmt: skip


def imports(path: Path) -> set[str]:
    """All modules that a file imports, at its top or inside a function, but for those needed by type checkers alone."""
    tree = ast.parse(path.read_text())
    only_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) not in only_types:
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def path_of(module: str) -> Path:
    return PROJECT / "harness" / f"{module.replace('.', '/')}.py"


def test_every_module_of_the_harness_has_a_place_in_the_order():
    there = {
        str(path.relative_to(PROJECT / "harness").with_suffix("")).replace("/", ".")
        for path in (PROJECT / "harness").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert there == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_what_stands_before_it(module):
    later = {f"harness.{name}" for name in ORDER[ORDER.index(module) :]}
    assert not imports(path_of(module)) & later


@pytest.mark.parametrize("module", NO_TORCH)
def test_these_modules_work_without_torch(module):
    roots = {name.split(".")[0] for name in imports(path_of(module))}
    assert not roots & {"torch", "torchvision"}


@pytest.mark.parametrize("module", ORDER)
def test_few_modules_import_mlflow_and_only_the_study_runs_optuna(module):
    roots = {name.split(".")[0] for name in imports(path_of(module))}
    assert "mlflow" not in roots or module in MLFLOW
    assert "optuna" not in roots or module in OPTUNA


@pytest.mark.parametrize("path", sorted((PROJECT / "analysis").glob("*.py")), ids=lambda path: path.stem)
def test_analysis_reads_records_and_never_trains(path):
    found = imports(path)
    roots = {name.split(".")[0] for name in found}
    assert not roots & {"torch", "torchvision", "mlflow", "optuna"}
    allowed = {"addresses", "claim_file", "claims", "command", "config", "curves", "data_choice", "defaults", "errors",
               "estimands", "options", "records", "reports", "stores", "tuning"}  # fmt: skip
    if path.stem.startswith("worked_"):  # the walkthrough shows what is computed now, it judges no records
        allowed |= {"worked_examples", "exact", "two_basins"}
    modules = {name.split(".")[1] for name in found if name.startswith("harness.")}
    assert modules <= allowed


@pytest.mark.parametrize("folder", ["harness", "harness/engines", "analysis"])
def test_package_files_stay_empty(folder):
    assert (PROJECT / folder / "__init__.py").read_text() == ""
