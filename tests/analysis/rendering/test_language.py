"""Every text of a page has its Chinese, in the catalogue or in the claim's file, and no page mixes the two."""

import ast
import io
import re
import string

import matplotlib as mpl
import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from matplotlib.text import Text
from support.paths import PROJECT

from analysis.rendering import language
from harness.claims.file import claim_files, read_claim
from harness.core.errors import UserError
from harness.core.language import _, language_code, ngettext

CATALOGUE = read_po(io.BytesIO((PROJECT / "analysis" / "locale" / "zh.po").read_bytes()))
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
HAN = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")  # characters and their punctuation
NAMES = re.compile("gamma|BatchNorm|Nesterov")
OF_COMMANDS = ("UserError", "Stopped", "echo")  # their messages are in English
SENTENCE = re.compile("[A-Za-z]{2,}( [a-z]+){3}")
OF_PAGES = (
    *(f"analysis/{place}" for place in ("judging", "rendering", "sections", "worked")),
    *(f"analysis/reports/{name}.py" for name in ("claims", "walkthrough", "study")),
    *(f"harness/studies/{name}.py" for name in ("findings", "page", "figures", "gain")),
)
# The page that compares studies, the line on a missing font and the lesson's code are in one language.
IN_ENGLISH = ("rendering/searches.py", "rendering/language.py", "worked/lesson_code.py")
PAGES = [
    path
    for place in OF_PAGES
    for path in ([PROJECT / place] if place.endswith(".py") else sorted((PROJECT / place).rglob("*.py")))
    if not str(path).endswith(IN_ENGLISH)
]
EXAMPLES = [
    PROJECT / "examples" / f"{name}.toml" for name in ("adam", "cnn_dropout", "mlp_dropout", "nesterov", "search")
]


def marked():
    """Every text that the source marks."""
    found = set()
    for package in ("harness", "analysis"):
        for path in (PROJECT / package).rglob("*"):
            method = {".py": "python", ".jinja": "jinja2"}.get(path.suffix)
            if method is None:
                continue
            with path.open("rb") as file:
                for _line, text, _comments, _context in extract(method, file, KEYWORDS):
                    found.add(text)
    return found - {"", (), None}


def holes(text):
    return sorted((name, form) for _text, name, form, _conversion in string.Formatter().parse(text) if name is not None)


def test_the_catalogue_has_each_text_of_the_source_and_no_other():
    """`make translations` brings new texts in and takes old ones out."""
    translated = {message.id for message in CATALOGUE if message.id}
    assert marked() == translated
    assert not CATALOGUE.obsolete


def test_each_sentence_that_a_page_may_show_is_marked():
    """Four words in a row are a sentence: shorter texts are names too. Errors are not of pages."""
    known = marked() | {arm for path in claim_files() for arm in read_claim(path).arms}
    for path in PAGES:
        tree = ast.parse(path.read_text())
        parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENTENCE.search(node.value):
                around = [node]
                while around[-1] in parents:
                    around.append(parents[around[-1]])
                is_docstring = isinstance(around[1], ast.Expr)
                called = [one.func for one in around if isinstance(one, ast.Call)]
                calls = {getattr(name, "id", getattr(name, "attr", "")) for name in called}
                is_marked = node.value in known or calls & {*KEYWORDS, *OF_COMMANDS}
                assert is_docstring or is_marked, f"{path}:{node.lineno}: {node.value}"


def test_each_translation_is_chinese_and_has_the_numbers_of_the_english_text():
    for message in CATALOGUE:
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[-1]
            chinese = message.string if isinstance(message.string, str) else message.string[0]
            words = re.sub(r"\{.*?\}", "", english).strip()
            assert (HAN.search(chinese) or not words) and not message.fuzzy, english
            if "{" in english:
                assert holes(chinese) == holes(english)


@pytest.mark.parametrize("path", [*claim_files(), *EXAMPLES], ids=lambda path: path.stem)
def test_each_claim_says_all_in_chinese(path):
    english, chinese = read_claim(path), read_claim(path).in_language("zh")
    for field in ("title", "statement", "would_change", "not_tuned", "earlier"):
        assert bool(HAN.search(getattr(chinese, field))) == bool(getattr(english, field)), field
    for before, after in zip(english.estimands, chinese.estimands, strict=True):
        assert HAN.search(after.words), after.name
        assert (before.when is None) == (after.when is None) and (after.when is None or HAN.search(after.when))
    for name, arm in chinese.arms.items():
        assert HAN.search(arm.shown) or not re.search("[a-z]{4}", NAMES.sub("", name)), name
        assert HAN.search(arm.words) or arm.words == arm.shown
    for result in chinese.published:
        assert HAN.search(result.source) or "," in result.source
        assert not result.unreproduced or HAN.search(result.unreproduced)
    assert (chinese.sha256, chinese.text, chinese.name) == (english.sha256, english.text, english.name)


