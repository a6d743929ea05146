"""Plotly figures in a page that needs no network: the library once and compressed, which makes it a third as large.

Printed, a page shows a still picture of each figure.
"""

import base64
import gzip
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_LEVEL = 9
_TEMPLATE = "plotly_white"
_STYLE = """\
<style>
[data-figure] { width: 100%; background: #fff; } .still { display: none; }
@media print {
  [data-figure] { display: none; }
  .still { display: block; max-width: 100%; max-height: 8cm; margin: 0 auto; }
}
</style>"""
# Base 85 as Python writes it, but for "<", which could begin a tag.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~"
# Browsers since 2023 have DecompressionStream.
_DRAW = """\
<script>
(async () => {
  const unpack = async (blob) => new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const digits = document.getElementById("plotly-digits").textContent;
  const text = document.getElementById("plotly-packed").textContent;
  const value = new Uint8Array(128);
  for (let i = 0; i < 85; i++) value[digits.charCodeAt(i)] = i;
  const bytes = new DataView(new ArrayBuffer(text.length / 5 * 4));
  for (let from = 0, to = 0; from < text.length; from += 5, to += 4) {
    let word = 0;
    for (let i = from; i < from + 5; i++) word = word * 85 + value[text.charCodeAt(i)];
    bytes.setUint32(to, word);
  }
  const size = Number(document.getElementById("plotly-packed").dataset.bytes);
  const library = document.createElement("script");
  library.textContent = await unpack(new Blob([bytes]).slice(0, size));
  document.head.append(library);
  const template = JSON.parse(document.getElementById("plotly-template").textContent);
  // None waits for another: a frame that is hidden draws when it is shown.
  const draw = async (place) => {
    const packed = Uint8Array.from(atob(place.dataset.figure), (letter) => letter.charCodeAt(0));
    const figure = JSON.parse(await unpack(new Blob([packed])));
    figure.layout.template = template;
    await Plotly.newPlot(place, figure.data, figure.layout, {displayModeBar: false, responsive: true});
    const still = document.createElement("img");
    still.className = "still";
    still.alt = place.getAttribute("aria-label");
    const size = {width: place.clientWidth || 800, height: parseInt(place.style.height)};
    still.src = await Plotly.toImage(place, {format: "png", scale: 2, ...size});
    place.after(still);
  };
  await Promise.all([...document.querySelectorAll("[data-figure]")].map(draw));
})();
</script>"""


def figure_html(figure: "Figure", label: str, height: int = 450) -> str:
    """The place of a figure, `height` pixels high unless its layout says so, which `library_html` draws.

    `label` says what the figure shows, for people who do not see it. Its colours are those of plotly's white template.
    """
    high = figure.layout.height or height
    content = str(type(figure)(figure).update_layout(template=None).to_json()).encode()
    data = base64.b64encode(gzip.compress(content, _LEVEL, mtime=0)).decode()
    return f'<div role="img" aria-label="{escape(label)}" style="height:{high}px" data-figure="{data}"></div>'


def library_html() -> str:
    """Plotly's library, and the script that draws all figures of the page. It belongs at the end of the page."""
    from plotly.io import templates
    from plotly.io.json import to_json_plotly
    from plotly.offline import get_plotlyjs

    content = gzip.compress(get_plotlyjs().encode(), _LEVEL, mtime=0)
    packed = base64.b85encode(content, pad=True).decode().replace("<", ",")
    template = to_json_plotly(templates[_TEMPLATE].to_plotly_json())
    return (
        f'{_STYLE}\n<script type="application/json" id="plotly-template">{template}</script>\n'
        f'<script type="text/plain" id="plotly-digits">{_DIGITS}</script>\n'
        f'<script type="text/plain" id="plotly-packed" data-bytes="{len(content)}">{packed}</script>\n{_DRAW}'
    )
