"""The tables of the todo database: what waits, what came of it, who is delivered by whom."""

import sqlalchemy as sa

from photometry.core.errors import InputBadError
from photometry.files.schema import check_version

SCHEMA = '1.3'

metadata = sa.MetaData()

todolist = sa.Table(
    'todolist', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'), primary_key=True,
              autoincrement=False, doc='1, 2, ... in order of (tmag, starid); new stars number all anew'),
    sa.Column('starid', sa.BigInteger, nullable=False, doc='TIC number, negative for stars without one'),
    sa.Column('sector', sa.Integer, nullable=False, doc='sector'),
    sa.Column('datasource', sa.Text, nullable=False, server_default='ffi',
              doc='ffi (cubes), tpf (own target pixel file) or tpf:<TIC> (that of another star)'),
    sa.Column('camera', sa.Integer, nullable=False, doc='camera'),
    sa.Column('ccd', sa.Integer, nullable=False, doc='CCD'),
    sa.Column('cadence', sa.Integer, nullable=False, doc='s from frame to frame'),
    sa.Column('method', sa.Text,
              doc='method by name; NULL leaves it to the settings, else to the automatic choice'),
    sa.Column('tmag', sa.Float, doc='TESS magnitude, NULL where unknown (then last)'),
    sa.Column('status', sa.Integer, doc='NULL waits, else a number of core.status.STATUS'),
    sa.Column('cbv_area', sa.Integer, nullable=False,
              doc='100 camera + 10 ccd + 1..4 by distance from the axis of the camera; 0: unknown'),
    sa.Column('tile', sa.Integer, doc='cell of 64 x 64 px of the CCD, counted along the columns first'),
    sa.Column('cube', sa.Text, doc='cube or target pixel file, relative to INPUT'),
    sa.Column('attempts', sa.Integer, nullable=False, server_default='0',
              doc='how often the star was tried and ended, by itself or with its worker'),
    sa.Column('worker', sa.Text, doc='name of the run that holds a STARTED row'),
    sa.Column('lease', sa.Float, doc='on a server: until when it is held, s since 1970'),
    sa.Column('begun', sa.Float, doc='on a server: since when it is being measured, s since 1970'),
    sa.Column('expired', sa.Integer, nullable=False, server_default='0',
              doc='on a server: how often the lease ran out while it was being measured'),
    sa.UniqueConstraint('starid', 'datasource', 'sector', 'camera', 'ccd', 'cadence'),
)
_WAITS = todolist.c.status.is_(None)
sa.Index('todolist_waiting', todolist.c.priority, sqlite_where=_WAITS, postgresql_where=_WAITS)
sa.Index('todolist_waiting_tile', todolist.c.sector, todolist.c.camera, todolist.c.ccd, todolist.c.tile,
         todolist.c.priority, sqlite_where=_WAITS, postgresql_where=_WAITS)

diagnostics = sa.Table(
    'diagnostics', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), primary_key=True, autoincrement=False,
              doc='row of todolist'),
    sa.Column('lightcurve', sa.Text, doc='file, relative to the output directory'),
    sa.Column('method_used', sa.Text, nullable=False,
              doc='method of the light curve, empty where all failed'),
    sa.Column('elaptime', sa.Float, nullable=False, doc='s that the star took'),
    sa.Column('worker_wait_time', sa.Float, doc='s that its worker waited before'),
    sa.Column('mean_flux', sa.Float, doc='median of FLUX, e-/s'),
    sa.Column('variance', sa.Float, doc='variance of FLUX, (e-/s)^2'),
    sa.Column('variability', sa.Float,
              doc='scatter about a slow polynomial over FLUX_ERR; 1 for a constant star'),
    sa.Column('rms_hour', sa.Float, doc='scatter of means over an hour, ppm'),
    sa.Column('ptp', sa.Float, doc='median step from cadence to cadence, ppm'),
    sa.Column('pos_row', sa.Float, doc='row, one-based'),
    sa.Column('pos_column', sa.Float, doc='column, one-based'),
    sa.Column('contamination', sa.Float, doc='light of neighbours over all in the mask'),
    sa.Column('mask_size', sa.Integer, doc='pixels in the mask'),
    sa.Column('edge_flux', sa.Float, doc='mean flux of mask pixels on the border of the stamp, e-/s'),
    sa.Column('stamp_width', sa.Integer, doc='columns of the stamp'),
    sa.Column('stamp_height', sa.Integer, doc='rows of the stamp'),
    sa.Column('stamp_resizes', sa.Integer, doc='how often it grew'),
    sa.Column('errors', sa.Text, doc='a sentence a line: failure or remarks'),
    sa.Column('reason', sa.Text, doc='word of core.errors.Reason: why there is no light curve'),
    sa.Column('skip_targets', sa.Text, doc='stars seen in the aperture, JSON; a remark, no decision'),
    sa.Column('extra', sa.Text, doc='JSON of what has no column'),
    sa.Column('methods_tried', sa.Text, doc='by name, with the reason in parentheses where one failed'),
    sa.Column('choice_reason', sa.Text, doc='why method_used was kept'),
    sa.Column('chi2', sa.Float, doc='reduced chi square, median over good cadences'),
    sa.Column('psf_cont', sa.Float, doc="neighbours' part of the light under the star's PRF"),
    sa.Column('merged_with', sa.Text, doc='stars that the light curve holds as well'),
    sa.Column('star_flags', sa.Integer, doc='what lies in the mask: STARFLAG of the light curve'),
)

