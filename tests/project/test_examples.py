"""The examples run as they are shipped: each claim on the digits, each search space with one trial."""

import re

import pytest
from support.paths import PROJECT

from harness.claims.file import read_claim
from harness.studies.run import _check_network
from harness.studies.space_file import read_space
from harness.studies.trial import StudyDefaults

EXAMPLES = PROJECT / "examples"
SPACES = sorted(EXAMPLES.glob("*_space.toml"))
CLAIMS = sorted(set(EXAMPLES.glob("*.toml")) - set(SPACES))


def test_there_is_a_space_and_a_claim_for_each_network_and_no_seed_judges_twice():
    assert [path.stem for path in SPACES] == ["dropout_mlp_space", "small_cnn_space"]
    assert [path.stem for path in CLAIMS] == ["adam", "cnn_dropout", "mlp_dropout", "nesterov"]
    claims = [read_claim(path) for path in CLAIMS]
    firsts = {claim.seeds.first for claim in claims}
    assert len(firsts) == len(claims) and all(first % 100 == 1 and claim.seeds.count <= 90
                                              for first, claim in zip(firsts, claims, strict=True))  # fmt: skip


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_network_can_be_trained_with_every_value_of_its_space(path, digits, breast_cancer):
    space = read_space(path)
    for dataset in (digits, breast_cancer) if "mlp" in path.stem else (digits,):
        _check_network(space, StudyDefaults(420, dataset.name, "float32", space.network), dataset)


def test_every_claim_is_replicated_and_judged(command):
    arguments = [*map(str, CLAIMS), "--dataset", "digits", "--quick"]
    made = command("harness.replicate", *arguments)
    assert made.returncode == 0, made.stderr
    judged = command("analysis.report", *arguments)
    assert judged.returncode == 0, judged.stderr
    assert len(re.findall(r"\* gives the claim its verdict: ", judged.stdout)) == len(CLAIMS)


@pytest.mark.slow
@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_is_searched(command, path):
    finals = ("--confirm", "0", "--winner-seeds", "1")
    done = command("harness.search", "--dataset", "digits", "--space", str(path), "--trials", "2", *finals)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^network +\w+\.py:\w+$", done.stdout, re.MULTILINE)
