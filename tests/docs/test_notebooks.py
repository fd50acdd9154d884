"""The notebooks run from top to bottom, claims about their results included; git holds no outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / 'docs' / 'notebooks'
NOTEBOOKS = sorted(FOLDER.glob('*.ipynb'))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}).execute()
    drawn = [output for cell in notebook.cells for output in cell.get('outputs', ())
             if 'image/png' in output.get('data', ())]
    assert len(drawn) >= 3
    assert not [output for cell in notebook.cells for output in cell.get('outputs', ())
                if output['output_type'] == 'stream']


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_left_out(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == 'code']
    assert cells and not [cell for cell in cells if cell.outputs or cell.execution_count]


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_its_results_against_something(path):
    source = '\n'.join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert source.count('\nassert ') + source.startswith('assert ') >= 3
