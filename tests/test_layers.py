"""Imports go one way. A module may use the layers below its own, never those above."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dub_source"
LAYERS = [
    {"cli"},
    {"runs"},
    {"events", "process", "report", "reverse", "workspaces"},
    {"failures", "source"},
    {"extraction"},
    {"destinations"},
    {"sync"},
    {"schedule"},
    {"state"},
    {"incremental", "privacy"},
    {"analytics", "changes", "dictionary", "generated_names", "schema", "selection", "spool", "walk"},
    {"by_id", "ids", "unknown_fields"},
    {"client"},
    {"deadline", "disk", "settings"},
    {"errors", "table_names", "telemetry", "types"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """The modules of this package that a file imports: anywhere, or when it is imported itself."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "dub_source":
                found |= {f"dub_source.{alias.name}" for alias in node.names}
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("dub_source.")}


def own_part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


OURS = [path for path in MODULES if own_part(path) not in ("__init__", "sandbox")]


@pytest.mark.parametrize("path", OURS, ids=[str(path.relative_to(PACKAGE)) for path in OURS])
def test_imports_go_down_only(path: Path) -> None:
    own = own_part(path)
    for module in imports(path):
        other = part(module)
        if other == own or (own == "cli" and other == "sandbox"):
            continue
        assert layer(other) > layer(own), f"{own} must not import {other}"


def test_no_two_modules_import_each_other_at_the_start() -> None:
    """Circles, inside a package too; a function may import what its module must not."""
    graph = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): imports(path, top_level=True)
        for path in MODULES
    }
    TopologicalSorter(graph).prepare()


def test_relative_imports_would_go_unseen_here_so_there_are_none() -> None:
    for path in MODULES:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level], path


def test_the_sandbox_shares_no_code_with_the_rest() -> None:
    for path in MODULES:
        if own_part(path) == "sandbox":
            assert {part(module) for module in imports(path)} <= {"sandbox"}, path


def test_every_module_has_a_layer() -> None:
    names = {own_part(path) for path in MODULES} - {"__init__", "sandbox"}
    assert names == set().union(*LAYERS)
