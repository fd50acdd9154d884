"""Formulae as MathML, which browsers draw by themselves: no script, no network, no LaTeX."""

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def setup(app):
    app.add_html_math_renderer('mathml', inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {'version': '1', 'parallel_read_safe': True, 'parallel_write_safe': True}


def _inline(self, node):
    self.body.append(_formula(node))
    raise nodes.SkipNode


def _block(self, node):
    self.body.append(f'<div class="math-block">{_formula(node, as_block=True)}</div>')
    raise nodes.SkipNode


def _formula(node, as_block=False):
    try:
        return latex2mathml.tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning('the formula %r cannot be read: %s', node.astext(), error, location=node)
        return ''
