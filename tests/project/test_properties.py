"""Whatever stands in a config, a search space, a claim or a table: it works, or one line says why not."""

import gzip
import hashlib
import json
import math
import string
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.claims.file import claim_files, read_claim
from harness.core.config import RunConfig, make_config
from harness.core.defaults import LESSON, OPTIONAL, SEARCHED
from harness.core.errors import UserError
from harness.core.paths import DEFAULT_SPACE
from harness.data import fashion_mnist
from harness.data.choice import data_choice
from harness.data.csv_table import read_csv
from harness.data.load import load
from harness.studies.space_file import read_space
from harness.tracking.reader import TrackedRun, config_of
from harness.tracking.schema import CONFIG_HASH
from harness.training.model import initial_model

CALM = {"deadline": None, "derandomize": True, "database": None}

NASTY = ["", " ", "\x00", "\x1b[31m", "\x7f", "\u2028", "\ud800", "中", "\u202e", "'", '"', "<script>alert(1)</script>",
         "../../x", "{}", "{lr}", "%s", "$(id)", "x" * 10_000, "nan", "None", "tuned"]  # fmt: skip
WORDS = st.sampled_from(NASTY) | st.text()
WHOLE = st.integers() | st.sampled_from([0, -1, 1, 2**32, 2**53 + 1, 2**63, 10**400])
ODD = st.one_of(
    st.none(), st.booleans(), WHOLE, st.floats(), WORDS, st.binary(), st.complex_numbers(),
    st.lists(st.floats(), max_size=2), st.dictionaries(WORDS, WHOLE, max_size=1),
)  # fmt: skip


def made(make, *args, **fields):
    """What `make` gives, or None where it refuses in one line."""
    try:
        return make(*args, **fields)
    except UserError as refusal:
        assert len(str(refusal).splitlines()) == 1
        return None


def recorded(config, **changed):
    fields = {name: str(value) for name, value in config.params().items()}
    return TrackedRun("1", "run", "FINISHED", fields | changed, {}, {CONFIG_HASH: config.content_hash}, 0)


@st.composite
def spoiled(draw, fields, strangers=("momentum", "<script>", "../x", "é" * 300, "a\nb")):
    """These fields, with none to three of them taken out or replaced, or with more beside them."""
    told = draw(st.fixed_dictionaries(fields))
    for name in draw(st.lists(st.sampled_from([*fields, *strangers]), max_size=3)):
        if draw(st.booleans()):
            told[name] = draw(ODD)
        else:
            told.pop(name, None)
    return told


FIELDS = {
    "lr": st.floats(0, exclude_min=True, allow_infinity=False),
    "gamma": st.floats(0, 1, exclude_max=True),
    "batch_size": st.integers(1, 2**53),
    "epochs": st.integers(1, 2**53),
    "batch_norm": st.booleans(),
    "seed": st.integers(0, 2**32 - 1),
    "dataset": st.text(),
    "split": st.sampled_from(["search", "lesson"]),
    "hidden": st.integers(1, 2**53),
    "standardize": st.booleans(),
    "hidden_batch_norm": st.booleans(),
    "updates": st.none() | st.integers(1, 2**53),
    "precision": st.sampled_from(["float32", "bfloat16"]),
}


def test_any_config_is_refused_in_one_line_or_comes_back_from_its_records():
    ended = set()

    @settings(**CALM, max_examples=1000)
    @given(spoiled(FIELDS), st.sampled_from(list(FIELDS)), WORDS)
    def check(fields, name, word):
        config = made(make_config, **fields)
        ended.add(config is not None)
        if config is None:
            return
        assert config.lr > 0 and math.isfinite(config.lr) and 0 <= config.gamma < 1
        assert min(config.batch_size, config.epochs, config.hidden, config.updates or 1) >= 1
        assert type(config.batch_norm) is type(config.standardize) is bool and 0 <= config.seed < 2**32
        assert config_of(recorded(config)) == config == RunConfig(**config.model_dump())
        assert made(config_of, recorded(config, **{name: word})) in (None, config), "altered records pass for whole"

    check()
    assert ended == {True, False}


