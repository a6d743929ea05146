"""What the words of a report mean."""

from harness.core.language import N_

LEGEND = {
    N_("reproduced"): N_(
        "the effect is as claimed: its interval lies inside what was claimed, which was written down,"
        " with its margin, before the runs of this version of the claim file; each section names earlier runs."
    ),
    N_("direction only"): N_(
        "the effect has the claimed sign, and is larger than claimed, smaller than claimed, or of uncertain size."
    ),
    N_("not reproduced"): N_(
        "the effect is too small to matter (though not zero), negligible (too small to matter, if"
        " there is any), not found (the interval contains no effect and lies below the smallest one that matters), or"
        " reversed."
    ),
    N_("inconclusive"): N_(
        "undecided: the interval contains both no effect (0, or 1 for a factor) and effects that matter."
    ),
    "n": N_("the number of paired seeds: under each, all arms share split, initial weights and order of the examples."),
    N_("arm"): N_("one setting that is compared; the first arm of a comparison is A, the other one B."),
    N_("primary"): N_("the one comparison that gives a claim its verdict."),
    "p": N_(
        "of a sign-flip test on the pairs; Holm: adjusted for the number of claims. P(A>B): share of seeds where A is"
        " greater; ties count half."
    ),
    N_("mean, t; Newcombe; BCa; order statistics"): N_(
        "how the interval is made: Student's t, of a difference of shares, by a"
        " bootstrap, of a median where runs never reached the target."
    ),
    N_("units"): N_(
        "an update is one step of descent; a point is one per cent of the examples; nats measure the loss (ln k"
        " for guessing among k classes, 2.3 for ten); × is a factor; a slope is an exponent."
    ),
    N_("lr, momentum"): N_("the learning rate; momentum 0.9 is γ = 0.9 (gamma)."),
}
