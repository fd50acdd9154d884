"""Sphinx's settings: pages lie where GitHub shows them, so the whole repository is the source directory."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / '_ext'), str(ROOT)]

project = 'tessphot'
author = 'the authors of tessphot'
project_copyright = author
release = version = (ROOT / 'photometry' / 'VERSION').read_text().strip()

extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon',
              'api_pages', 'mathml_formulae', 'tessphot_pages']
root_doc = 'README'
OUTSIDE = 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'DATA-LICENSES.md', 'benchmarks', 'docs', 'tests'
"""Of the repository's root; what else lies there, data perhaps, is not even looked through."""
exclude_patterns = [*sorted(set(os.listdir(ROOT)) - set(OUTSIDE)),
                    'docs/_*', '**/*.py', '**/*.txt', '**/.ipynb_checkpoints']

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 4
html_math_renderer = 'mathml'
nb_execution_timeout = 300  # s for a cell, on a slow machine
nb_execution_show_tb = True
autodoc_typehints = 'none'
napoleon_google_docstring = False
napoleon_use_ivar = True
default_role = 'py:obj'  # names in single backticks
toc_object_entries = False

html_theme = 'furo'
html_static_path = ['_static']
html_css_files = ['pages.css']
templates_path = ['_templates']
html_additional_pages = {'index': 'to_front.html'}
html_title = f'tessphot {release}'
