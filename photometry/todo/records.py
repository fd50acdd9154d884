"""The table ``settings``: which program wrote to a todo database, when, with what."""

from __future__ import annotations

import datetime
import json
import secrets
import socket

import sqlalchemy as sa

from photometry.core.errors import IncompatibleError
from photometry.files.schema import settings_digest
from photometry.files.todo_tables import SCHEMA, settings


def run_id() -> str:
    """A name for a run: time, host and a random word."""
    now = datetime.datetime.now(datetime.UTC)
    return f'{now:%Y%m%dT%H%M%S}-{socket.gethostname()}-{secrets.token_hex(3)}'


def write(connection, run, program, version, sections, inputs='[]'):
    """Add the row of a run."""
    text, digest = settings_digest(sections)
    connection.execute(sa.insert(settings).values(
        run=run, schema=SCHEMA, version=version, program=program, sections=text, sha256=digest,
        inputs=inputs, created=datetime.datetime.now(datetime.UTC).isoformat(timespec='microseconds')))


def last_sections(connection, program) -> str | None:
    """Settings of the last run of a program as JSON, None where there was none."""
    return connection.execute(
        sa.select(settings.c.sections).where(settings.c.program == program)
        .order_by(settings.c.created.desc(), settings.c.run.desc()).limit(1)).scalar()


def refuse_other_settings(connection, path, program, sections, cure='use those, or --overwrite'):
    """Raise when the last run of a program had other settings.

    Sections that did not exist then are not compared.

    Raises
    ------
    IncompatibleError
        Naming the first setting that differs, and the cure.
    """
    stored = last_sections(connection, program)
    difference = stored and _difference(json.loads(stored), json.loads(settings_digest(sections)[0]))
    if difference:
        raise IncompatibleError(f'{path} holds results of other settings ({difference}); {cure}.')


def _difference(then, now):
    """The first key that differs, with both values; None where all agree."""
    for section, before in sorted(then.items()):
        after = now.get(section, {})
        for key in sorted(set(before) | set(after)):
            if before.get(key) != after.get(key):
                return f'{section}.{key} was {before.get(key)!r}, now {after.get(key)!r}'
    return None
