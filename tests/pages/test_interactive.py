import base64
import gzip
import json
import re
from html.parser import HTMLParser

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from harness.pages.interactive import figure_html, library_html


class Figures(HTMLParser):
    """The figures that a browser would find in a page."""

    def __init__(self):
        super().__init__()
        self.found, self.labels = [], []

    def handle_starttag(self, tag, attrs):
        if "data-figure" in dict(attrs):
            packed = base64.b64decode(dict(attrs)["data-figure"])
            self.found.append(json.loads(gzip.decompress(packed)))
            self.labels.append(dict(attrs)["aria-label"])


def test_a_figure_is_data_whatever_its_texts_hold():
    title = "</div><script>alert('1')</script> \"quoted\" & more"
    page = Figures()
    page.feed(figure_html(go.Figure(data=go.Scatter(x=[1, 2], y=[3, 4]), layout={"title": {"text": title}}), title))
    (figure,) = page.found
    assert figure["layout"]["title"]["text"] == title
    assert page.labels == [title]
    assert figure["data"][0]["type"] == "scatter"


def test_the_library_is_whole_and_smaller_and_needs_no_network():
    page = library_html()
    ((size, packed),) = re.findall(r'id="plotly-packed" data-bytes="(\d+)">([^<]+)</script>', page)
    content = base64.b85decode(packed.replace(",", "<"))
    assert gzip.decompress(content[: int(size)]).decode() == get_plotlyjs()
    assert len(packed) % 5 == 0
    assert len(page) < 2_000_000 < len(get_plotlyjs())
    assert "src=" not in page.replace(packed, "")
