"""Light-curve files in a tenth of the time that the checked reader takes, for thousands of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

_BLOCK, _CARD = 2880, 80
_KINDS = {'D': '>f8', 'E': '>f4', 'J': '>i4', 'K': '>i8', 'I': '>i2'}


def read(path):
    """What the figures need of a light curve: columns, primary, table and aperture.

    Nothing is verified; `photometry.files.lightcurve.read_lightcurve` does.
    """
    data, start, found = Path(path).read_bytes(), 0, {}
    while start < len(data):
        header, start = _header(data, start)
        size = abs(header.get('BITPIX', 8)) // 8 * header.get('NAXIS1', 0) * header.get('NAXIS2', 1)
        found[header.get('EXTNAME', 'PRIMARY')] = header, data[start:start + size]
        start += -(-size // _BLOCK) * _BLOCK
    table, rows = found['LIGHTCURVE']
    aperture, pixels = found['APERTURE']
    return SimpleNamespace(
        columns=_columns(table, rows), primary=found['PRIMARY'][0], table=table,
        aperture=np.frombuffer(pixels, dtype='>i4').reshape(aperture['NAXIS2'], aperture['NAXIS1']))


def _header(data, start):
    """Cards with a value from an offset on, and where the data begin."""
    values = {}
    for place in range(start, len(data), _CARD):
        card = data[place:place + _CARD].decode('ascii')
        if card.startswith('END '):
            return values, start + -(-(place + _CARD - start) // _BLOCK) * _BLOCK
        if card[8:10] == '= ':
            values[card[:8].rstrip()] = _value(card[10:])
    raise ValueError('a header does not end')


def _value(text):
    text = text.strip()
    if text.startswith("'"):
        return text[1:].split("'")[0].rstrip()
    word = text.split('/')[0].strip()
    if word in ('T', 'F', ''):
        return {'T': True, 'F': False, '': None}[word]
    return float(word) if set(word) & set('.E') else int(word)


def _columns(table, rows):
    names = [table[f'TTYPE{number}'] for number in range(1, table['TFIELDS'] + 1)]
    kinds = [_KINDS[table[f'TFORM{number}'].lstrip('1')] for number in range(1, table['TFIELDS'] + 1)]
    values = np.frombuffer(rows, dtype=list(zip(names, kinds, strict=True)))
    return {name: values[name].astype(values[name].dtype.newbyteorder('=')) for name in names}
