"""The examples run as they are shipped: each claim on the digits, each search space with one trial."""

import re

import pytest
from support.paths import PROJECT

from harness.claims.file import read_claim
from harness.core.paths import DEFAULT_SPACE
from harness.studies.request import MOST_FRESH_SEEDS
from harness.studies.run import _check_network
from harness.studies.space_file import read_space
from harness.studies.trial import StudyDefaults

EXAMPLES = PROJECT / "examples"
SPACES = sorted(EXAMPLES.glob("*_space.toml"))
CLAIMS = sorted(set(EXAMPLES.glob("*.toml")) - set(SPACES))


def test_there_is_a_space_and_a_claim_for_each_network_and_no_seed_judges_twice():
    assert [path.stem for path in SPACES] == ["dropout_mlp_space", "search_space", "small_cnn_space"]
    assert [path.stem for path in CLAIMS] == ["adam", "cnn_dropout", "mlp_dropout", "nesterov", "search"]
    judged: set[int] = set()
    for claim in map(read_claim, CLAIMS):
        fresh = 2 * MOST_FRESH_SEEDS if any(arm.search for arm in claim.arms.values()) else 0
        for seed in claim.seeds.of(claim.seeds.count):
            own = set(range(seed, seed + fresh + 1))
            assert judged.isdisjoint(own), (claim.name, seed)
            judged |= own


@pytest.mark.parametrize("path", [path for path in SPACES if path.stem != "search_space"], ids=lambda path: path.stem)
def test_a_network_can_be_trained_with_every_value_of_its_space(path, digits, breast_cancer):
    space = read_space(path)
    for dataset in (digits, breast_cancer) if "mlp" in path.stem else (digits,):
        _check_network(space, StudyDefaults(420, dataset.name, "float32", space.network), dataset)


@pytest.mark.slow
def test_every_claim_is_replicated_and_judged(command):
    quick_to_run = [path for path in CLAIMS if path.stem != "search"]
    arguments = [*map(str, quick_to_run), "--dataset", "digits", "--quick"]
    made = command("harness.replicate", *arguments)
    assert made.returncode == 0, made.stderr
    judged = command("analysis.report", *arguments)
    assert judged.returncode == 0, judged.stderr
    assert len(re.findall(r"\* gives the claim its verdict: ", judged.stdout)) == len(quick_to_run)


@pytest.mark.slow
def test_the_claim_on_searches_is_replicated_and_judged(command):
    arguments = ["search", "--dataset", "digits", "--quick"]
    made = command("harness.replicate", *arguments)
    assert made.returncode == 0 and "6 searches to make for claim search" in made.stdout, made.stderr
    judged = command("analysis.report", *arguments)
    assert judged.returncode == 0, judged.stderr
    assert "TPE finds a better config than random search (on digits): " in judged.stdout
    assert len(re.findall(r"n = 3$", judged.stdout, re.MULTILINE)) == 5


def test_the_claim_on_searches_looks_through_the_default_space():
    assert read_space(EXAMPLES / "search_space.toml") == read_space(DEFAULT_SPACE)


@pytest.mark.slow
@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_is_searched(command, path):
    finals = ("--confirm", "0", "--winner-seeds", "1")
    done = command("harness.search", "--dataset", "digits", "--space", str(path), "--trials", "2", *finals)
    assert done.returncode == 0, done.stderr
    names_its_network = re.search(r"^network +\w+\.py:\w+$", done.stdout, re.MULTILINE) is not None
    assert names_its_network == (path.stem != "search_space")
