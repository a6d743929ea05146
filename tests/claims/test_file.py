from pathlib import Path

import pytest
from support.claim_store import literature, tiny
from support.paths import PROJECT

from harness.claims.claim import parent_name
from harness.claims.file import claim_files, find_claim, read_claim
from harness.claims.messages import line_of
from harness.claims.template import write_template
from harness.core.errors import UserError
from harness.core.paths import CLAIMS
from harness.data.choice import DataChoice, data_choice

SMALL = """\
title = "T"
statement = "S"
would_change = "W"
sources = ["X"]
not_tuned = "N"
[lesson]
section = "1"
zh = "中"
en = "E"

[seeds]
first = 5
count = 3

[settings]
epochs = 4
probes = ["loss"]

[[arms]]
name = "lr {lr}"
lr = [0.1, 0.2, 0.4]

[[arms]]
name = "momentum"
gamma = 0.9
updates = 30
seeds = 6

[[estimands]]
name = "faster"
primary = true
question = "lesson"
words = "w {effect}"
measure = "updates_to_loss"
at = 0.5
compare = "log_ratio"
arms = ["lr 0.1", "lr 0.2"]
smallest_effect = 1.5
"""

AGAIN = """
[[estimands]]
name = "again"
question = "control"
words = "{effect}"
when = "at a lower bound"
measure = "updates_to_loss"
at = 0.5
compare = "log_ratio"
arms = ["lr 0.1", "lr 0.4"]
smallest_effect = 1.2
"""


def read(tmp_path, text):
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return read_claim(path)


@pytest.mark.parametrize("path", claim_files(), ids=lambda path: path.stem)
def test_the_lessons_claims_are_whole(path):
    claim = read_claim(path)
    assert claim.title and claim.statement and claim.would_change and claim.sources
    assert any("\u4e00" <= letter <= "\u9fff" for letter in claim.lesson_zh) and claim.lesson_en
    assert claim.primary or claim.claimed_accuracy
    assert claim.quickened().quick
    if claim.primary:
        assert claim.seeds.count >= 10


def test_each_row_of_the_claims_has_its_file():
    assert {path.stem for path in CLAIMS.glob("*.toml")} == {
        "momentum", "batch_noise", "batch_norm", "learning_rate", "usual_lr", "minibatch_cost", "larger_steps",
        "uncertain_updates", "epochs", "escape", "ninety_nine",
    }  # fmt: skip


def test_a_list_makes_one_arm_a_value_and_settings_reach_every_arm(tmp_path):
    claim = read(tmp_path, SMALL)
    assert list(claim.arms) == ["lr 0.1", "lr 0.2", "lr 0.4", "momentum"]
    config = claim.config(claim.arms["lr 0.4"], 6)
    assert (config.lr, config.gamma, config.batch_size, config.epochs, config.seed) == (0.4, 0.0, 128, 4, 6)
    assert (config.dataset, config.split, claim.arms["lr 0.4"].probes) == ("fashion-mnist", "lesson", ("loss",))
    assert list(claim.arm_seeds(claim.arms["lr 0.1"])) == [5, 6, 7]
    assert len(claim.arm_seeds(claim.arms["momentum"])) == 6
    assert claim.arm_names(["lr *"]) == ["lr 0.1", "lr 0.2", "lr 0.4"]


def test_a_number_in_a_name_may_be_rounded(tmp_path):
    claim = read(tmp_path, SMALL.replace('name = "momentum"', 'name = "{gamma:.0%} of {batch_size:,}"'))
    assert "90% of 128" in claim.arms


def test_updates_alone_bound_a_run(tmp_path):
    claim = read(tmp_path, SMALL.replace("epochs = 4\n", ""))
    config = claim.config(claim.arms["momentum"], 5)
    assert (config.updates, config.epochs) == (30, 30)


def test_the_hash_is_that_of_the_file_and_any_change_of_the_text_changes_it(tmp_path):
    first, second = read(tmp_path, SMALL), read(tmp_path, SMALL + "# a word more\n")
    assert first.sha256 != second.sha256
    assert first.quickened().sha256 == first.with_seeds(9).sha256 == first.sha256


