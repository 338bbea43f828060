"""A Jinja code generator whose output remembers the template line of every piece of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

_Finalize = Any


class _Constant(str):
    """Constant text of a template, with its line; `step` is 0 for a folded expression."""

    __slots__ = ("line", "step")

    line: int
    step: int


class TracingCodeGenerator(CodeGenerator):
    """Emits ``environment.literal(...)`` and ``environment.printed(...)`` for bare strings."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: _Finalize) -> str:
        value = super()._output_child_to_const(node, frame, finalize)
        constant = _Constant(value)
        constant.line = node.lineno
        constant.step = 1 if isinstance(node, nodes.TemplateData) else 0
        return constant

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        calls = [
            f"environment.literal({str(c)!r}, {self.name!r}, {c.line}, {c.step})" for c in group
        ]
        return calls[0] if len(calls) == 1 else f"concat([{', '.join(calls)}])"

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: _Finalize) -> None:
        self.write("environment.printed(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: _Finalize) -> None:
        self.write(f", {self.name!r}, {node.lineno})")

    def visit_ExprStmt(self, node: nodes.ExprStmt, frame: Frame) -> None:
        """What `count_steps` puts into loops; a template cannot write an expression on its own."""
        self.writeline("environment.step()", node)

    def visit_Assign(self, node: nodes.Assign, frame: Frame) -> None:
        self.newline(node)  # what is no namespace fails before the line that Jinja marks
        super().visit_Assign(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.concatenated((")
        for operand in node.nodes:
            self.visit(operand, frame)
            self.write(", ")
        self.write("))")

    def visit_Block(self, node: nodes.Block, frame: Frame) -> None:
        """Leave a block of a child to its parent, also if it stands in a filter or a loop."""
        if frame.toplevel or not frame.require_output_check:
            super().visit_Block(node, frame)
        elif not self.has_known_extends:
            self.writeline("if parent_template is None:")
            self.indent()
            super().visit_Block(node, frame)
            self.outdent()

    def visit_Extends(self, node: nodes.Extends, frame: Frame) -> None:
        self.newline(node)  # a second 'extends' fails before the line that Jinja marks
        super().visit_Extends(node, frame)
        self.writeline(f"environment.extended({self.name!r}, parent_template)", node)


def count_steps(tree: nodes.Template) -> None:
    """Make every iteration of a loop count as a step of the render."""
    for loop in tree.find_all(nodes.For):
        loop.body.insert(0, nodes.ExprStmt(nodes.Const(None), lineno=loop.lineno))
