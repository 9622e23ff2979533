"""Compiles `schemas/network.schema.json` to `cni_bridge/edge/validators.py`, which imports nothing.

What a config may contain is written in the schema alone; no rule is added here.
"""

import argparse
import ast
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from pprint import pformat

import fastjsonschema

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "schemas" / "network.schema.json"
TARGET = ROOT / "cni_bridge" / "edge" / "validators.py"

# draft-04 reads the keywords in use as draft-07 does, but for one: its `integer` excludes 1500.0,
# as Go's encoding/json does.
COPY = "_keys"  # the end of the name, in the code of fastjsonschema
STRICT_DRAFT = "http://json-schema.org/draft-04/schema#"

HEAD = '''"""Generated from schemas/network.schema.json by build/generate_validators.py: the compiled schema.

Not to be edited by hand. Nothing here explains: `cni_bridge.edge.explain` does, from the schema.
"""

# mypy: ignore-errors

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.edge.codec import Fold, Object


NoneType = type(None)


class Refused(Exception):
    """The schema refuses the config."""


FOLD: "Fold" = \\
'''

PUBLIC = '''

def validate(data: "Object") -> "Object":
    """Fill in every default, in place. Raises Refused."""
    return _validate(data)
'''

Schema = Mapping[str, object]


def main() -> int:
    """Write the module, or with `--check` only say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the module is stale")
    is_check = parser.parse_args().check
    text = generate(json.loads(SCHEMA.read_text()))
    if not is_check:
        TARGET.write_text(text)
    elif is_stale(text):
        print(f"{TARGET.relative_to(ROOT)} is stale: run `make generate`", file=sys.stderr)
        return 1
    return 0


def is_stale(text: str) -> bool:
    """Whether the module is other code than this; Pythons differ in how they lay code out."""
    if not TARGET.exists():
        return True
    return ast.dump(ast.parse(TARGET.read_text())) != ast.dump(ast.parse(text))


def generate(schema: Schema) -> str:
    """Return the text of the module."""
    folded = pformat(fold_table(schema, schema), width=100)
    return f"{HEAD}{folded}\n{PUBLIC}\n\n{compiled(schema)}\n"


def compiled(schema: Schema) -> str:
    """Return what fastjsonschema makes of the schema, with all that it imports taken out."""
    strict = {**schema, "$schema": STRICT_DRAFT}
    strict.pop("$id", None)  # a URN can't be the base of the references
    code = fastjsonschema.compile_to_code(strict, detailed_exceptions=False)
    functions = [
        statement for statement in ast.parse(code).body if isinstance(statement, ast.FunctionDef)
    ]
    standalone = _Standalone({function.name for function in functions})
    return "\n\n\n".join(
        ast.unparse(ast.fix_missing_locations(_shortened(standalone.visit(function))))
        for function in functions
    )


class _Standalone(ast.NodeTransformer):
    """Turns the functions into private ones that take the data alone and raise Refused.

    They look for keys in the data itself: its copy without the keys that were found is of no use here.
    """

    def __init__(self, functions: set[str]) -> None:
        self.functions = functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = f"_{node.name}"
        node.args.args = node.args.args[:1]
        node.args.defaults = []
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in self.functions:
            node.func.id = f"_{node.func.id}"
            node.args = node.args[:1]
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if isinstance(node.ops[0], ast.In):
            node.comparators = [_copied(each) or each for each in node.comparators]
        return self.generic_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        node.iter = _copied(node.iter) or node.iter
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        is_copy = isinstance(node.value, ast.Call) and _copied(node.targets[0])
        return None if is_copy else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_removal = ast.unparse(node).partition(".")[2].startswith("remove(")
        return None if is_removal else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is not None:
            node.exc = ast.Name("Refused", ast.Load())
        return node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        """`(int, float, Decimal)`: JSON numbers are never decimals here."""
        node.elts = [
            item for item in node.elts if not (isinstance(item, ast.Name) and item.id == "Decimal")
        ]
        return node


def _shortened(function: ast.FunctionDef) -> ast.FunctionDef:
    """Leave out what was tested just before: an item of a list can be one of thousands."""
    function.body = _untested(function.body, frozenset())
    names = [each for each in ast.walk(function) if isinstance(each, ast.Name)]
    used = {each.id for each in names if isinstance(each.ctx, ast.Load)}
    shortened = _WithoutUnused(used).visit(function)
    assert isinstance(shortened, ast.FunctionDef), "no function is unused"
    return shortened


def _untested(statements: list[ast.stmt], known: frozenset[str]) -> list[ast.stmt]:
    """Return the statements without conditions that are known to hold."""
    kept: list[ast.stmt] = []
    meaning: dict[str, ast.expr] = {}  # of variables that hold a condition
    for each in statements:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            name = each.targets[0].id
            meaning[name] = each.value
            known = frozenset(fact for fact in known if name not in fact)
        if isinstance(each, ast.For):
            each.body = _untested(each.body, known)
        if isinstance(each, ast.If):
            each.test = _condition(each.test, meaning)
            if ast.unparse(each.test) in known and not each.orelse:
                kept += _untested(each.body, known)
                continue
            each.body, each.orelse = (_untested(part, known) for part in (each.body, each.orelse))
            if isinstance(each.body[0], ast.Raise):
                known |= _known_after(each.test)
        kept.append(each)
    return kept


def _condition(test: ast.expr, meaning: Mapping[str, ast.expr]) -> ast.expr:
    """Return a test in place of its variable: a type, or whether one of several keys is missing."""
    match meaning.get(test.id) if isinstance(test, ast.Name) else None:
        case ast.Call(func=ast.Name(id="isinstance")) as value:
            return value
        case ast.BinOp(op=ast.Sub(), left=ast.Call(args=[ast.List(elts=keys)]), right=there):
            data = ast.unparse(there).removesuffix(".keys()")
            missing = " or ".join(f"{ast.unparse(key)} not in {data}" for key in keys)
            return ast.parse(missing, mode="eval").body
        case _:
            return test


def _known_after(refusal: ast.expr) -> frozenset[str]:
    """Return the conditions that hold where a value was not refused."""
    match refusal:
        case ast.UnaryOp(op=ast.Not(), operand=condition):
            return frozenset((ast.unparse(condition),))
        case ast.BoolOp(values=[ast.UnaryOp(operand=ast.Call(args=[value, kind])), is_bool]):
            number = f"isinstance({ast.unparse(value)}, ({ast.unparse(kind)}, float))"
            return frozenset((f"{number} and (not {ast.unparse(is_bool)})",))
        case _:
            return frozenset()


class _WithoutUnused(ast.NodeTransformer):
    """Leaves out variables and counters that nothing uses."""

    def __init__(self, used: set[str]) -> None:
        self.used = used

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        is_unused = isinstance(target, ast.Name) and target.id not in self.used
        return None if is_unused else node

    def visit_For(self, node: ast.For) -> ast.AST:
        match node:
            case ast.For(
                target=ast.Tuple(elts=[ast.Name(id=count), item]),
                iter=ast.Call(func=ast.Name(id="enumerate"), args=[items]),
            ) if count not in self.used:
                node.target, node.iter = item, items
        return self.generic_visit(node)


def _copied(name: ast.expr) -> ast.Name | None:
    """Return the data whose keys are copied to a variable of that name."""
    if isinstance(name, ast.Name) and name.id.endswith(COPY):
        return ast.Name(name.id.removesuffix(COPY), ast.Load())
    return None


def fold_table(schema: Schema, root: Schema) -> dict[str, tuple[str, object]] | None:
    """Folded key -> (the schema's spelling, the same for what is inside); None without keys."""
    schema = _resolved(schema, root)
    items = schema.get("items")
    if isinstance(items, dict):
        return fold_table(items, root)
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return None
    return {key.casefold(): (key, fold_table(inner, root)) for key, inner in properties.items()}


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    definitions = root["definitions"]
    assert isinstance(definitions, dict), "references lead to definitions"
    found: Schema = definitions[reference.removeprefix("#/definitions/")]
    return found


if __name__ == "__main__":
    sys.exit(main())
