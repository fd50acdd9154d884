"""The ladder of imports, the owners of libraries and the public names hold."""

import ast
from pathlib import Path

import pytest

import photometry

ROOT = Path(photometry.__file__).parent
RUNGS = [{'programs'}, {'stages'}, {'methods', 'todo', 'report'}, {'cli', 'settings', 'signals'},
         {'pixels', 'catalogs', 'simulation'}, {'files', 'algorithms'}, {'core'}]
HEIGHT = {room: -index for index, rung in enumerate(RUNGS) for room in rung}
OWNERS = {'h5py': {'files'}, 'astropy.io.fits': {'files'}, 'tesswcs': {'files'},
          'sqlalchemy': {'files', 'todo'}, 'mpi4py': {'todo'}, 'photutils': {'algorithms'},
          'matplotlib': {'report'}, 'lightkurve': {'files'}, 'requests': {'files'}, 'urllib3': {'files'},
          'spiceypy': {'files'}, 'imageio_ffmpeg': {'report'}, 'bokeh': {'report'}, 'jinja2': {'report'},
          'pickle': set(), 'configparser': set()}
HEAVY = {'lightkurve', 'tesswcs', 'matplotlib', 'photutils', 'mpi4py', 'pyarrow', 'pandas', 'requests',
         'urllib3', 'spiceypy', 'imageio_ffmpeg', 'bokeh', 'jinja2'}
RENDERING = {'photometry.algorithms.prf', 'photometry.algorithms.scene', 'photometry.methods'}
BROAD = {'Exception', 'BaseException'}
MODULES = sorted(ROOT.rglob('*.py'))


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix('.py')


def imports(tree):
    """Yield (name, whether at import time) of everything a module imports."""
    top = set()
    for node in tree.body:
        top.update(ast.walk(node) if not isinstance(node, ast.FunctionDef | ast.ClassDef) else ())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute'
            for alias in node.names:
                yield f'{node.module}.{alias.name}', node in top


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request):
    return request.param, ast.parse(request.param.read_text())


def test_imports_point_down(module):
    path, tree = module
    if room(path) == '__init__':
        return
    for name, _ in imports(tree):
        if not name.startswith('photometry.'):
            continue
        target = name.split('.')[1]
        same_room = target == room(path)
        assert same_room or HEIGHT[target] < HEIGHT[room(path)], f'{path} imports {name}'


def test_libraries_have_owners(module):
    path, tree = module
    for name, at_import in imports(tree):
        for library, owners in OWNERS.items():
            if name == library or name.startswith(library + '.'):
                assert room(path) in owners, f'{path} imports {name}'
        if name.split('.')[0] in HEAVY:
            assert not at_import, f'{path} imports {name} before it is needed'


def test_simulation_renders_by_itself():
    for path in ROOT.glob('simulation/*.py'):
        for name, _ in imports(ast.parse(path.read_text())):
            assert not any(name.startswith(taboo) for taboo in RENDERING), f'{path}: {name}'


def test_no_print_and_a_sentence_first(module):
    path, tree = module
    assert ast.get_docstring(tree), f'{path} opens without a sentence'
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert getattr(node.func, 'id', '') not in ('print', 'eval', 'exec'), f'{path}:{node.lineno}'


def test_one_broad_except():
    broad = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                    node.type is None or BROAD & {getattr(part, 'id', '') for part in ast.walk(node.type)}):
                broad.append(path.relative_to(ROOT).as_posix())
    assert broad in ([], ['stages/tessphot.py'])


def test_public_names():
    assert set(photometry.__all__) == {'STATUS', 'BasePhotometry', 'AperturePhotometry', 'TaskManager',
                                       'tessphot'}
    for name in photometry.__all__:
        assert getattr(photometry, name) is not None