def test_a_quick_look_is_shorter_and_looks_no_later_than_it_lasts(tmp_path):
    text = SMALL.replace('measure = "updates_to_loss"\nat = 0.5', 'measure = "train_loss"\nat = 4')
    quick = read(tmp_path, text).quickened()
    assert quick.quick and quick.seeds.count == 3
    assert (quick.arms["lr 0.1"].fields["epochs"], quick.arms["momentum"].fields["updates"]) == (2, 10)
    assert quick.estimands[0].at == 2


def test_a_quick_look_counts_no_more_examples_than_it_trains_on(tmp_path):
    text = SMALL.replace('measure = "updates_to_loss"\nat = 0.5', 'measure = "path_ratio_by_examples"\nat = 4096')
    text = text.replace('probes = ["loss"]', 'probes = ["path"]\nupdates = 90').replace("epochs = 4\n", "")
    claim = read(tmp_path, text)
    assert (claim.estimands[0].at, claim.quickened().estimands[0].at) == (4096, 30 * 128)


def test_a_quick_look_tunes_by_the_last_validation_loss_as_it_may_not_reach_a_target(tmp_path):
    tuning = "[tuning]\nlr = [0.1, 0.2]\nseeds = [60]\n\n"
    tuned = f'{tuning}[[arms]]\nname = "tuned"\nlr = "tuned"\ntune_to_loss = 0.5\n\n[seeds]'
    claim = read(tmp_path, SMALL.replace("[seeds]", tuned))
    assert (claim.arms["tuned"].tune_to_loss, claim.quickened().arms["tuned"].tune_to_loss) == (0.5, None)
    assert claim.quickened().arms["tuned"].tuned


def test_a_quick_look_tunes_on_every_other_lr_and_one_seed(tmp_path):
    tuning = "[tuning]\nlr = [0.1, 0.2, 0.3, 0.4, 0.5]\nseeds = [60, 61]\n\n[seeds]"
    quick = read(tmp_path, SMALL.replace("[seeds]", tuning)).quickened()
    assert (quick.tuning.lr, quick.tuning.seeds) == ([0.1, 0.3, 0.5], [60])
    assert tiny().quickened().tuning.lr == [0.1, 0.2], "a grid of a few values stays whole"


def test_another_number_of_seeds_keeps_the_proportion_of_arms_with_their_own(tmp_path):
    more = read(tmp_path, SMALL).with_seeds(6)
    assert (more.arms["lr 0.1"].seeds, more.arms["momentum"].seeds, more.preregistered_seeds) == (6, 12, 3)


def test_no_seed_may_both_tune_and_judge():
    assert tiny().with_seeds(89).seeds.count == 89
    with pytest.raises(UserError, match="90 seeds would reach up to 90, but seed 90 tunes"):
        tiny().with_seeds(90)


