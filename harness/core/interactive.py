"""Plotly figures in a page that needs no network: the library once and compressed, which makes it a third as large."""

import base64
import gzip
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LEVEL = 9
# Browsers since 2023 have DecompressionStream.
_DRAW = """\
<script>
(async () => {
  const text = document.getElementById("plotly-packed").textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(stream).text();
  document.head.append(library);
  const template = JSON.parse(document.getElementById("plotly-template").textContent);
  for (const place of document.querySelectorAll("[data-figure]")) {
    const figure = JSON.parse(place.dataset.figure);
    figure.layout.template = template;
    Plotly.newPlot(place, figure.data, figure.layout, {displaylogo: false, responsive: true});
  }
})();
</script>"""


def figure_html(figure: "Figure", height: int = 450) -> str:
    """The place of a figure, `height` pixels high unless its layout says so, which `library_html` draws.

    It has the colours of plotly's own template.
    """
    high = figure.layout.height or height
    # In single quotes, because JSON is full of the others.
    data = escape(str(type(figure)(figure).update_layout(template=None).to_json()), quote=False).replace("'", "&#x27;")
    return f"<div style=\"width:100%;height:{high}px\" data-figure='{data}'></div>"


def library_html() -> str:
    """Plotly's library, and the script that draws all figures of the page. It belongs at the end of the page."""
    from plotly.io import templates
    from plotly.io.json import to_json_plotly
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(gzip.compress(get_plotlyjs().encode(), _LEVEL, mtime=0)).decode()
    template = to_json_plotly(templates["plotly"].to_plotly_json())
    return (
        f'<script type="application/json" id="plotly-template">{template}</script>\n'
        f'<script type="text/plain" id="plotly-packed">{packed}</script>\n{_DRAW}'
    )