def test_the_translation_is_no_part_of_what_a_claim_s_hash_is_made_from(tmp_path):
    whole = (PROJECT / "experiments" / "claims" / "momentum.toml").read_text()
    judged, mark, chinese = whole.partition("\n[zh]\n")
    (tmp_path / "mine.toml").write_text(judged)
    without = read_claim(tmp_path / "mine.toml")
    path = tmp_path / "mine.toml"
    path.write_text(whole)
    assert read_claim(path).sha256 == without.sha256 and read_claim(path).text == judged
    assert without.in_language("zh") == without
    path.write_text(f"{judged}{mark}{chinese.replace('动量', '惯性')}")
    assert read_claim(path).sha256 == without.sha256
    path.write_text(whole.replace("count = 10", "count = 11"))
    assert read_claim(path).sha256 != without.sha256


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('[zh.words]\nnone = "{effect}"', "words translates 'none': there are"),
        ('[zh.arms]\nnone = "无"', "arms translates 'none': there are"),
        ('[zh.words]\nequal_lr = "没有数"', "words of equal_lr has no {}, and the English sentence {"),
        ('[zh.words]\nequal_lr = "{effekt}"', "has a {} that is none of"),
        ("[seeds]\nfirst = 1\ncount = 10", "[seeds] follows [zh]: the translation should be the end of the file"),
        ('name = "x"', "zh.name is not a field of a claim file; there are title, statement"),
    ],
)
def test_a_translation_that_does_not_fit_is_refused_with_its_line(tmp_path, line, told):
    path = tmp_path / "mine.toml"
    judged = (PROJECT / "experiments" / "claims" / "momentum.toml").read_text().partition("\n[zh]\n")[0]
    judged = re.sub(r"\[seeds\]\n(\w+ = \d+\n)+", "", judged) if "[seeds]" in line else judged
    path.write_text(f'{judged}\n[zh]\ntitle = "题"\nstatement = "述"\nwould_change = "改"\n{line}\n')
    with pytest.raises(UserError, match=re.escape(told)) as error:
        read_claim(path)
    assert f"{path}, line " in str(error.value)


def test_a_translation_without_a_line_of_its_own_is_refused(tmp_path):
    """Else its text would be hashed with the rest."""
    path = tmp_path / "mine.toml"
    whole = (PROJECT / "experiments" / "claims" / "momentum.toml").read_text()
    path.write_text(whole.replace("\n[zh]\n", "\n[zh]  # Chinese\n"))
    with pytest.raises(UserError, match=r"line \d+: zh should begin with a line that is \[zh\] and nothing else"):
        read_claim(path)


def test_a_language_ends_where_its_block_ends():
    assert (_("holds"), language_code()) == ("holds", "en")
    with language.spoken("zh"):
        assert (_("holds"), language_code()) == ("成立", "zh-CN")
        assert _("a text without translation") == "a text without translation" and _("") == ""
        assert ngettext("one", "many", 2) == "many"
    assert (_("holds"), language_code()) == ("holds", "en")


def test_figures_take_the_font_that_is_there(monkeypatch):
    monkeypatch.setattr(language, "fonts", lambda: ["Some Font"])
    with language.spoken("zh"):
        assert mpl.rcParams["font.family"][-1] == "Some Font"
    assert "Some Font" not in mpl.rcParams["font.family"]


def test_without_such_a_font_figures_keep_their_symbols_and_a_line_says_so(monkeypatch, tmp_path, capsys):
    from matplotlib.figure import Figure

    from analysis.rendering import files

    monkeypatch.setattr(language, "fonts", list)
    monkeypatch.setattr(files, "fonts", list)
    with language.language_of_pages("zh", tmp_path) as folder:
        assert folder == tmp_path / "zh"
    assert capsys.readouterr().out.startswith("warning: no font with Chinese characters was found")
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel="训练损失（nats）", ylabel="w₁", title="学习率 lr 0.15")
    files.drawn(figure, "svg")
    assert [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()] == ["nats", "w₁", "lr 0.15"]
    assert not any(HAN.search(text.get_text()) for text in figure.findobj(Text))