def test_tuning_tries_every_lr_on_every_tuning_seed_on_train_and_validation():
    claim = tiny()
    configs = claim.tuning_configs(claim.arms["tuned"])
    assert [(config.lr, config.seed, config.split) for config in configs] == [(0.1, 90, "search"), (0.2, 90, "search")]
    judged = claim.config(claim.arms["tuned"], 1, 0.2)
    assert (judged.lr, judged.split) == (0.2, "lesson")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("count = 3", "count = 1", 13, "seeds.count is 1: it should be greater than or equal to 2"),
        ('title = "T"', 'titel = "T"', 1, "titel is not a field of a claim file; there are title, statement, "),
        (
            "epochs = 4",
            "learning_rate = 4",
            16,
            "settings.learning_rate is not a field of a claim file; there are lr, ",
        ),
        ("lr = [0.1, 0.2, 0.4]", 'lr = "fast"', 21, "lr is 'fast': it should be a number or a list of numbers or"),
        ("epochs = 4", "epochs = 1.5", 16, "epochs is 1.5: it should be a whole number or a list of whole numbers"),
        (
            "[seeds]",
            "[tuning]\nlr = []\nseeds = [60]\n\n[seeds]",
            12,
            "tuning.lr has 0 values: it should have 2 or more",
        ),
        ("updates = 30", "updates = 30\nepochs = 3", 26, "epochs and updates both say how long a run is"),
        (
            'epochs = 4\nprobes = ["loss"]\n\n[[arms]]\nname = "lr {lr}"',
            'updates = 4\nprobes = ["loss"]\n\n[[arms]]\nepochs = 2\nname = "lr {lr}"',
            20,
            "epochs and updates both say how long a run is",
        ),
        ('words = "w {effect}"', 'words = "w {effect} {effct}"', 33, "has a {} that is none of {effect}, {at} and"),
        ('words = "w {effect}"', 'words = "w {effect} {tenfold}"', 33, "only a slope has such a factor"),
        (
            'measure = "updates_to_loss"\nat = 0.5\ncompare = "log_ratio"\narms = ["lr 0.1", "lr 0.2"]',
            'measure = "train_loss"\nat = 4\ncompare = "value"\narms = ["momentum"]',
            35,
            "at is 4 epochs: arm 'momentum' lasts 30 updates; leave at out for its end",
        ),
        ("gamma = 0.9", "gamma = 1.5", 25, "gamma is 1.5"),
        ("gamma = 0.9", "gama = 0.9", 25, "gama is not a field"),
        ("updates = 30", "updates = 0", 26, "updates is 0"),
        ("lr = [0.1, 0.2, 0.4]", "lr = [0.1, -0.2]", 21, "lr is -0.2"),
        ('name = "lr {lr}"\nlr = [0.1, 0.2, 0.4]', 'name = "lr 0.1"\nlr = "tuned"', 21, "needs a table [tuning]"),
        ("gamma = 0.9", 'gamma = 0.9\noptimizer = "adam"', 25, "gamma is 0.9: adam has momentum of its own"),
        (
            "gamma = 0.9",
            'optimizer = "lion"',
            25,
            "optimizer is 'lion': it should be 'sgd', 'adam', 'adamw' or 'rmsprop'",
        ),
        ("gamma = 0.9", "optimizer = 3", 25, "optimizer is 3: it should be a name or a list of names"),
        ('name = "momentum"', 'name = "lr 0.2"', 24, "two arms are called so"),
        ('name = "momentum"', 'name = "m {what}"', 24, "no field fills"),
        ('name = "momentum"', 'name = "m {lr:1000000000}"', 24, "no field fills ('lr' with '1000000000')"),
        ('name = "momentum"', 'name = "m {lr.__class__.__mro__}"', 24, "no field fills ('lr.__class__.__mro__'"),
        ('name = "momentum"', 'name = "m {lr!r}"', 24, "no field fills"),
        ('name = "momentum"', 'name = "m {lr:{gamma}}"', 24, "no field fills"),
        ('name = "momentum"', 'name = "m {probes[0]}"', 24, "no field fills"),
        ('name = "momentum"', 'name = "m {lr:d}"', 24, "no field fills"),
        ('name = "momentum"', 'name = "m {lr"', 24, "no field fills"),
        ('measure = "updates_to_loss"', 'measure = "speed"', 34, "measure is 'speed': known are updates_to_loss"),
        ('measure = "updates_to_loss"\nat = 0.5', 'measure = "updates_to_loss"', 29, "at is missing"),
        ('measure = "updates_to_loss"', 'measure = "path_ratio"', 34, "lacks the probe path"),
        (
            'arms = ["lr 0.1", "lr 0.2"]',
            'arms = ["lr 0.1", "lr 0.3"]',
            37,
            "arms names 'lr 0.3': there are 'lr 0.1', 'lr 0.2'",
        ),
        ('arms = ["lr 0.1", "lr 0.2"]', 'arms = ["lr 0.1", "momentum"]', 37, "differ in their number of seeds"),
        ('arms = ["lr 0.1", "lr 0.2"]', 'arms = ["lr 0.1"]', 37, "a log_ratio compares two"),
        ("smallest_effect = 1.5", "claimed = 2.0", 29, "write claimed with margin, or smallest_effect alone"),
        ("smallest_effect = 1.5", "smallest_effect = 1.0", 38, "says no effect for a log_ratio"),
        ("smallest_effect = 1.5", "smallest_effect = -1.5", 38, "smallest_effect is -1.5: it should be above 0"),
        (
            "smallest_effect = 1.5",
            "claimed = 2.0\nmargin = 3.0",
            38,
            "claimed minus margin is -1.0: it should be above 0",
        ),
        ("smallest_effect = 1.5", "claimed = 1.0\nmargin = 0.5", 38, "says no effect for a log_ratio"),
        ('arms = ["lr 0.1", "lr 0.2"]', 'arms = ["lr 0.1", "mom*"]', 37, "arms names 'mom*'"),
        ('compare = "log_ratio"', 'compare = "value"', 37, "a value is that of one arm"),
        ("primary = true\n", "", 1, "primary = true"),
        ('probes = ["loss"]', 'probes = ["los"]', 17, "probes"),
        ("count = 3", 'count = "3"', 13, "seeds.count is '3'"),
        ("epochs = 4", 'epochs = 4\ndataset = "digits"', 17, "dataset is not a field"),
        ("[seeds]", "[tuning]\nlr = [0.1, 0.1]\nseeds = [60]\n\n[seeds]", 12, "should not name a value twice"),
        ("[seeds]", "[tuning]\nlr = [0.0, 0.1]\nseeds = [60]\n\n[seeds]", 12, "tuning.lr is 0.0"),
        ("[seeds]", "[tuning]\nlr = [0.1, 0.2]\nseeds = [60, 60]\n\n[seeds]", 13, "should not name a value twice"),
        (
            'measure = "updates_to_loss"\nat = 0.5',
            'measure = "train_loss"\nat = 5',
            35,
            "at is 5: arm 'lr 0.1' lasts 4",
        ),
        ('measure = "updates_to_loss"\nat = 0.5', 'measure = "global_basin"', 34, "is no run of the two-basin toy"),
        ('probes = ["loss"]', 'probes = ["loss", "validation_halves"]', 34, 'which needs split = "search"'),
        ("gamma = 0.9", "tune_to_loss = 0.5", 25, 'tune_to_loss needs lr = "tuned"'),
        ('at = 0.5\ncompare = "log_ratio"', 'compare = "slope"\nalong = "lr"', 29, "at is missing"),
        (
            'words = "w {effect}"\nmeasure = "updates_to_loss"\nat = 0.5',
            'words = "w {effect} at {at}"\nmeasure = "train_loss"',
            33,
            "has {at}, but at is missing",
        ),
        ('words = "w {effect}"', 'words = "w"', 33, "estimands.words: 'w' should hold {effect}"),
        ('words = "w {effect}"', 'words = "w {effect}"\nwhen = "at lr 1"', 34, "when belongs to estimands that ask"),
        ("smallest_effect = 1.5\n", f"smallest_effect = 1.5\n{AGAIN}", 44, "needs what the primary estimand has"),
        ('not_tuned = "N"\n', "", 1, "no estimand has question"),
        ('question = "lesson"', 'question = "tuned"', 5, "not_tuned says why no estimand has"),
        ("[seeds]", "[tuning]\nlr = [0.1, 0.2]\nseeds = [6]\n\n[seeds]", 13, "fresh seeds judge"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(tmp_path, old, new, line, message):
    assert old in SMALL
    with pytest.raises(UserError) as caught:
        read(tmp_path, SMALL.replace(old, new, 1))
    assert message in str(caught.value)
    assert f"small.toml, line {line}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_data_are_those_that_the_file_names_a_csv_file_beside_it(tmp_path):
    claim = read(tmp_path, 'dataset = "csv:wine.csv"\ntarget = "kind"\n' + SMALL)
    assert claim.data == DataChoice(f"csv:{tmp_path / 'wine.csv'}", "kind")
    assert claim.config(claim.arms["momentum"], 5).dataset == claim.dataset == "csv-wine"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('dataset = "irises"', "line 1: dataset is 'irises': it should be one of"),
        ('dataset = "auto"', 'line 1: dataset is "auto": a claim names its data'),
        ('target = "kind"', "line 1: target is 'kind': it needs --dataset csv:PATH"),
    ],
)
def test_data_that_cannot_be_had_are_refused_by_line(tmp_path, line, message):
    with pytest.raises(UserError) as refusal:
        read(tmp_path, f"{line}\n{SMALL}")
    assert message in str(refusal.value)


