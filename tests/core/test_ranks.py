"""Shares of the work, from the variables of launchers or from --part."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photometry import cli
from photometry.core import ranks


@pytest.mark.parametrize(('variables', 'found'), [
    ({}, ranks.ALONE),
    ({'OMPI_COMM_WORLD_RANK': '3', 'OMPI_COMM_WORLD_SIZE': '9', 'SLURM_PROCID': '1',
      'SLURM_STEP_NUM_TASKS': '2'}, ranks.Rank(3, 9)),
    ({'PMI_RANK': '0', 'PMI_SIZE': '4'}, ranks.Rank(0, 4)),
    ({'SLURM_PROCID': '1', 'SLURM_STEP_NUM_TASKS': '2'}, ranks.Rank(1, 2)),
    ({'SLURM_PROCID': '0', 'SLURM_NTASKS': '64'}, ranks.ALONE),
    ({'PMI_RANK': '', 'PMI_SIZE': 'x'}, ranks.ALONE)])
def test_rank_from_the_launcher(variables, found):
    assert ranks.rank(variables) == found


@given(st.integers(1, 20), st.lists(st.integers(), max_size=50))
def test_shares_are_everything_once(size, items):
    shares = [ranks.Rank(number, size).share(items) for number in range(size)]
    assert sorted(item for share in shares for item in share) == sorted(items)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_part_comes_before_the_launcher():
    parser = argparse.ArgumentParser()
    cli.add_part(parser)
    inside = {'PMI_RANK': '1', 'PMI_SIZE': '4'}
    assert cli.share(parser.parse_args(['--part', '3/16']), inside) == ranks.Rank(2, 16)
    assert cli.share(parser.parse_args([]), inside) == ranks.Rank(1, 4)


@pytest.mark.parametrize('text', ['0/4', '5/4', '3', '/', '1/x', '-1/3', '1/99999999', '²/3'])
def test_parts_that_are_none(text, capsys):
    parser = argparse.ArgumentParser()
    cli.add_part(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f'--part={text}'])
    assert 'is not like 3/16' in capsys.readouterr().err
