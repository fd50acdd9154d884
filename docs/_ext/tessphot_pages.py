"""What the pages of tessphot need beyond Sphinx: the table of contents behind the README."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTENTS = ROOT / 'docs' / '_contents.md'
_PAGE = re.compile(r'(?m)^[\w/]+$')
_REST = re.compile(r'(?m)^([\w/]+)/\*$')


def setup(app):
    app.connect('source-read', _add_contents)
    return {'version': '1', 'parallel_read_safe': True, 'parallel_write_safe': True}


def _add_contents(app, docname, source):
    """The README has no directives, for GitHub's sake; as front page it gets the list of all pages."""
    if docname == app.config.root_doc:
        text = CONTENTS.read_text()
        source[0] += '\n' + contents(text)
        for path in (CONTENTS, *(ROOT / folder for folder in _REST.findall(text))):
            app.env.note_dependency(str(path))  # a page that comes or goes changes its folder


def contents(text) -> str:
    """The lists of pages, where ``folder/*`` stands for the pages of a folder that are named nowhere else."""
    named = set(_PAGE.findall(text))

    def rest(line):
        folder = ROOT / line[1]
        pages = sorted(f'{line[1]}/{path.stem}' for kind in ('*.md', '*.rst', '*.ipynb')
                       for path in folder.glob(f'[!_]{kind}'))
        return '\n'.join(page for page in pages if page not in named)
    return _REST.sub(rest, text)
