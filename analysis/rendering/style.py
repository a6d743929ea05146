"""One look for all figures, set on import: colour-blind safe, readable at half size."""

import matplotlib as mpl
import seaborn as sns

mpl.use("agg")
sns.set_theme(context="talk", style="whitegrid", palette="colorblind")
PALETTE = "colorblind"
VERDICT_COLOURS = {
    "reproduced": "#029e73",
    "direction only": "#de8f05",
    "not reproduced": "#cc3311",
    "inconclusive": "#949494",
}
