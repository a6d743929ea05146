"""What the documentation names is there."""

import re

import pytest
from support.paths import PROJECT

DOCS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")), PROJECT / "deploy" / "README.md"]
LESSON = (PROJECT / "docs" / "lesson.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_link_and_picture_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_each_row_of_the_lesson_names_a_test_that_is_there():
    rows = [line for line in LESSON.splitlines() if line.startswith("| ") and not line.startswith(("| §", "| ---"))]
    assert {row.split("|")[1].strip() for row in rows} == {
        "0", "1.2", "2.1", "2.2", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3", "5.1–5.2", "5.3", "5.4", "5.5",
    }  # fmt: skip
    for row in rows:
        tests = re.findall(r"`([\w/]*test_\w+\.py)`", row)
        assert tests, row
        for name in tests:
            assert (PROJECT / "tests" / name).is_file(), name


def test_each_claim_has_its_place_in_the_lesson():
    claims = {path.stem for path in (PROJECT / "experiments" / "claims").glob("*.toml")}
    assert claims <= set(re.findall(r"`(\w+)`", LESSON))


def test_the_claim_that_the_docs_show_whole_is_the_one_that_is_shipped():
    shown = re.findall(r"```toml\n(.*?)```", (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown[1] == (PROJECT / "examples" / "cnn_dropout.toml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_network_of_the_docs_is_searched_claimed_judged_and_replayed(command, tmp_path):
    text = (PROJECT / "docs" / "networks.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, re.DOTALL))
    assert list(files) == ["my_network.py", "my_space.toml", "width.toml"]
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    few = ("--dataset", "digits", "--trials", "2", "--confirm", "0", "--winner-seeds", "1")
    here = ("--dataset", "digits", "--quick")
    for module, *arguments in (
        ("harness.search", "--space", "my_space.toml", *few),
        ("harness.replicate", "width.toml", *here),
        ("analysis.report", "width.toml", *here),
        ("harness.verify", "width", "--replay", "1"),
    ):
        done = command(module, *arguments)
        assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "the same, bit for bit" in done.stdout