def test_a_claim_on_other_data_is_another_replication_and_says_so(tmp_path):
    claim = read(tmp_path, SMALL)
    moved = claim.on(data_choice("breast-cancer"))
    assert (moved.title, moved.sha256) == ("T (on breast-cancer)", claim.sha256)
    assert parent_name(moved) == parent_name(claim) + "-breast-cancer"
    assert parent_name(moved.quickened()) == parent_name(claim) + "-breast-cancer-quick-2"
    assert {moved.config(arm, 5).dataset for arm in moved.arms.values()} == {"breast-cancer"}
    assert moved.arguments.endswith("small.toml --dataset breast-cancer")
    assert claim.on(data_choice("fashion-mnist")) == claim


def test_other_data_of_the_same_name_are_refused_and_the_same_file_is_no_other(tmp_path):
    claim = read(tmp_path, 'dataset = "csv:wine.csv"\n' + SMALL)
    (tmp_path / "deeper").mkdir()
    assert claim.on(DataChoice(f"csv:{tmp_path}/deeper/../wine.csv")) == claim
    for other in (DataChoice("csv:/elsewhere/wine.csv"), DataChoice(f"csv:{tmp_path}/wine.csv", "kind")):
        with pytest.raises(UserError, match="uses other data that are also called 'csv-wine'"):
            claim.on(other)


