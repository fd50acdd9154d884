"""Fixtures of the queue's tests."""

import pytest
import running
import todo_files


@pytest.fixture(autouse=True)
def nobody_left():
    """A failed test leaves no scheduler behind."""
    yield
    running.kill_all()


@pytest.fixture
def todo(tmp_path):
    """A todo file with ten stars on three tiles."""
    return todo_files.fill(tmp_path / 'todo.sqlite')


@pytest.fixture(params=['file', 'server'])
def place(request, tmp_path):
    """Where a list may be made: a file, then a schema of a server."""
    return tmp_path / 'todo.sqlite' if request.param == 'file' else request.getfixturevalue('schema')


@pytest.fixture
def listed(place):
    """Such a list with ten stars on three tiles."""
    return todo_files.fill(place)
