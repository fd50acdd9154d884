"""Fixtures of the queue's tests."""

import pytest
import todo_files


@pytest.fixture
def todo(tmp_path):
    """A todo file with ten stars on three tiles."""
    return todo_files.fill(tmp_path / 'todo.sqlite')
