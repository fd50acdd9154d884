"""One look for all pictures."""

import contextlib

INK, MODEL, ACCENT, PALE = '#1b2a41', '#d1495b', '#2a7f9e', '#b8c4d0'
STYLE = {'figure.dpi': 110, 'savefig.dpi': 150, 'font.size': 9, 'axes.titlesize': 9, 'axes.edgecolor': INK,
         'axes.labelcolor': INK, 'text.color': INK, 'xtick.color': INK, 'ytick.color': INK,
         'axes.spines.top': False, 'axes.spines.right': False, 'legend.frameon': False,
         'image.origin': 'lower', 'image.interpolation': 'nearest'}


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
