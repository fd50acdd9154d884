"""Archives on this machine that speak as MAST and the services of Gaia do, with given stars."""

import csv
import io
import json
import re
import threading
from pathlib import Path

import numpy as np
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table
from http_stub import Reply

from photometry.core.coordinates import angular_distance
from photometry.files.archives import Archives
from photometry.files.query_cache import QueryCache
from photometry.files.star_table import GAIA_COLOURS, GAIA_TO_TMAG
from photometry.files.web import Web

ROWS = Path(__file__).parent / 'input' / 'catalogs' / 'tic82_rows.csv'
"""206 rows of TIC 8.2 around RA 137.2, Dec -15.3."""

COLUMNS = ('ID', 'GAIA', 'objType', 'ra', 'dec', 'pmRA', 'pmDEC', 'Tmag', 'Teff', 'disposition', 'version')
TYPES = {'ID': 'int', 'version': 'string', 'GAIA': 'string', 'objType': 'string', 'disposition': 'string'}
"""Types as MAST declares them; all others are float."""


def real_rows():
    """The rows of `ROWS` as MAST puts them into JSON: names in its case, numbers and null."""
    with open(ROWS, newline='') as file:
        return [{name: _json(name, line[name.lower()]) for name in COLUMNS} for line in csv.DictReader(file)]


def tic_row(number, ra, dec, tmag=10.0, **more):
    """A made row."""
    known = {'ID': number, 'ra': ra, 'dec': dec, 'Tmag': tmag, 'objType': 'STAR', 'version': '20190415'}
    return dict.fromkeys(COLUMNS) | known | more


def _json(name, text):
    if name in ('GAIA', 'objType', 'disposition', 'version'):
        return text or None
    return (int(text) if name == 'ID' else float(text)) if text else None


