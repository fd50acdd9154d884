"""One look for all pictures."""

import contextlib

INK, MODEL, ACCENT, PALE = '#1b2a41', '#d1495b', '#2a7f9e', '#b8c4d0'
STYLE = {'figure.dpi': 110, 'savefig.dpi': 150, 'font.size': 9, 'axes.titlesize': 9, 'axes.edgecolor': INK,
         'axes.labelcolor': INK, 'text.color': INK, 'xtick.color': INK, 'ytick.color': INK,
         'axes.spines.top': False, 'axes.spines.right': False, 'legend.frameon': False,
         'image.origin': 'lower', 'image.interpolation': 'nearest'}
LIGHT, SIGNED = 'bone_r', 'cividis'
"""Colours of images: of light; of what may have either sign. Their lightness grows or falls throughout, so
that they can be read in print and by the colour-blind."""

NOTHING = '#f2dcb3'
"""Colour of pixels without a number: in no scale."""

LONGEST = 100
"""Letters of a text from a file that are shown."""


@contextlib.contextmanager
def figure(path, width, height, **options):
    """A figure that is saved to ``path`` when the block ends without an exception.

    Yields
    ------
    matplotlib.figure.Figure
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from photometry.files import atomic
    with mpl.rc_context(STYLE):
        made = Figure(figsize=(width, height), layout='constrained', **options)
        yield made
        with atomic.replaced(path) as temporary:
            made.savefig(temporary, format='png', metadata={'Software': 'tessphot'})


def plain(text) -> str:
    """A text from a file as a picture shows it: printable ASCII of bounded length.

    It is to be drawn with ``parse_math=False``, lest a dollar sign begin a formula.
    """
    text = ''.join(letter if ' ' <= letter <= '~' else '?' for letter in str(text))
    return text if len(text) <= LONGEST else text[:LONGEST - 3] + '...'


def halo(width=2.5):
    """Path effects that set a line off from an image, be that dark or bright there."""
    from matplotlib import patheffects
    return [patheffects.withStroke(linewidth=width, foreground='white')]