def told(value):
    """A value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value).replace("'", '"').lower()


VALUES = st.one_of(
    st.sampled_from([
        "0", "-1", "1", "0.5", "1e308", "1e-320", "1e400", "nan", "-inf", "inf", "true", "false", '""', '"x"', '"*"',
        '"[a"', '"tuned"', "[]", "[0.1]", "[0.1, 0.1]", "[1, 2, 3]", "[true, false]", "[[1]]", "{}",
        "{low = 1, high = 2}", "1979-05-27", "07:32:00", "2026-13-45", "'''\na\nb'''", '"\\u0000"',
        '"{effect}"', '"{lr}"', '"{"', '"{}"', '"csv:../../x"', '"two-basins"', '"search"', '"slope"',
        # Found by a fuzzer: too long or too deep to print, or to fill in.
        "4294967295", "4294967296", "9" * 400, "9" * 5000, "0x" + "f" * 5000, "[" * 3000,
        "{a = " * 200 + "1" + "}" * 200, '"a\\nb"', '"{effect.x}"', '"{effect[x]}"', '"{effect:>999999999999}"',
        '"{lr:>999999999999}"', '"{epochs:c}"',
    ]),
    st.integers(1, 1000).map(told), WHOLE.map(told), st.floats(0, 1).map(told), st.floats().map(told), WORDS.map(told),
    st.lists(st.integers(1, 1000) | st.floats(0, 1), max_size=4).map(told),
)  # fmt: skip
KEYS = st.sampled_from([
    *SEARCHED, *OPTIONAL, "low", "high", "log", "choices", "value", "updates", "seeds", "first", "count", "probes",
    "words", "at",
    "tune_to_loss", "name", "when", "along", "claimed", "margin", "smallest_effect", "dataset", "target", "split", "x",
    "claimed_accuracy", "not_tuned", "lr.low", "arms", "settings", '"<script>"', "é",
    # Found by a fuzzer: names that a message has to take apart, or to print.
    '"a.b"', '"../../x"', '"a\\nb"', '"float"', "low" + ".a" * 2000,
])  # fmt: skip
BYTES = st.sampled_from([
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\x1b[31m", b"\xc2\x85", b'"', b"'''", b"[",
    b"]", b"[[", b"{", b"}", b"#", b"=", b".", b",", b"\\", b"\x7f", b" ", b"-", b"9",
])  # fmt: skip


EDITS = ("value", "value", "value", "key", "drop", "twice", "more")


@st.composite
def edited(draw, texts):
    """One of these TOML texts as bytes, after none to three edits of its lines and perhaps one of its bytes."""
    lines = draw(st.sampled_from(texts)).splitlines()
    for edit in draw(st.lists(st.sampled_from(EDITS), max_size=3)):
        places = [number for number, line in enumerate(lines) if " = " in line or line.startswith("[")]
        if not places:
            break
        at = draw(st.sampled_from(places))
        key = lines[at].partition(" = ")[0]
        match edit:
            case "value" if key != lines[at]:
                lines[at] = f"{key} = {draw(VALUES)}"
            case "key":
                lines[at] = lines[at].replace(key, draw(KEYS), 1)
            case "drop":
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case _:
                lines.insert(at + 1, f"{draw(KEYS)} = {draw(VALUES)}")
    written = "\n".join(lines).encode(errors="surrogatepass")
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(written)))
        written = written[:at] + draw(BYTES) + written[at + draw(st.integers(0, 2)) :]
    return written


def test_any_space_is_refused_in_one_line_or_gives_valid_configs(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    texts, ended = [DEFAULT_SPACE.read_text(encoding="utf-8")], set()

    @settings(**CALM, max_examples=800)
    @given(edited(texts), st.integers(0, 2**32 - 1))
    @example(b"[batch_size]\nlow = 1\nhigh = 9007199254740993\nlog = true", 0)
    @example(b"[lr]\nlow = 5e-324\nhigh = 1.7976931348623157e308\nlog = true", 0)
    @example(b"[lr]\nlow = 0.1\nhigh = 1.7976931348623157e308", 0)
    @example(b"[gamma]\nlow = 0\nhigh = 0.9999999999999999", 0)
    @example(b"\xef\xbb\xbf[lr]\nlow = 0.1\nhigh = 1", 0)
    @example(b"lr = " + b"[" * 3000, 0)
    @example(b"[lr]\nlow" + b".a" * 2000 + b" = 1\nhigh = 1", 0)
    @example(b"[batch_size]\nchoices = [" + b"9" * 5000 + b"]", 0)
    @example(b"[batch_size]\nchoices = [8, 0x" + b"f" * 5000 + b"]", 0)
    @example(b"[epochs]\nlow = 1\nhigh = 1e308", 0)
    @example(b"[lr]\nlow = 0.1\nhigh = 1\n[lr]\nlow = 0.1\nhigh = 1", 0)
    @example(b"[lr]\nlow = 1\nhigh = 0.1", 0)
    @example(b"[gamma]\nlow = 0\nhigh = 0.9\nlog = true", 0)
    @example(b"[batch_size]\nchoices = [8, 8]", 0)
    @example(b"lr = 3", 0)
    def check(written, seed):
        Path("space.toml").write_bytes(written)
        space = made(read_space, Path("space.toml"))
        ended.add(space is not None)
        if space is None:
            return
        distributions = space.distributions()
        assert {*SEARCHED} <= {*distributions, *space.fixed} <= {*SEARCHED, *OPTIONAL}
        assert not set(distributions) & set(space.fixed)
        choices = [some.choices for some in distributions.values() if hasattr(some, "choices")]
        assert all(len({*some}) == len(some) for some in choices)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        for params in [study.ask(distributions).params for _ in range(3)]:
            config = make_config(**space.fixed | params, seed=seed, dataset="digits", split="search")
            assert config_of(recorded(config)) == config
            assert space.outside(params) == [] and set(space.at_edge(params)) <= set(distributions)
            assert config.batch_size <= space.largest_batch()

    check()
    assert ended == {True, False}


SMALL = """\
title = "T"
statement = "S"
would_change = "W"
sources = ["X"]
dataset = "digits"
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
[tuning]
lr = [0.1, 0.2]
seeds = [90, 91]
[[arms]]
name = "lr {lr}"
lr = [0.1, 0.2, 0.4]
[[arms]]
name = "tuned {gamma}"
lr = "tuned"
tune_to_loss = 0.5
gamma = [0.0, 0.9]
updates = 30
seeds = 6
[[estimands]]
name = "faster"
primary = true
question = "lesson"
words = "w {effect} at {at}"
measure = "updates_to_loss"
at = 0.5
compare = "log_ratio"
arms = ["lr 0.1", "lr 0.2"]
smallest_effect = 1.5
[[estimands]]
name = "again"
question = "tuned"
words = "{effect}"
when = "tuned"
measure = "updates_to_loss"
at = 0.5
compare = "log_ratio"
arms = ["tuned 0.0", "tuned 0.9"]
smallest_effect = 1.5
"""


def check_claim(claim):
    """It, a quick look at it and one with fewer seeds give all their configs, and sentences for their numbers."""
    assert bool(claim.primary) != (claim.claimed_accuracy is not None)
    for made_of_it in (claim, claim.quickened(), claim.with_seeds(2)):
        assert made_of_it.sha256 == hashlib.sha256(claim.text.encode()).hexdigest()
        for arm in made_of_it.arms.values():
            seeds = made_of_it.arm_seeds(arm)
            for seed in (seeds[0], seeds[-1]):
                config = made_of_it.config(arm, seed, 0.1 if arm.tuned else None)
                assert config_of(recorded(config)) == config and config.seed == seed
            tuning = made_of_it.tuning_configs(arm) if arm.tuned else []
            assert not {config.seed for config in tuning} & set(seeds)
        for estimand in made_of_it.estimands:
            assert all(map(math.isfinite, (number for number in (*estimand.bound, estimand.at) if number is not None)))
            assert made_of_it.arm_names(estimand.arms)
            numbers = {"effect": "8.27", "at": "0.6", "tenfold": "2"}
            assert "8.27" in estimand.words.format(**numbers)
            assert estimand.when is None or estimand.when.format(**numbers)


@pytest.mark.slow
def test_any_claim_is_refused_in_one_line_or_gives_its_configs(tmp_path):
    texts = [SMALL] * 8 + [*(path.read_text(encoding="utf-8") for path in claim_files())]
    ended = set()

    @settings(**CALM, max_examples=1500)
    @given(edited(texts))
    @example(SMALL.encode())
    @example(SMALL.replace("primary = true\n", "").encode())
    @example(SMALL.replace("[90, 91]", "[6, 91]").encode())
    @example(SMALL.replace("gamma = [0.0, 0.9]", "gamma = [0.0, 1.5]").encode())
    @example(SMALL.replace("w {effect}", "{effect} {effct}").encode())
    @example(b"\xef\xbb\xbf" + SMALL.encode())
    @example(SMALL.replace("T", "é").encode("latin-1", "replace"))
    @example(b"title = " + b"[" * 3000)
    @example(b"title" + b".a" * 2000 + b" = 1")
    @example(b'"a.b" = 1\n' + SMALL.encode())
    @example(b'"a\\nb" = 1\n' + SMALL.encode())
    @example(b'"float" = 1\n' + SMALL.encode())
    @example(SMALL.replace('"lr {lr}"', '"a\\nb {lr}"').encode())
    @example(SMALL.replace('"lr {lr}"', '"{lr:>999999999999}"').encode())
    @example(SMALL.replace('"lr {lr}"', '"{epochs:c}"').replace("epochs = 4", "epochs = 1114112").encode())
    @example(SMALL.replace("w {effect}", "{effect.x}").encode())
    @example(SMALL.replace("w {effect}", "{effect[x]}").encode())
    @example(SMALL.replace("w {effect}", "{{effect}}").encode())
    @example(SMALL.replace("w {effect}", "{effect:>999999999999}").encode())
    @example(SMALL.replace("epochs = 4", "epochs = " + "9" * 400).encode())
    @example(SMALL.replace("epochs = 4", "epochs = " + "9" * 5000).encode())
    @example(SMALL.replace("epochs = 4", "epochs = 0x" + "f" * 5000).encode())
    @example(SMALL.replace('title = "T"', "title = 0x" + "f" * 5000).encode())
    @example(SMALL.replace("first = 5", "first = 4294967295").encode())
    @example(SMALL.replace("count = 3", "count = 9223372036854775807").encode())
    @example(SMALL.replace("lr = [0.1, 0.2, 0.4]", f"lr = {['0.1'] * 1001}".replace("'", "")).encode())
    @example(SMALL.replace("gamma = [0.0, 0.9]", "gamma = 0.9").replace("tuned {gamma}", "<script>").encode())
    def check(written):
        Path("mine.toml").write_bytes(written)
        claim = made(read_claim, Path("mine.toml"))
        ended.add(claim is not None)
        if claim is not None:
            check_claim(claim)

    check()
    assert ended == {True, False}


NUMBERS = st.floats(-1e30, 1e30).map(repr) | st.integers(-1000, 1000).map(str) | st.just("7")
ODD_CELLS = st.sampled_from([
    "nan", "NaN", "inf", "-inf", "1e400", "1e39", "1e38", "0x10", "1_000", "+1", "True", "NULL", "NA", "'", '"', "null",
    '"a""b"', "<script>", "../../x", "\x00", "\x1b", "中", "١", "+nan", "infinity", "1j", "2020-01-01", "1;2", '"1,0"',
    "9007199254740993", "18446744073709551616", "-0", "x" * 10_000, "1 2", "\ufeff", "1e5", "y", "None",
    # Found by a fuzzer: rows of empty cells, names of two lines, numbers and cells that are too long.
    "", " ", ",", ",,", '"a\nb"', ' "q"', "\u2028", "1" + "0" * 400, "9" * 5000, "x" * 200_000, "\n,,\n", "\n\n",
    "\n \n",
]) | st.text(string.printable.replace("\n", "").replace("\r", ""), min_size=1).map(lambda text: f"x{text}")  # fmt: skip


@st.composite
def tables(draw):
    """The bytes of a CSV file, whole or with a few cells, rows or bytes damaged, and the column named as its target."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(0, 24))
    labels = draw(st.sampled_from([["cat", "dog"], ["0", "1", "2"], ["7"], ["-1", "1.0"], ["<b>", "../x", "中"]]))
    cells = [[draw(NUMBERS) for _ in range(columns)] for _ in range(rows)]
    if draw(st.booleans()):
        cells = [["0.5", *row[1:]] for row in cells]  # a column that says nothing
    table = [[*row, labels[number % len(labels)]] for number, row in enumerate(cells)]
    names = [*"abcd"[:columns], "y"]
    if draw(st.booleans()):
        table.insert(0, names)
    for _ in range(draw(st.integers(0, 2)) if table else 0):
        row = draw(st.sampled_from(table))
        at = draw(st.integers(0, len(row) - 1))
        row[at : at + draw(st.integers(1, 2))] = [draw(ODD_CELLS)]
    end, comma = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([",", ",", ", "]))
    text = "".join(f"{comma.join(row)}{end}" for row in table)
    written = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(written)))
        written = written[:at] + draw(BYTES) + written[at:]
    return written, draw(st.sampled_from(["", "", "", "a", "y", "z"]))


