"""Every message that docs/troubleshooting.md quotes is one that the code can say."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'troubleshooting.md'
OTHERS = 'CSV parse error: Row #5: Expected 4 columns, got 2', 'database disk image is malformed'
"""What pyarrow and SQLite say within our messages."""

ODD_WORDS = 2
"""Words of a message that may stand alone between values, such as camera in 'sector 5, camera 2'."""


def texts():
    """All texts of the package but docstrings, with a mark where a value goes."""
    for path in (ROOT / 'photometry').rglob('*.py'):
        tree = ast.parse(path.read_text())
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if node in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                yield ''.join(part.value if isinstance(part, ast.Constant) else '\0' for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r'%[.\d]*[sdrfg]', '\0', node.value)


SAID = '\0'.join(re.sub(r'\s+', ' ', text) for text in texts())


def quoted():
    """Messages in the second column of the tables."""
    for line in PAGE.read_text().splitlines():
        cells = line.strip('| ').split(' | ')
        if line.startswith('| ') and len(cells) >= 3:
            yield from re.findall(r'`([^`]+)`', cells[1])


def foreign_words(message):
    """Words that belong to no two or more words of a message that stand together in the code."""
    words, place, left = message.split(), 0, []
    while place < len(words):
        end = place
        while end < len(words) and ' '.join(words[place:end + 1]) in SAID:
            end += 1
        left += words[place:max(end, place + 1)] if end - place < 2 else []
        place = max(end, place + 1)
    return [word for word in left if re.fullmatch(r'[a-z]{3,}\W*', word)]


def test_messages_are_found():
    assert len(list(quoted())) > 60


@pytest.mark.parametrize('message', list(quoted()))
def test_the_code_says_so(message):
    for other in OTHERS:
        message = message.replace(other, '...')
    assert len(foreign_words(message)) <= ODD_WORDS


@pytest.mark.parametrize('message', ['X.fits holds pixels without any light.', 'The disk overflows now.'])
def test_what_the_code_does_not_say_is_found(message):
    assert len(foreign_words(message)) > ODD_WORDS
