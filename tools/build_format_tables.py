#!/usr/bin/env python
"""Write the tables of columns, datasets, keywords and settings into docs/formats, from the code.

    python tools/build_format_tables.py

A page has a table between the lines <!-- table: NAME --> and <!-- end of table -->; NAME is a key of
TABLES. tests/docs/test_format_tables.py fails where a page differs from the code.
"""

import logging
import re
from dataclasses import MISSING, fields
from functools import cache, partial
from pathlib import Path

import numpy as np
from sphinx.pycode import ModuleAnalyzer

from photometry.core import errors, quality, status
from photometry.files import (
    catalog,
    cube_psf,
    cube_schema,
    hlsp,
    lightcurve_schema,
    results_table,
    todo_tables,
)

DOCS = Path(__file__).parents[1] / 'docs'
SETTINGS = Path(__file__).parents[1] / 'photometry' / 'settings.toml'
_REGION = re.compile(r'(<!-- table: ([\w.]+) -->\n)(.*?)(<!-- end of table -->)', re.DOTALL)
_SIZES = {1009: 'rows', 1013: 'columns', 1019: 'times', 204: 'blocks', -1: 'n', 6: '6', 3: '3'}
"""Lengths of a cube that occur nowhere else, to tell the axes of its datasets by."""


def updated(text) -> str:
    """A page with its tables as the code has them."""
    return _REGION.sub(lambda found: f'{found[1]}\n{TABLES[found[2]]()}\n\n{found[4]}', text)


def table(head, rows) -> str:
    """A table in Markdown; the first cell of each row is code."""
    lines = [head, ['---'] * len(head), *([f'`{first}`', *rest] for first, *rest in rows)]
    return '\n'.join(f'| {" | ".join(map(_cell, line))} |' for line in lines)


def _cell(content):
    return str(content).replace('|', '&#124;').replace('<', '&lt;')


def columns(entries):
    """Columns of a table by a schema."""
    return table(('column', 'type', 'unit', 'meaning'),
                 [(entry.name, type_name(entry.dtype), entry.unit, entry.description) for entry in entries])


def datasets(entries, shape_of, prefix=''):
    """Datasets of an HDF5 file by a schema."""
    return table(('dataset', 'shape', 'type', 'unit', 'meaning'),
                 [(prefix + entry.name, shape_of(entry), type_name(entry.dtype), entry.unit,
                   entry.description) for entry in entries])


def keywords(meanings):
    """Keywords of a FITS header with their comments."""
    return table(('keyword', 'meaning'), meanings.items())


def attributes(kind):
    """Fields of a dataclass with the sentences below them."""
    return table(('name', 'type', 'meaning'), [(field.name, field.type, _sentence(kind, field.name))
                                               for field in fields(kind)])


def sql_columns(entries):
    """Columns of a table of the todo list."""
    return table(('column', 'type', 'meaning'),
                 [(entry.name, _sql_type(entry), entry.doc) for entry in entries.columns])


def flags(kind):
    """Members of an enumeration with the sentences below them."""
    return table(('bit' if issubclass(kind, int) else 'word', 'name', 'meaning'),
                 [(member.value, member.name, _sentence(kind, member.name)) for member in kind])


def cadence_flags():
    """Bits of a cadence, and whether they make it a bad one."""
    return table(('bit', 'name', 'not good'), [(flag.value, flag.name, 'x' if flag & quality.BAD_BITS else '')
                                               for flag in quality.CadenceFlag])


def settings():
    """Keys of settings.toml with their defaults and the comments behind them, a table a section."""
    sections = {}
    for line in SETTINGS.read_text().splitlines():
        if section := re.fullmatch(r'\[(\w+)\](?: +# (.*))?', line):
            rows = sections.setdefault(section[1] + (f': {section[2]}' if section[2] else ''), [])
        elif entry := re.fullmatch(r'(\w+) = (.*?)(?: +# (.*))?', line):
            rows.append([entry[1], f'`{entry[2]}`', entry[3] or ''])
        elif more := re.fullmatch(r' +# (.*)', line):
            rows[-1][2] += f' {more[1]}'
    return '\n\n'.join(f'## {name}\n\n' + table(('key', 'default', 'meaning'), rows)
                       for name, rows in sections.items())


def type_name(dtype) -> str:
    """Type in the words of numpy, without the order of the bytes."""
    return 'text' if dtype in ('U', 'str') else np.dtype(dtype).name


def _sql_type(entry):
    text = str(entry.type).lower()
    return text if entry.nullable or entry.primary_key else f'{text}, never NULL'


def _cube_shape(entry):
    needed = (field.name for field in fields(cube_schema.CubeInfo) if field.default is MISSING)
    lengths = {'rows': 1009, 'columns': 1013, 'times': 1019, 'block': 5}
    info = cube_schema.CubeInfo(**{**dict.fromkeys(needed, 0), **lengths})
    return ', '.join(_SIZES[length] for length in info.shape_of(entry))


def _psf_shape(entry):
    return 'places, 117, 117' if entry.name == 'samples' else 'places'


@cache
def _sentences(module):
    return ModuleAnalyzer.for_module(module).find_attr_docs()


def _sentence(kind, name):
    return ' '.join(_sentences(kind.__module__).get((kind.__name__, name), ())).strip().removesuffix('.')


TABLES = {
    'lightcurve.columns': partial(columns, lightcurve_schema.COLUMNS),
    'lightcurve.optional': partial(columns, lightcurve_schema.OPTIONAL),
    'lightcurve.tasoc': partial(columns, lightcurve_schema.TASOC_COLUMNS),
    'lightcurve.neighbours': partial(columns, lightcurve_schema.NEIGHBOURS),
    'lightcurve.primary': partial(keywords, lightcurve_schema.PRIMARY),
    'lightcurve.table': partial(keywords, lightcurve_schema.TABLE),
    'lightcurve.hlsp_primary': partial(keywords, hlsp.PRIMARY),
    'lightcurve.hlsp_table': partial(keywords, hlsp.TABLE),
    'cube.datasets': partial(datasets, (*cube_schema.LAYERS, cube_schema.SUMIMAGE, *cube_schema.TABLES,
                                        *cube_schema.BLOCKS), _cube_shape),
    'cube.psf': partial(datasets, cube_psf.COLUMNS, _psf_shape, f'{cube_psf.GROUP}/'),
    'cube.attributes': partial(attributes, cube_schema.CubeInfo),
    'catalog.stars': partial(columns, catalog.COLUMNS),
    'catalog.settings': partial(attributes, catalog.CatalogInfo),
    'results.columns': partial(columns, results_table.COLUMNS),
    'quality.cadence': cadence_flags,
    'quality.pixel': partial(flags, quality.PixelFlag),
    'quality.aperture': partial(flags, quality.ApertureFlag),
    'settings': settings,
    'status': partial(flags, status.STATUS),
    'reason': partial(flags, errors.Reason),
    **{f'todo.{name}': partial(sql_columns, entries)
       for name, entries in todo_tables.metadata.tables.items()},
}


def main():
    """Bring every page up to date."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    for path in sorted(DOCS.rglob('*.md')):
        text = path.read_text()
        if text != updated(text):
            path.write_text(updated(text))
            logging.info('wrote %s', path)


if __name__ == '__main__':
    main()