@pytest.mark.slow
def test_any_table_is_refused_in_one_line_or_is_data_that_a_network_takes(tmp_path):
    ended = set()

    @settings(**CALM, max_examples=1200)
    @given(tables())
    @example((b"", ""))
    @example((b"a,y\n", ""))
    @example((b"a,y\n1,c\n", ""))
    @example((b"a,y\n" + b"1,c\n" * 24, ""))
    @example((b"a,y\n" + b"1,0.25\n1,0.5\n1,1\n" * 12, ""))
    @example((b"a,y\n" + b"1,c\n1,d\n" * 12, ""))
    @example((b"a,y\n" + b"-1.7e38,c\n1.7e38,d\n" * 12, ""))
    @example((b"a,y\n,\n1,c\n", ""))
    @example((b"a,y\nx,c\n1," + b"x" * 200_000 + b"\n", ""))
    @example((b"a,y\n" + b"x" * 200_000 + b",c\n1,d\n", ""))
    @example((b"a,y\n1" + b"0" * 400 + b",c\n1,d\n", ""))
    @example((b'"a\nb",y\n1,c\n1,d\n', "z"))
    @example((b'a,y\n1, "c\nd"\nx,d\n', ""))
    def check(table):
        written, target = table
        Path("table.csv").write_bytes(written)
        dataset = made(load, data_choice("csv:table.csv", target))
        ended.add(dataset is not None)
        if dataset is None:
            return
        rows = len(dataset.train_labels) + len(dataset.test_labels)
        assert len(dataset.classes) == len({*dataset.classes}) >= 2
        assert rows == len(read_csv(Path("table.csv"), target).labels)
        for inputs, labels in (
            (dataset.train_inputs, dataset.train_labels),
            (dataset.test_inputs, dataset.test_labels),
        ):
            assert inputs.shape == (len(labels), len(dataset.columns)) and len(labels) and len(dataset.columns)
            assert inputs.dtype == torch.float32 and inputs.isfinite().all()
            assert labels.dtype == torch.int64 and labels.min() >= 0 and labels.max() < len(dataset.classes)
        config = make_config(**LESSON, seed=1, dataset=dataset.name, split="search", standardize=True)
        assert initial_model(config, dataset)(dataset.test_inputs).isfinite().all()

    check()
    assert ended == {True, False}


