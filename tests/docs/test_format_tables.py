"""Tables and versions in docs/formats are those of the schemas in the code."""

import sys
import tomllib
from pathlib import Path

import pytest

from photometry.files import catalog, cube_schema, lightcurve_schema, results_table, todo_tables, truth

ROOT = Path(__file__).parents[2]
FORMATS = ROOT / 'docs' / 'formats'
VERSIONS = {'catalog': catalog.SCHEMA, 'cube': cube_schema.SCHEMA, 'lightcurve': lightcurve_schema.VERSION,
            'table': results_table.SCHEMA, 'todo': todo_tables.SCHEMA, '../simulation': truth.SCHEMA}


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(ROOT / 'tools'))
    try:
        import build_format_tables
    finally:
        sys.path.remove(str(ROOT / 'tools'))
    return build_format_tables


@pytest.mark.parametrize('path', sorted(FORMATS.glob('*.md')), ids=lambda path: path.stem)
def test_tables_are_those_of_the_code(path, tool):
    assert path.read_text() == tool.updated(path.read_text()), 'run python tools/build_format_tables.py'


def test_every_table_stands_somewhere(tool):
    pages = ''.join(path.read_text() for path in FORMATS.glob('*.md'))
    assert not [name for name in tool.TABLES if f'<!-- table: {name} -->' not in pages]


def test_a_changed_cell_is_found(tool):
    page = (FORMATS / 'cube.md').read_text()
    assert tool.updated(page.replace('| float32 |', '| float16 |')) == page


def test_no_column_is_without_a_meaning(tool):
    assert not [entry for table in todo_tables.metadata.tables.values() for entry in table.columns
                if not entry.doc]
    assert tool.columns([lightcurve_schema.COLUMNS[3]]).splitlines()[-1] == (
        "| `FLUX` | float32 | e-/s | the star's own total flux |")


def test_cells_cannot_break_a_table(tool):
    assert tool.table(('a', 'b'), [('x', 'one | two <three>')]).splitlines()[-1] == (
        '| `x` | one &#124; two &lt;three> |')


@pytest.mark.parametrize('page', VERSIONS)
def test_pages_tell_the_version_of_the_schema(page):
    assert f'chema {VERSIONS[page]}' in (FORMATS / f'{page}.md').read_text()


def test_every_setting_has_a_meaning(tool):
    page = (FORMATS / 'settings.md').read_text()
    with open(tool.SETTINGS, 'rb') as file:
        sections = tomllib.load(file)
    assert sum(map(len, sections.values())) == page.count('\n| `')
    for section, keys in sections.items():
        part = page.partition(f'## {section}')[2].partition('## ')[0]
        assert not [key for key in keys if f'| `{key}` |' not in part]