photometry_skipped = sa.Table(
    'photometry_skipped', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), nullable=False, index=True,
              doc='row of the star that is not measured'),
    sa.Column('skipped_by', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), nullable=False,
              doc='row of the brighter one that delivers it'),
)

settings = sa.Table(
    'settings', metadata,
    sa.Column('run', sa.Text, primary_key=True, doc='name of the run'),
    sa.Column('schema', sa.Text, nullable=False, doc='schema of the list'),
    sa.Column('version', sa.Text, nullable=False, doc='of tessphot'),
    sa.Column('created', sa.Text, nullable=False, doc='UTC'),
    sa.Column('program', sa.Text, nullable=False, doc='run_make_todo or run_tessphot'),
    sa.Column('sections', sa.Text, doc='settings that matter, JSON'),
    sa.Column('sha256', sa.Text, doc='of sections'),
    sa.Column('inputs', sa.Text, doc='manifest of the cubes, JSON'),
)

ESTABLISHED = {
    'todolist': ('priority', 'starid', 'sector', 'datasource', 'camera', 'ccd', 'cadence', 'method', 'tmag',
                 'status', 'cbv_area'),
    'diagnostics': ('priority', 'lightcurve', 'method_used', 'elaptime', 'worker_wait_time', 'mean_flux',
                    'variance', 'variability', 'rms_hour', 'ptp', 'pos_row', 'pos_column', 'contamination',
                    'mask_size', 'edge_flux', 'stamp_width', 'stamp_height', 'stamp_resizes', 'errors'),
    'photometry_skipped': ('priority', 'skipped_by'),
}
"""Columns that a database made elsewhere must have in the tables that it has."""


def check(connection, name):
    """Refuse a database that is no todo list or has another schema.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    name : str
        Shown in messages.

    Raises
    ------
    InputBadError
        When the table ``todolist`` or one of its established columns is missing.
    IncompatibleError
        When the schema has another major number.
    """
    found = columns(connection)
    if 'todolist' not in found:
        raise InputBadError(f'{name} is a database without the table todolist; name another file or move it '
                            'away and run run_make_todo.py.')
    for table, wanted in ESTABLISHED.items():
        lacking = set(wanted) - found.get(table, set(wanted))
        if lacking:
            raise InputBadError(f'{name}: table {table} lacks {", ".join(sorted(lacking))}; move the file '
                                'away and run run_make_todo.py.')
    if 'settings' in found and 'schema' in found['settings']:
        for version in connection.execute(sa.select(settings.c.schema).distinct()).scalars():
            check_version(name, _number(version, name), SCHEMA)


def _number(version, name):
    if not str(version).partition('.')[0].isdigit():
        raise InputBadError(f'{name} has the unreadable schema {version!r}; move it away and run '
                            'run_make_todo.py.')
    return version


def is_new(connection, name) -> bool:
    """Whether a database or schema of a server holds no table of these names yet.

    Raises
    ------
    InputBadError
        When it holds some, but no todo list: they are somebody else's.
    """
    found = set(columns(connection))
    if 'todolist' not in found and found & set(metadata.tables):
        raise InputBadError(f'{name} holds the table {min(found & set(metadata.tables))} of something else; '
                            'name another database or schema.')
    return 'todolist' not in found


def adopt(connection):
    """Give a database of the established schema the tables, columns and indexes that it lacks.

    Of several programs that open a list on a server at once, one does so and the others wait.
    """
    changes = _lacking(connection)
    if changes and connection.dialect.name == 'postgresql' and 'todolist' in columns(connection):
        connection.execute(sa.text(f'LOCK TABLE {todolist.name} IN ACCESS EXCLUSIVE MODE'))
        changes = _lacking(connection)
    for change in changes:
        connection.execute(change)


def _lacking(connection):
    """Statements that make what a database lacks."""
    found, inspector = columns(connection), sa.inspect(connection)
    changes = []
    for table in metadata.sorted_tables:
        there, indexes = found.get(table.name), set()
        if there is None:
            changes.append(sa.schema.CreateTable(table))
        else:
            changes += [sa.schema.DDL(_add_column(connection, table, column))
                        for column in table.columns if column.name not in there]
            indexes = {index['name'] for index in inspector.get_indexes(table.name)}
        changes += [sa.schema.CreateIndex(index) for index in table.indexes if index.name not in indexes]
    return changes


def _add_column(connection, table, column):
    kind = column.type.compile(connection.dialect)
    default = ' NOT NULL DEFAULT 0' if not column.nullable and column.server_default is not None else ''
    return f'ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}{default}'


def columns(connection) -> dict:
    """Names of the columns that a database has, by table."""
    inspector = sa.inspect(connection)
    return {table: {column['name'] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()}
