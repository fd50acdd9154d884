"""Fixtures of all tests: logging as Python leaves it, a PostgreSQL server where one asks for it."""

import itertools
import logging
import os
import sys

import pytest
from http_stub import Stub
from postgres_server import PostgresServer

from photometry.core.threads import ONE_THREAD

for _name, _value in ONE_THREAD.items():
    os.environ.setdefault(_name, _value)  # as children have; sums of several threads differ in the last bit

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def as_python_starts(monkeypatch):
    """No test hears of the logging and the hook for exceptions that a program set up in another one."""
    logger = logging.getLogger('photometry')
    for handler in logger.handlers[:]:
        handler.close()
        logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
    monkeypatch.setattr(sys, 'excepthook', sys.__excepthook__)


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


@pytest.fixture
def stub():
    """A server on this machine that answers as a test tells it."""
    with Stub() as made:
        yield made