def test_a_claim_without_runs_on_data_stays_what_it_is():
    published = literature()
    assert published.on(DataChoice("digits")) == published


def test_the_command_that_makes_its_runs_can_be_typed(tmp_path):
    moved = read(tmp_path, SMALL).on(DataChoice("csv:/my data/wine.csv", "kind")).quickened()
    assert moved.arguments.endswith("small.toml --dataset 'csv:/my data/wine.csv' --target kind --quick")


def test_what_is_no_toml_or_no_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="not valid TOML"):
        read(tmp_path, "title = ")
    with pytest.raises(UserError, match="cannot read the claim"):
        read_claim(tmp_path / "none.toml")
    (tmp_path / "a'b.toml").write_text(SMALL)
    with pytest.raises(UserError, match="letters, digits, _ and - only"):
        read_claim(tmp_path / "a'b.toml")


def test_arms_whose_names_differ_by_signs_alone_are_refused(tmp_path):
    text = SMALL.replace('name = "lr {lr}"', 'name = "小 {lr}"').replace('name = "momentum"', 'name = "大 0.1"')
    with pytest.raises(UserError, match="two arms are called so, but for signs"):
        read(tmp_path, text)


def test_settings_may_not_make_a_tuning_seed_judge(tmp_path):
    text = SMALL.replace("epochs = 4", "epochs = 4\nseeds = 200")
    with pytest.raises(UserError, match="so none of 5 to 204 may tune"):
        read(tmp_path, text.replace("[seeds]", "[tuning]\nlr = [0.1, 0.2]\nseeds = [101]\n\n[seeds]"))


def test_a_claim_of_the_project_is_not_to_be_taken_for_another(tmp_path):
    (tmp_path / "momentum.toml").write_text(SMALL, encoding="utf-8")
    with pytest.raises(UserError, match="a claim of the project is called 'momentum' already; rename the file"):
        read_claim(tmp_path / "momentum.toml")


def test_a_claim_is_found_by_name_or_path(tmp_path):
    assert find_claim("momentum").name == "momentum.toml"
    (tmp_path / "own.toml").write_text(SMALL)
    assert find_claim(str(tmp_path / "own.toml")) == tmp_path / "own.toml"
    assert find_claim("own") == Path("own.toml"), "as it is called here"
    with pytest.raises(UserError, match=r"no claim 'momentun': did you mean momentum\? known are batch_noise"):
        find_claim("momentun")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UserError, match=r"folder\.toml is a folder"):
        find_claim(str(tmp_path / "folder.toml"))
    with pytest.raises(UserError, match=r"none\.toml is not there"):
        find_claim(str(tmp_path / "none.toml"))


def test_a_claim_is_named_in_messages_as_a_person_names_it(tmp_path):
    (tmp_path / "own.toml").write_text(SMALL)
    assert read_claim(tmp_path / "own.toml").spec == str(tmp_path / "own.toml")
    assert read_claim(find_claim("momentum")).spec == "momentum"


