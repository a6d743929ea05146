"""What is left of English on a Chinese page."""

import re
from html.parser import HTMLParser

# Names: of parameters, metrics, libraries, commands, data and people, which no language changes.
NAMES = set(
    re.findall(
        r"\w+",
        """
        lr gamma batch_size epochs epoch batch_norm hidden optimizer nats BatchNorm MLflow Optuna PyTorch torch
        autograd backward Fashion MNIST SGD Adam Nesterov TPE CNN MLP NLLLoss MSELoss Module Rumelhart Hinton
        Williams XOR Delta zip CSV log softmax DataLoader TensorDataset shuffle drop_last True False None relu
        sigmoid optim momentum requires_grad grad retain_graph CrossEntropyLoss linear1 weight NumPy float64
        float32 float16 ToTensor input_ output_ LessonModel RunConfig StackedTrainer make_optimizer train fit
        harness lesson analysis scikit learn python UTC SHA arXiv Holm Wilson Newcombe BCa Student SSE PCA Cov
        val_accuracy best_val_accuracy test_accuracy test_loss N_B S_min E_min bootstrap best_epoch trial study
        search median pruner sampler dataset digits sklearn csv toml zero_grad matplotlib loader len numpy tpe
        """,
    )
)
_WITH_NAMES = re.compile(r"\b(?:19|20)\d\d\b| · split ")  # sources with their year; the settings of an arm
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]{2,}")
_ADDRESS = re.compile(
    r"\$.*?\$|https?://\S+|[\w./-]+/[\w./-]+|--[\w-]+|\b[0-9a-f]{8,}\b|[\w-]+\.(?:py|toml|db|html)\b|\w+\.\w+"
)


class _Texts(HTMLParser):
    """The texts of a page, and its alt texts and labels, without code, formulas, scripts and quoted English."""

    _SKIPPED = ("script", "style", "code", "pre")

    def __init__(self):
        super().__init__()
        self.found = []
        self._open = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.found += [given[name] for name in ("alt", "aria-label", "data-name") if given.get(name)]
        if tag not in ("meta", "img", "br", "link", "input"):
            self._open.append((tag, tag in self._SKIPPED or given.get("class") == "formula"))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if data.strip() and not any(skipped for _tag, skipped in self._open):
            self.found.append(data.strip())


def texts(html):
    parser = _Texts()
    parser.feed(html)
    return parser.found


def english(text, known=()):
    """The English words in a text that are no names."""
    if _WITH_NAMES.search(text):
        return []
    words = _WORD.findall(_ADDRESS.sub(" ", text))
    return [word for word in words if word not in NAMES and word.lower() not in NAMES and word not in known]
