"""The tables of the todo database: what waits, what came of it, who is delivered by whom."""

import sqlalchemy as sa

from photometry.core.errors import InputBadError
from photometry.files.schema import check_version

SCHEMA = '1.3'

metadata = sa.MetaData()

todolist = sa.Table(
    'todolist', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'), primary_key=True,
              autoincrement=False),
    sa.Column('starid', sa.BigInteger, nullable=False),
    sa.Column('sector', sa.Integer, nullable=False),
    sa.Column('datasource', sa.Text, nullable=False, server_default='ffi'),
    sa.Column('camera', sa.Integer, nullable=False),
    sa.Column('ccd', sa.Integer, nullable=False),
    sa.Column('cadence', sa.Integer, nullable=False),
    sa.Column('method', sa.Text),
    sa.Column('tmag', sa.Float),
    sa.Column('status', sa.Integer),
    sa.Column('cbv_area', sa.Integer, nullable=False),
    sa.Column('tile', sa.Integer),
    sa.Column('cube', sa.Text),
    sa.Column('attempts', sa.Integer, nullable=False, server_default='0'),
    sa.Column('worker', sa.Text),
    sa.Column('lease', sa.Float),
    sa.Column('begun', sa.Float),
    sa.Column('expired', sa.Integer, nullable=False, server_default='0'),
    sa.UniqueConstraint('starid', 'datasource', 'sector', 'camera', 'ccd', 'cadence'),
)
_WAITS = todolist.c.status.is_(None)
sa.Index('todolist_waiting', todolist.c.priority, sqlite_where=_WAITS, postgresql_where=_WAITS)
sa.Index('todolist_waiting_tile', todolist.c.sector, todolist.c.camera, todolist.c.ccd, todolist.c.tile,
         todolist.c.priority, sqlite_where=_WAITS, postgresql_where=_WAITS)

diagnostics = sa.Table(
    'diagnostics', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), primary_key=True, autoincrement=False),
    sa.Column('lightcurve', sa.Text),
    sa.Column('method_used', sa.Text, nullable=False),
    sa.Column('elaptime', sa.Float, nullable=False),
    sa.Column('worker_wait_time', sa.Float),
    sa.Column('mean_flux', sa.Float),
    sa.Column('variance', sa.Float),
    sa.Column('variability', sa.Float),
    sa.Column('rms_hour', sa.Float),
    sa.Column('ptp', sa.Float),
    sa.Column('pos_row', sa.Float),
    sa.Column('pos_column', sa.Float),
    sa.Column('contamination', sa.Float),
    sa.Column('mask_size', sa.Integer),
    sa.Column('edge_flux', sa.Float),
    sa.Column('stamp_width', sa.Integer),
    sa.Column('stamp_height', sa.Integer),
    sa.Column('stamp_resizes', sa.Integer),
    sa.Column('errors', sa.Text),
    sa.Column('reason', sa.Text),
    sa.Column('skip_targets', sa.Text),
    sa.Column('extra', sa.Text),
    sa.Column('methods_tried', sa.Text),
    sa.Column('choice_reason', sa.Text),
    sa.Column('chi2', sa.Float),
    sa.Column('psf_cont', sa.Float),
    sa.Column('merged_with', sa.Text),
    sa.Column('star_flags', sa.Integer),
)

photometry_skipped = sa.Table(
    'photometry_skipped', metadata,
    sa.Column('priority', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), nullable=False, index=True),
    sa.Column('skipped_by', sa.BigInteger().with_variant(sa.Integer, 'sqlite'),
              sa.ForeignKey('todolist.priority'), nullable=False),
)

settings = sa.Table(
    'settings', metadata,
    sa.Column('run', sa.Text, primary_key=True),
    sa.Column('schema', sa.Text, nullable=False),
    sa.Column('version', sa.Text, nullable=False),
    sa.Column('created', sa.Text, nullable=False),
    sa.Column('program', sa.Text, nullable=False),
    sa.Column('sections', sa.Text),
    sa.Column('sha256', sa.Text),
    sa.Column('inputs', sa.Text),
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