def test_an_arms_own_updates_win_over_the_epochs_of_all(tmp_path):
    claim = read(tmp_path, SMALL)
    assert (claim.config(claim.arms["momentum"], 5).updates, claim.config(claim.arms["momentum"], 5).epochs) == (30, 30)


def test_published_results_need_an_accuracy_to_be_held_to(tmp_path):
    start = SMALL[: SMALL.index("[seeds]")]
    published = '[[published]]\nmodel = "M"\ntest_accuracy = 96.0\nsource = "S"\n'
    with pytest.raises(UserError, match="claimed_accuracy"):
        read(tmp_path, start + published)
    claim = read(tmp_path, "claimed_accuracy = 99.0\n" + start + published)
    assert claim.primary is None and claim.published[0].test_accuracy == 96.0


def test_a_claimed_accuracy_needs_a_published_result_that_counts(tmp_path):
    start = "claimed_accuracy = 99.0\n" + SMALL[: SMALL.index("[seeds]")]
    published = '[[published]]\nmodel = "M"\ntest_accuracy = 96.0\nsource = "S"\nunreproduced = "never"\n'
    for text in (start, start + published):
        with pytest.raises(UserError, match="claimed_accuracy needs at least one"):
            read(tmp_path, text)


def test_test_accuracy_is_not_to_be_had_where_the_test_set_is_not_watched(tmp_path):
    text = SMALL.replace('measure = "updates_to_loss"\nat = 0.5', 'measure = "test_accuracy"')
    with pytest.raises(UserError, match='has split "search", under which the test set is not watched'):
        read(tmp_path, text.replace("epochs = 4", 'epochs = 4\nsplit = "search"'))


def test_lines_are_found_in_tables_lists_of_tables_and_at_the_top():
    text = "a = 1\n[b]\nc = 2\n[[d]]\ne = 3\n[[d]]\nf = 4\n"
    assert [line_of(text, place) for place in (("a",), ("b", "c"), ("d", 0, "e"), ("d", 1, "f"))] == [1, 3, 5, 7]
    assert [line_of(text, place) for place in (("d", 1, "e"), ("z",), ())] == [6, 1, 1]


