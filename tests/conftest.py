"""Fixtures of all tests: a PostgreSQL server that is there when one asks for it."""

import itertools

import pytest
from postgres_server import PostgresServer

_NUMBERS = itertools.count()


@pytest.fixture(scope='session')
def server():
    """One server a test process; it ends with the session."""
    with PostgresServer() as started:
        yield started


@pytest.fixture
def schema(server):
    """URL of an empty schema of a test's own."""
    name = f'test{next(_NUMBERS)}'
    server.run(f'CREATE SCHEMA {name}')
    return server.url(options=f'-csearch_path={name}')
