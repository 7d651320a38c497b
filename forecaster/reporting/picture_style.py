"""The styles of pictures: size, letters and resolution for a screen, a slide, or the column of a paper."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class PictureStyle:
    """How a picture is drawn.

    Attributes:
        size: width and least height, inches.
        row_height: of axes above each other, inches, where they need more than the least height.
        dpi: pixels per inch of a PNG.
        letters: their size, points.
        title: size of the letters of the title, points; 0 for none, as where a caption replaces it.
        legend_width: characters in a row of a legend.
        title_width: characters in a line of a title.
        line_scale: factor of the widths of lines and the sizes of markers.
    """

    size: tuple[float, float]
    row_height: float
    dpi: int
    letters: float
    title: float
    legend_width: int
    title_width: int
    line_scale: float


_STYLES = {
    # 16:9; letters are large enough to be read where the picture is 400 pixels wide.
    "screen": PictureStyle((8, 4.5), 0, 150, 10, 12, 84, 72, 1),
    # 16:9, 1,920 pixels wide; on a slide of 13.3 inches, letters and lines are twice as large: 21 points.
    "slide": PictureStyle((6.4, 3.6), 0, 300, 10, 12, 64, 56, 1),
    # The column of a page with two, 89 mm.
    "paper": PictureStyle((3.5, 2.4), 1.7, 600, 7, 0, 52, 52, 0.6),
}
_chosen = ContextVar("_chosen", default=_STYLES["screen"])


def choose_style(name: str) -> None:
    """Choose the style of the pictures that are drawn next: `screen`, `slide` or `paper`."""
    _chosen.set(_STYLES[name])


def get_style() -> PictureStyle:
    """Return the style that is chosen, that of the screen at first."""
    return _chosen.get()