def test_the_template_is_the_example_of_the_documentation_and_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_template("hidden_width")
    assert path == Path("hidden_width.toml")
    docs = (PROJECT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert f"```toml\n{path.read_text(encoding='utf-8')}```" in docs
    claim = read_claim(path)
    assert (claim.section, claim.heading) == ("", "A wider hidden layer helps")
    assert write_template("other.toml") == Path("other.toml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken", "taken.toml is there already: choose another name"),
        ("momentum", "a claim of the project is called 'momentum' already"),
        ("a b", "should be letters, digits, _ and - only"),
        ("", "should be letters, digits, _ and - only"),
        ("/", "should be letters, digits, _ and - only"),
        ("v1.2", "should be letters, digits, _ and - only"),
        ("nowhere/mine", "cannot write nowhere/mine.toml (No such file or directory)"),
    ],
)
def test_a_template_takes_no_name_that_is_taken_or_not_valid(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("taken.toml").write_text("mine")
    with pytest.raises(UserError) as caught:
        write_template(name)
    assert message in str(caught.value)
    assert Path("taken.toml").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_arms_may_have_other_optimizers_and_schedules(tmp_path):
    text = SMALL.replace("lr = [0.1, 0.2, 0.4]", 'lr = [0.1, 0.2]\noptimizer = ["sgd", "adam"]').replace(
        '"lr {lr}"', '"{optimizer} {lr}"'
    )
    text = text.replace('"lr 0.1", "lr 0.2"', '"sgd 0.1", "adam 0.1"').replace(
        "epochs = 4", 'epochs = 4\nlr_schedule = "cosine"'
    )
    claim = read(tmp_path, text)
    assert list(claim.arms) == ["sgd 0.1", "adam 0.1", "sgd 0.2", "adam 0.2", "momentum"]
    config = claim.config(claim.arms["adam 0.2"], 5)
    assert (config.optimizer, config.lr, config.lr_schedule) == ("adam", 0.2, "cosine")


def test_the_steps_of_sgd_are_not_measured_on_another_optimizer(tmp_path):
    text = SMALL.replace('probes = ["loss"]', 'probes = ["loss", "path"]\nlr_schedule = "step"')
    text = text.replace('measure = "updates_to_loss"\nat = 0.5', 'measure = "step_gain"\nat = 4')
    with pytest.raises(UserError, match="has lr_schedule, and this measure is one of SGD at a constant lr"):
        read(tmp_path, text)


def test_a_quick_look_warms_up_in_fewer_epochs_than_it_trains(tmp_path):
    claim = read(tmp_path, SMALL.replace("epochs = 4", "epochs = 3\nwarmup_epochs = 2")).quickened()
    configs = [claim.config(arm, 5) for arm in claim.arms.values()]
    assert {(config.epochs, config.warmup_epochs) for config in configs if config.updates is None} == {(1, 0)}


NET = "def small(shape, classes, **params):\n    pass\n"


def with_network(text=SMALL):
    return text.replace("[settings]\n", '[settings]\nnetwork = "net.py:small"\nnetwork_params = { width = 4 }\n')


def test_a_network_and_its_hyperparameters_reach_every_arm(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "other.py").write_text(NET + "# other\n")
    more = '\n[[arms]]\nname = "w {width} d {depth}"\nnetwork_params = { width = [8, 16], depth = 2 }\n'
    more += '[[arms]]\nname = "other"\nnetwork = "other.py:small"\n'
    claim = read(tmp_path, with_network().replace("\n[[estimands]]", more + "\n[[estimands]]"))
    assert list(claim.arms)[-3:] == ["w 8 d 2", "w 16 d 2", "other"]
    config = claim.config(claim.arms["w 16 d 2"], 6)
    assert config.network.spec == "net.py:small" and config.network_params == (("depth", 2), ("width", 16))
    assert claim.config(claim.arms["lr 0.1"], 6).network_params == (("width", 4),)
    assert claim.config(claim.arms["other"], 6).network_params == (), "they are those of the other network"
    assert claim.texts == {"claim.toml": claim.text, "net.py": NET, "other.py": NET + "# other\n"}


def test_another_text_of_the_network_is_another_claim(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    before = read(tmp_path, with_network())
    (tmp_path / "net.py").write_text(NET + "# changed\n")
    after = read(tmp_path, with_network())
    assert before.text == after.text and before.sha256 != after.sha256 and parent_name(before) != parent_name(after)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_network(), r"line 16: network is 'net.py:small': cannot read"),
        (SMALL.replace("[settings]\n", "[settings]\nnetwork_params = { width = 4 }\n"), "network_params.width needs"),
        (SMALL.replace("[settings]\n", "[settings]\nnetwork_params = 3\n"), "network_params is 3: it should be a ta"),
        (SMALL.replace("[settings]\n", "[settings]\nnetwork = 4\n"), "line 16: settings.network is 4: it"),
    ],
)  # fmt: skip
def test_a_wrong_network_of_a_claim_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_two_networks_files_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(NET + f"# {folder}\n")
    arms = "".join(f'[[arms]]\nname = "{folder}"\nnetwork = "{folder}/net.py:small"\n' for folder in "ab")
    with pytest.raises(UserError, match="two files of networks are called so; rename one"):
        read(tmp_path, SMALL.replace("[[estimands]]", f"{arms}[[estimands]]"))


def test_an_accuracy_that_is_claimed_has_no_estimands(tmp_path):
    text = read_claim(find_claim("ninety_nine")).text + SMALL[SMALL.index("[[estimands]]") :]
    (tmp_path / "compact_cnn.py").write_text((CLAIMS / "compact_cnn.py").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="claimed_accuracy is judged without estimands"):
        read(tmp_path, text.replace("primary = true\n", ""))


def test_an_accuracy_that_is_claimed_needs_arms_with_a_test_accuracy(tmp_path):
    text = (
        find_claim("ninety_nine").read_text(encoding="utf-8").replace("[settings]\n", '[settings]\nsplit = "search"\n')
    )
    (tmp_path / "compact_cnn.py").write_text((CLAIMS / "compact_cnn.py").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="has no test accuracy, which claimed_accuracy asks for"):
        read(tmp_path, text)
