"""What the documentation names is there."""

import re

import pytest
from support.paths import PROJECT
from support.search_claim import CLAIM, write_claim

from harness.claims.file import claim_files, read_claim
from harness.reference.exact_checks import exact_checks

DOCS = [
    PROJECT / "README.md",
    PROJECT / "README.zh-CN.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "deploy" / "README.md",
]
LESSON = (PROJECT / "docs" / "lesson.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_link_and_picture_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_each_row_of_the_lesson_names_a_test_that_is_there():
    rows = [
        line
        for line in LESSON.partition("\n## ")[0].splitlines()
        if line.startswith("| ") and not line.startswith(("| §", "| ---"))
    ]
    assert {row.split("|")[1].strip() for row in rows} == {
        "0", "1.2", "2.1", "2.2", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3", "5.1–5.2", "5.2", "5.3", "5.4", "5.5",
        "5", "1–5",
    }  # fmt: skip
    for row in rows:
        tests = re.findall(r"`([\w/]*test_\w+\.py)`", row)
        assert tests, row
        for name in tests:
            assert (PROJECT / "tests" / name).is_file(), name


def test_the_chinese_pages_have_each_row_of_the_english_ones_with_what_it_names():
    for name in ("lesson", "errata"):
        english, chinese = (
            [line for line in (PROJECT / "docs" / f"{name}{suffix}.md").read_text().splitlines() if line[:2] == "| "]
            for suffix in ("", ".zh-CN")
        )
        assert len(english) == len(chinese) > 10
        for before, after in zip(english, chinese, strict=True):
            assert set(re.findall(r"`(.+?)`", before)) == set(re.findall(r"`(.+?)`", after)), before


def test_each_claim_has_its_place_in_the_lesson():
    claims = {path.stem for path in (PROJECT / "experiments" / "claims").glob("*.toml")}
    assert claims <= set(re.findall(r"`(\w+)`", LESSON))


def test_each_row_of_the_errata_names_a_statement_or_a_claim_that_is_there():
    page = (PROJECT / "docs" / "errata.md").read_text(encoding="utf-8")
    shown = [row.split("|")[-2] for row in page.splitlines() if re.match(r"\| \d", row)]
    checks = {check.name for check in exact_checks()}
    claims = {path.stem for path in claim_files()}
    for cell in shown:
        named = set(re.findall(r"`(\w+)`", cell))
        assert named <= (claims if "claim" in cell else checks), cell
    assert sum("`" in cell for cell in shown) >= 10


def test_the_claim_that_the_docs_show_whole_is_the_one_that_is_shipped():
    shown = re.findall(r"```toml\n(.*?)```", (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8"), re.DOTALL)
    assert read_claim(PROJECT / "examples" / "cnn_dropout.toml").text in shown


def test_the_search_arms_of_the_docs_are_a_claims(tmp_path):
    page = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")
    shown = re.search(r"### An arm that is a search.*?```toml\n(.*?)```", page, re.DOTALL)[1]
    top = CLAIM[: CLAIM.index("[seeds]")]
    judged = CLAIM[CLAIM.index("[[estimands]]") :]
    path = write_claim(tmp_path, top + shown.replace("search_space.toml", "small_space.toml") + judged)
    claim = read_claim(path)
    assert list(claim.arms) == ["tpe", "random"] and claim.arms["tpe"].search.trials == 30
    assert list(claim.arm_seeds(claim.arms["tpe"]))[-1] == 14_000


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
