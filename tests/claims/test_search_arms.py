"""Arms that are searches: how they are read, checked and identified."""

import pytest
from support.search_claim import CLAIM, SPACE, write_claim

from harness.claims.claim import parent_name
from harness.claims.file import find_claim, read_claim
from harness.claims.missing import missing_tasks
from harness.core.errors import UserError
from harness.core.paths import EXAMPLES
from harness.studies.request import USUAL_FINALS

NETWORK = """\
from torch import nn
def Plain(shape, classes, width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1], classes))
"""


def read(tmp_path, old="", new="", space=SPACE):
    assert old in CLAIM
    return read_claim(write_claim(tmp_path, CLAIM.replace(old, new) if old else CLAIM, space))


def test_a_list_makes_an_arm_per_value_and_each_seed_a_search(tmp_path):
    claim = read(tmp_path)
    assert list(claim.arms) == ["tpe", "random"]
    arm = claim.arms["random"]
    assert (arm.search.sampler, arm.search.pruner, arm.search.trials) == ("random", "median", 12)
    assert list(arm.search.space.searched) == ["lr", "epochs", "batch_norm"]
    tasks = missing_tasks(claim, [])
    assert [task.name for task in tasks] == ["tpe seed 1000", "tpe seed 2000", "random seed 1000", "random seed 2000"]
    assert len({task.config.content_hash for task in tasks}) == 4


def test_a_search_makes_its_trials_and_what_follows_them(tmp_path):
    search = read(tmp_path).arms["tpe"].search
    assert search.runs == 12 + USUAL_FINALS.confirm * USUAL_FINALS.confirm_seeds + 2 * USUAL_FINALS.winner_seeds == 31
    assert search.plan.finals == USUAL_FINALS and not search.plan.is_stored
    per_epoch = 12 * (128 + 40)  # 1,500 examples in batches of the lesson's size
    assert search.cost(1_500) == 31 * 2 * per_epoch, "two epochs on average"


@pytest.mark.parametrize(
    ("old", "new"),
    [("trials = 12", "trials = 13"), ("trials = 12", 'trials = 12\npruner = "none"'), ("W", "another text")],
)
def test_another_setting_is_another_claim(tmp_path, old, new):
    assert parent_name(read(tmp_path, old, new)) != parent_name(read(tmp_path))


def test_another_space_is_another_claim_and_another_search(tmp_path):
    before, after = read(tmp_path), read(tmp_path, space=SPACE.replace("high = 3", "high = 4"))
    assert before.sha256 != after.sha256
    before, after = (claim.search_config(claim.arms["tpe"], 1000) for claim in (before, after))
    assert before.content_hash != after.content_hash


def test_the_network_of_a_space_belongs_to_the_claim(tmp_path):
    (tmp_path / "plain.py").write_text(NETWORK)
    space = 'network = "plain.py:Plain"\n' + SPACE + "[network_params.width]\nchoices = [4, 8]\n"
    claim = read(tmp_path, space=space)
    assert set(claim.texts) == {"claim.toml", "small_space.toml", "plain.py"}
    assert claim.search_config(claim.arms["tpe"], 1000).params()["network"] == "plain.py:Plain"
    (tmp_path / "plain.py").write_text(NETWORK + "# another text\n")
    assert read(tmp_path, space=space).sha256 != claim.sha256


def test_a_quick_look_makes_a_third_of_the_trials(tmp_path):
    quick = read(tmp_path, "count = 2", "count = 5").quickened()
    assert quick.arms["tpe"].search.trials == quick.arms["tpe"].fields["trials"] == 4
    assert list(quick.arm_seeds(quick.arms["tpe"])) == [1000, 2000, 3000]


def test_more_seeds_keep_their_distance(tmp_path):
    claim = read(tmp_path).with_seeds(4)
    assert list(claim.arm_seeds(claim.arms["tpe"])) == [1000, 2000, 3000, 4000]


def test_a_measure_after_so_many_trials_is_within_a_quick_look(tmp_path):
    claim = read(tmp_path, 'measure = "test_accuracy"\n', 'measure = "best_val_accuracy"\nat = 11\n')
    assert claim.quickened().primary.at == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("step = 1000", "", "line 8: step is 1: it should be 201 or more, because a search uses"),
        ("first = 1000", "first = 4294966200", "seeds reach up to 4294967400: they should be below 4294967296"),
        ("trials = 12", "", "trials is missing: a search needs it"),
        ("trials = 12", "trials = 0", "line 15: trials is 0: it should be at least 1"),
        ("trials = 12", "trials = 1.5", "trials is 1.5: it should be a whole number or a list of whole numbers"),
        ('["tpe", "random"]', '["tpe", "bayes"]', "line 20: arms.sampler"),
        ('["tpe", "random"]', '["tpe", "grid"]', "line 20: sampler is 'grid': lr is a range; give it choices"),
        ('space = "small_space.toml"', 'space = "none.toml"', "line 16: cannot read the search space"),
        ('space = "small_space.toml"', "", "space is missing: a search needs it"),
        ('sampler = ["tpe"', 'lr = 0.1\nsampler = ["tpe"', "line 20: lr is of one config: a search"),
        ('kind = "search"', 'kind = "search"\nepochs = 3', "line 15: epochs is of one config, and every"),
        ('kind = "search"\n', "", "line 19: sampler is of a search: add kind = \"search\""),
        ('kind = "search"', 'kind = "study"', "settings.kind is 'study': it should be 'search'"),
        ('measure = "test_accuracy"', 'measure = "train_accuracy"', "arm 'tpe' is a search"),
        ('measure = "test_accuracy"', 'measure = "test_accuracy"\nat = 3', "is a search, of which test_"),
        ('measure = "test_accuracy"', 'measure = "best_val_accuracy"\nat = 13', "at is 13: arm 'tpe' lasts 12 trials"),
        ("at = 90\n", "", "at is missing: trials_to needs it (accuracy)"),
        ('measure = "trials_to"\nat = 90', 'measure = "best_val_accuracy_by_cost"', "at is missing: best_val_accu"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_one_line(tmp_path, old, new, message):
    with pytest.raises(UserError) as caught:
        read(tmp_path, old, new)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/small.toml, line ")


def test_settings_of_a_search_need_one(tmp_path):
    arms = '[[arms]]\nname = "a"\n[[arms]]\nname = "b"\n'
    text = CLAIM.replace('kind = "search"\n', "").replace(
        '[[arms]]\nname = "{sampler}"\nsampler = ["tpe", "random"]\n', arms
    )
    with pytest.raises(UserError, match='line 14: trials is of a search, and no arm has kind = "search"'):
        read_claim(write_claim(tmp_path, text))


def test_a_search_may_stand_beside_a_single_config(tmp_path):
    single = '[[arms]]\nname = "the lesson"\n\n[[estimands]]\nname = "winner"'
    text = CLAIM.replace('kind = "search"\n', "epochs = 3\n").replace('sampler = ["', 'kind = "search"\nsampler = ["')
    claim = read_claim(write_claim(tmp_path, text.replace('[[estimands]]\nname = "winner"', single)))
    assert claim.arms["the lesson"].fields["epochs"] == 3 and claim.arms["the lesson"].search is None
    assert claim.arms["tpe"].search.trials == 12 and "epochs" not in claim.arms["tpe"].fields


def test_examples_are_found_by_name():
    assert find_claim("search") == EXAMPLES / "search.toml"
    assert read_claim(find_claim("search")).spec == "search"
    with pytest.raises(UserError, match=r"no claim 'small_cnn_space': .*the examples adam, cnn_dropout, mlp_dropout"):
        find_claim("small_cnn_space")
