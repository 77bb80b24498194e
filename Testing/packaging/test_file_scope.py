"""Importing a file of the module does nothing but define, and needs nothing that Slicer does not have."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "CarotidLandmark").rglob("*.py"))
OURS = {"CarotidLandmarkLib", "CarotidLandmarkSlicer"}
IN_SLICER = {"slicer", "vtk", "SimpleITK", "numpy", "qt", "ctk"}
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
PURE = {"namedtuple", "frozenset", "re.compile"}


def foreign_imports(source: str) -> list[str]:
    """What is imported at file scope, from below conditions and tries too, that is not there in Slicer."""
    standard = sys.stdlib_module_names  # type: ignore[attr-defined, unused-ignore]
    names = []
    for node in at_file_scope(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return [name for name in names if name.split(".")[0] not in standard | IN_SLICER | OURS]


def executed(source: str) -> list[str]:
    """The statements at file scope that do more than define, and the calls in those that define."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if not isinstance(node, DEFINITIONS):
            found.append(ast.unparse(node))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
            found += [ast.unparse(call) for call in calls if ast.unparse(call.func) not in PURE]
    return found


def at_file_scope(node: ast.AST) -> list[ast.AST]:
    children = [c for c in ast.iter_child_nodes(node) if not isinstance(c, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return children + [below for child in children for below in at_file_scope(child)]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not name the modules of its standard library")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_what_slicer_has_is_imported_at_file_scope(path: Path) -> None:
    assert foreign_imports(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_executed_at_file_scope(path: Path) -> None:
    assert executed(path.read_text(encoding="utf-8")) == []


# What the application has, as far as the file needs it to be loaded.
LOADING = """
import sys, types
names = "slicer", "slicer.i18n", "slicer.util", "slicer.ScriptedLoadableModule", "qt"
for name in names:
    sys.modules[name] = types.ModuleType(name)
sys.modules["slicer.i18n"].tr = sys.modules["slicer.i18n"].translate = lambda *texts: texts[-1]
for kind in ("", "Logic", "Test", "Widget"):
    name = "ScriptedLoadableModule" + kind
    setattr(sys.modules["slicer.ScriptedLoadableModule"], name, type(name, (), {}))
sys.modules["slicer.util"].VTKObservationMixin = type("VTKObservationMixin", (), {})
sys.path.insert(0, sys.argv[1])
import CarotidLandmark
CarotidLandmark.useLibrary()
import CarotidLandmarkLib
"""


def test_slicer_loads_the_module_from_a_checkout_with_its_own_folder_alone_on_the_path() -> None:
    command = [sys.executable, "-S", "-I", "-B", "-c", LOADING, str(ROOT / "CarotidLandmark")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_there_are_files() -> None:
    assert {"CarotidLandmark", "correctionsExport", "sampleData"} <= {path.stem for path in FILES}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not name the modules of its standard library")
def test_the_checks_see_what_they_are_for() -> None:
    bad = "import os\nimport torch.nn\ntry:\n    from scipy import ndimage\nexcept ImportError:\n    pass\nclass A:\n"
    bad += "    import monai\ndef f():\n    import torch\n"
    assert sorted(foreign_imports(bad)) == ["monai", "scipy", "torch.nn"]
    assert executed("'text'\nimport os\nX = 1\nos.getcwd()\nY = open('a')\nif X:\n    pass\n") == [
        "os.getcwd()",
        "open('a')",
        "if X:\n    pass",
    ]
