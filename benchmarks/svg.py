"""Vega-Lite into SVG, on a transparent ground, with the colours of a light page or a dark one."""

from typing import Any, Literal

import vl_convert

Theme = Literal["light", "dark"]
_FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_INK = {"light": ("#1f2328", "#59636e", "#d1d9e0"), "dark": ("#f0f6fc", "#9198a1", "#3d444d")}


def svg(chart: Any, theme: Theme) -> str:
    """The picture; needs no font and nothing from anywhere."""
    ink, quiet, line = _INK[theme]
    words: dict[str, Any] = {"labelColor": quiet, "titleColor": quiet, "labelFont": _FONT, "titleFont": _FONT}
    dressed = chart.configure(background="transparent", font=_FONT)
    dressed = dressed.configure_view(stroke=None)
    dressed = dressed.configure_axis(
        **words, gridColor=line, domainColor=line, tickColor=line, titleFontWeight="normal", labelFontSize=12
    )
    dressed = dressed.configure_legend(**words, titleFontWeight="normal", orient="top", labelFontSize=12)
    dressed = dressed.configure_header(**words, labelFontSize=13, labelFontWeight="bold")
    dressed = dressed.configure_title(color=ink, subtitleColor=quiet, anchor="start", fontSize=15, offset=14)
    # Altair's own marks of text have no colour of a theme.
    dressed = dressed.configure_text(color=ink, font=_FONT, fontSize=11)
    return str(vl_convert.vegalite_to_svg(dressed.to_dict()))
