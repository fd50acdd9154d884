"""Stars of a report in memory, and what a script of a report holds."""

import json
import re

import numpy as np

from photometry.files import results_table
from photometry.report.stars import Stars


def stars(number=5, **columns):
    """Stars of one CCD from Tmag 8 to 15, with other columns if asked."""
    part = {column.name: [None] * number for column in results_table.COLUMNS} | {
        'priority': list(range(1, number + 1)), 'starid': list(range(11, 11 + number)),
        'sector': [1] * number, 'camera': [1] * number, 'ccd': [1] * number, 'cadence': [1800] * number,
        'status': ['ok'] * number, 'tmag': np.linspace(8, 15, number).tolist(), 'has_file': [True] * number}
    return Stars.of_parts([part | columns])


def called(path, function):
    """The arguments of the one call that a script consists of."""
    text = path.read_text('ascii')
    inside = re.fullmatch(rf'tessphot\.{function}\((.*)\);\n', text, re.DOTALL)
    return json.loads(f'[{inside[1]}]')