class Mast:
    """The Mashup interface over a list of rows; a function of a `Request` as `Stub` wants it."""

    def __init__(self, rows):
        self.rows = rows
        self.asked = []
        self.lock = threading.Lock()

    def __call__(self, request):
        query = json.loads(request.form['request'])
        with self.lock:
            self.asked.append(query)
        found = self.found(query['params'])
        page, size = query['page'], query['pagesize']
        part = found[(page - 1) * size:page * size]
        names = query['params']['columns'].split(',')
        paging = {'page': page, 'pageSize': size, 'pagesFiltered': -(-len(found) // size), 'rows': len(part),
                  'rowsFiltered': len(found), 'rowsTotal': len(found)}
        return answer([{name: row[name] for name in names} for row in part], paging, names)

    def found(self, params):
        """Rows that a query asks for."""
        return [row for row in self.rows if self._chosen(row, params)]

    @staticmethod
    def _chosen(row, params):
        for rule in params['filters']:
            value, limits = row[rule['paramName']], rule['values'][0]
            if isinstance(limits, dict):
                if value is None or not limits['min'] <= value <= limits['max']:
                    return False
            elif value not in rule['values'] and str(value) not in rule['values']:
                return False
        return 'ra' not in params or angular_distance(row['ra'], row['dec'], params['ra'],
                                                      params['dec']) <= params['radius']


def answer(rows, paging=None, names=(), **changes):
    """An answer of MAST's."""
    fields = [{'name': name, 'type': TYPES.get(name, 'float')} for name in names]
    content = {'status': 'COMPLETE', 'msg': '', 'data': rows, 'fields': fields, 'paging': paging} | changes
    return Reply(json.dumps(content).encode(), headers={'Content-Type': 'application/json'})


def gaia_star(number, ra, dec, g=10.0, bp=10.5, rp=9.5, pmra=0.0, pmdec=0.0):
    """A made source."""
    return {'source_id': number, 'ra': ra, 'dec': dec, 'ref_epoch': 2016.0, 'pmra': pmra, 'pmdec': pmdec,
            'phot_g_mean_mag': g, 'phot_bp_mean_mag': bp, 'phot_rp_mean_mag': rp, 'teff_gspphot': None}


class Tap:
    """A TAP service over a list of sources: put it under ``/tap/`` of a `Stub`."""

    def __init__(self, stars, most=10 ** 9):
        self.stars, self.most = stars, most
        self.jobs, self.lock, self.removed = {}, threading.Lock(), []

    def __call__(self, request):
        parts = request.path.strip('/').split('/')[2:]
        with self.lock:
            if not parts:
                self.jobs[str(len(self.jobs) + 1)] = {'query': request.form['QUERY'], 'polls': 0}
                return Reply(b'', 303, {'Location': f'/tap/async/{len(self.jobs)}'})
            job = self.jobs[parts[0]]
            if request.method == 'DELETE':
                self.removed.append(parts[0])
                return Reply(b'', 303, {'Location': '/tap/async'})
            if parts[1:] == ['phase']:
                job['polls'] += 1
                return Reply(b'EXECUTING' if job['polls'] < 2 else b'COMPLETED\n')
        return Reply(self.result(job['query']), headers={'Content-Type': 'application/x-votable+xml'})

    def result(self, query):
        """The VOTable of a query."""
        cone = re.search(r"CIRCLE\('ICRS', ([-\d.]+), ([-\d.]+), ([\d.]+)\)", query)
        ra, dec, radius = map(float, cone.groups())
        limit = float(re.search(r'<= ([-\d.]+)\)$', query)[1])
        found = [star for star in self.stars if angular_distance(star['ra'], star['dec'], ra, dec) <= radius
                 and _tmag(star) <= limit]
        return votable(found[:self.most], len(found) > self.most)


def _tmag(star):
    if star['phot_bp_mean_mag'] is None:
        return -99  # the query lets those pass
    colour = star['phot_bp_mean_mag'] - star['phot_rp_mean_mag']
    valid = GAIA_COLOURS[0] < colour < GAIA_COLOURS[1]
    return star['phot_g_mean_mag'] + np.polyval(GAIA_TO_TMAG, colour) if valid else -99


def votable(stars, overflow=False, form='binary2', **kinds):
    """A VOTable of sources as services write it."""
    names = ['source_id', 'ra', 'dec', 'ref_epoch', 'pmra', 'pmdec', 'phot_g_mean_mag', 'phot_bp_mean_mag',
             'phot_rp_mean_mag', 'teff_gspphot']
    table = Table()
    for name in names:
        values = [star[name] for star in stars]
        kind = kinds.get(name, 'i8' if name == 'source_id' else 'f8')
        table[name] = MaskedColumn(np.array([0 if value is None else value for value in values], dtype=kind),
                                   mask=[value is None for value in values],
                                   unit={'ra': 'deg', 'dec': 'deg', 'pmra': 'mas/yr'}.get(name))
    made = from_table(table, table_id='result')
    buffer = io.BytesIO()
    writeto(made, buffer, tabledata_format=form)
    status = 'OVERFLOW' if overflow else 'OK'
    note = f'</TABLE><INFO name="QUERY_STATUS" value="{status}"/>'
    return buffer.getvalue().replace(b'</TABLE>', note.encode())


def script(*names, product='TESS/product'):
    """A list of files as MAST offers it."""
    lines = [f'curl -C - -L -o {name} https://mast.stsci.edu/api/v0.1/Download/file/?uri=mast:{product}/{name}'
             for name in names]
    return '\n'.join(['#!/bin/sh', *lines, '']).encode()


def archives(folder, stub, **changes):
    """The archives as a run reaches them, all of them one `Stub`, with no patience."""
    words = {'timeout': 5.0, 'attempts': 2, 'pause': 0.001}
    web = Web(**{name: changes.pop(name, value) for name, value in words.items()})
    return Archives(**{'web': web, 'cache': QueryCache(folder), 'mast': stub.url,
                       'scripts': stub.url + '/scripts', 'bundles': stub.url + '/bundles',
                       'cloud': stub.url + '/cloud', 'gaia': (stub.url + '/tap',), 'parallel': 3} | changes)


def settings_file(path, stub, **changes):
    """A settings file that leads a program to a `Stub`."""
    words = {'mast': stub.url, 'scripts': stub.url + '/scripts', 'bundles': stub.url + '/bundles',
             'cloud': stub.url + '/cloud',
             'gaia': [stub.url + '/tap'], 'timeout': 5.0, 'attempts': 2, 'pause': 0.001} | changes
    lines = [f'{name} = {json.dumps(value)}' for name, value in words.items()]
    path.write_text('\n'.join(['[fetch]', *lines]) + '\n')
    return path