@pytest.fixture
def small_files(monkeypatch):
    """Four tiny IDX files in the place of the official ones: their bytes by name, unpacked and packed."""
    folder = fashion_mnist.raw_folder(Path("data"))
    folder.mkdir(parents=True)
    official, files = [], {}
    for name, count in zip((file.name for file in fashion_mnist._FILES), (6, 6, 3, 3), strict=True):
        shape = (count, 2, 2) if "images" in name else (count,)
        sizes = b"".join(size.to_bytes(4, "big") for size in shape)
        raw = bytes([0, 0, 8, len(shape)]) + sizes + bytes(range(math.prod(shape)))
        packed = gzip.compress(raw, mtime=0)
        sums = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in (packed, raw)]
        official.append(fashion_mnist._File(name, *sums, shape, len(raw) - math.prod(shape)))
        files[name] = (raw, packed)
        (folder / f"{name}.gz").write_bytes(packed)
    monkeypatch.setattr(fashion_mnist, "_FILES", tuple(official))
    return files


@st.composite
def damage(draw, content):
    """These bytes after none to two changes: others in their place, some left out, some put in, the end cut off."""
    for _ in range(draw(st.integers(0, 2))):
        at, length = draw(st.integers(0, len(content))), draw(st.integers(0, 8))
        content = draw(st.sampled_from([
            content[:at] + draw(st.binary(max_size=8)) + content[at + length :],
            content[:at] + b"\xff" * length + content[at + length :],
            content[:at],
            content + content[:at],
        ]))  # fmt: skip
    return content


def test_idx_files_are_read_only_while_every_byte_is_right(small_files):
    whole, ended = fashion_mnist.read(Path("data")), set()
    folder = fashion_mnist.raw_folder(Path("data"))

    @settings(**CALM, max_examples=1000)
    @given(st.data(), st.sampled_from(list(small_files)), st.booleans(), st.booleans())
    def check(data, name, packed, header_alone):
        raw, official = small_files[name]
        if packed:
            written = gzip.compress(data.draw(damage(raw)), mtime=0) if header_alone else data.draw(damage(official))
        else:
            written = data.draw(damage(raw))
        (folder / f"{name}.gz").unlink()
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(written)
        found = made(fashion_mnist.read, Path("data"))
        assert (found is not None) == (written == (official if packed else raw))
        if found is not None:
            assert all(map(np.array_equal, found, whole))
        ended.add(found is not None)
        path.unlink()
        (folder / f"{name}.gz").write_bytes(official)

    check()
    assert ended == {True, False}


def test_a_path_with_a_null_byte_in_it_is_refused():
    assert made(data_choice, "csv:a\0b") is None
