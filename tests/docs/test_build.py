"""The pages build without a warning, name each other, and ask nothing of the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = '-m', 'sphinx', '-q', '-W', '--keep-going', '-c', 'docs', '-D', 'nb_execution_mode=off', '.'
"""That of ``make docs``, but notebooks are shown as they are: tests/docs/test_notebooks.py executes them."""
ASKS = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(?:https?:)?//', re.IGNORECASE)


def modules():
    paths = (path.relative_to(ROOT).with_suffix('') for path in (ROOT / 'photometry').rglob('*.py'))
    return {'.'.join(path.parts).removesuffix('.__init__') for path in paths} - {'photometry'}


@pytest.mark.slow
def test_pages(tmp_path):
    done = subprocess.run([sys.executable, *COMMAND, str(tmp_path)], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob('*.html')}
    assert 'url=README.html' in pages['index.html']
    assert not [name for name, text in pages.items() if ASKS.search(text)]
    written = [name for name in pages if name.startswith('docs/') and '/api/' not in name]
    assert len(written) > 45
    rooms = ''.join(text for name, text in pages.items() if name.startswith('docs/api/'))
    assert not [name for name in modules() if f'id="module-{name}"' not in rooms]
    assert 'photometry.files.lightcurve.read_lightcurve' in rooms
    assert not [name for name in written if f'href="{name}"' not in pages['README.html']]
