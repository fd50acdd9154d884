"""Links between the pages lead to files of the repository and headings in them, on GitHub as well."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


def pages():
    """Pages in git; without git, all that lie where pages do."""
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '*.md'], cwd=ROOT,
                            capture_output=True, text=True)
    names = listed.stdout.split() or [path.relative_to(ROOT).as_posix() for path in
                                      (*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'))]
    return sorted(names)


def inline(path):
    """Texts and headings of a page, each token behind the one that opens it."""
    parsed = MarkdownIt().enable('table').parse(path.read_text())
    return [pair for pair in pairwise(parsed) if pair[1].type == 'inline']


def anchors(path):
    """What GitHub makes of the headings of a page."""
    found = (token.content for opening, token in inline(path) if opening.type == 'heading_open')
    return {re.sub(r'[^\w\- ]', '', title.lower().replace('`', '')).replace(' ', '-') for title in found}


def links(path):
    """Targets of links and pictures on a page."""
    for _, token in inline(path):
        for child in token.children:
            target = child.attrGet('href') or child.attrGet('src')
            if target:
                yield target


@pytest.mark.parametrize('page', pages())
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in links(path):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, anchor = target.partition('#')
        there = (path.parent / name).resolve() if name else path
        assert there.is_relative_to(ROOT) and there.exists(), target
        if anchor and there.suffix == '.md':
            assert anchor in anchors(there), target


def test_links_are_found():
    assert {'docs/status.md', 'docs/images/demo.png', 'LICENSE'} <= set(links(ROOT / 'README.md'))
    assert 'flags' in anchors(ROOT / 'docs' / 'formats' / 'lightcurve.md')


@pytest.mark.parametrize('picture', sorted((ROOT / 'docs' / 'images').iterdir()), ids=lambda path: path.name)
def test_pictures_stand_beside_the_command_that_makes_them(picture):
    showing = [ROOT / page for page in pages()
               if any((ROOT / page).parent / target == picture for target in links(ROOT / page))]
    assert any(re.search(r'\b(make|python|run_\w+\.py|tessphot-\w+) ', path.read_text()) for path in showing)
