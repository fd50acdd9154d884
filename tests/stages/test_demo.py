"""The demonstration takes care of what is not its own."""

import pytest

from photometry.core.errors import UsageError
from photometry.stages import demo


def test_other_files_are_never_removed(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(UsageError, match=r'thesis\.tex'):
        demo.demo(tmp_path)
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work' and (tmp_path / 'real').is_dir()


def test_an_earlier_demonstration_is(tmp_path, monkeypatch):
    class Begun(Exception):
        """The first step of the work."""

    def begin(directory):
        assert not directory.exists()
        raise Begun
    monkeypatch.setattr(demo, '_real', begin)
    (tmp_path / 'out' / 'real').mkdir(parents=True)
    (tmp_path / 'out' / 'demo.png').write_bytes(b'')
    with pytest.raises(Begun):
        demo.demo(tmp_path / 'out')
    assert not list((tmp_path / 'out').iterdir())
