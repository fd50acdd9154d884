"""Formulae as MathML, which browsers draw by themselves: no script, no network, no LaTeX."""

from docutils import nodes
from latex2mathml import converter


def setup(app):
    app.add_html_math_renderer('mathml', inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {'version': '1', 'parallel_read_safe': True, 'parallel_write_safe': True}


def _inline(self, node):
    self.body.append(converter.convert(node.astext()))
    raise nodes.SkipNode


def _block(self, node):
    formula = converter.convert(node.astext(), display='block')
    self.body.append(f'<div class="math-block">{formula}</div>')
    raise nodes.SkipNode
