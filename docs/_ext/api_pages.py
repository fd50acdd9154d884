"""Pages of the API reference, one a room of the package, written before Sphinx looks for pages."""

import pkgutil
from pathlib import Path

from sphinx import addnodes

import photometry

FOLDER = Path(__file__).parents[1] / 'api'
MODULE = """
{name}
{line}

.. automodule:: {name}
   :members:
   :show-inheritance:
   :member-order: bysource
"""


def setup(app):
    app.connect('builder-inited', _write)
    app.connect('doctree-read', _leave_words)
    return {'version': '1', 'parallel_read_safe': True, 'parallel_write_safe': True}


def _write(app):
    FOLDER.mkdir(exist_ok=True)
    for title, names in rooms().items():
        text = f'{title}\n{"=" * len(title)}\n' + ''.join(
            MODULE.format(name=name, line='-' * len(name)) for name in names)
        path = FOLDER / f'{title}.rst'
        if not path.exists() or path.read_text() != text:  # what stands unchanged is not read again
            path.write_text(text)


def _leave_words(app, doctree):
    """Types are words, as *ndarray (rows, columns)*: names made of those would be wrong ones."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node.get('refspecific') and node['reftarget'].islower():
            node.replace_self(node.children)


def rooms() -> dict:
    """Names of modules by the room that they are in; those in none are together."""
    found = {'photometry': []}
    for module in pkgutil.walk_packages(photometry.__path__, 'photometry.'):
        parts = module.name.split('.')
        is_in_a_room = module.ispkg or len(parts) > 2
        found.setdefault(parts[1] if is_in_a_room else 'photometry', []).append(module.name)
    return found
