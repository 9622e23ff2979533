"""Code objects of our modules, without what a run has no use for.

Where they go is not decided here.
"""

import ast
from pathlib import Path
from types import CodeType


def compiled(source: bytes | ast.Module, shown_as: str) -> CodeType:
    """Return a module's code, without docstrings and assertions."""
    return compile(source, shown_as, "exec", optimize=2, dont_inherit=True)


def untyped(source: Path) -> ast.Module:
    """Return a module without what only type checkers read, which is not free to load and to define."""
    module: ast.Module = _Untyped().visit(ast.parse(source.read_bytes()))
    return module


class _Untyped(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Return the name has to stay annotated: records have their fields from there."""
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        is_typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if is_typing else node
