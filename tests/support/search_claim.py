"""A small claim on the digits whose arms are searches."""

SPACE = """\
[lr]
low = 0.01
high = 1.0
log = true
[epochs]
low = 1
high = 3
[batch_norm]
choices = [false, true]
"""

CLAIM = """\
title = "TPE beats random search"
statement = "S"
would_change = "W"
sources = ["X"]
not_tuned = "a search tunes"
dataset = "digits"

[seeds]
first = 1000
count = 2
step = 1000

[settings]
kind = "search"
trials = 12
space = "small_space.toml"

[[arms]]
name = "{sampler}"
sampler = ["tpe", "random"]

[[estimands]]
name = "winner"
primary = true
question = "lesson"
words = "TPE adds {effect} points"
measure = "test_accuracy"
compare = "difference"
arms = ["tpe", "random"]
smallest_effect = 0.5

[[estimands]]
name = "saved"
question = "lesson"
words = "Random search takes {effect} trials more to {at} %"
measure = "trials_to"
at = 90
compare = "difference"
arms = ["random", "tpe"]
smallest_effect = 2
"""


def write_claim(folder, claim=CLAIM, space=SPACE):
    """The path of the claim's file."""
    (folder / "small_space.toml").write_text(space, encoding="utf-8")
    path = folder / "small.toml"
    path.write_text(claim, encoding="utf-8")
    return path
