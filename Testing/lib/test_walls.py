"""Who may import whom: the library without Slicer, detect without study, phantom and commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import CarotidLandmarkLib

PACKAGE = Path(CarotidLandmarkLib.__file__).parent
SLICER = {"slicer", "qt", "ctk", "vtk"}
CONNECTIONS = {"socket", "ssl", "http", "urllib.request", "ftplib", "smtplib", "requests", "httpx", "pynetdicom"}
UNPICKLING = ("pickle.load", "pickle.loads", "pickle.Unpickler", "shutil.unpack_archive")
ARCHIVES = {"zipfile", "tarfile", "lzma", "bz2"}
NOT_FOR_DETECT = {f"CarotidLandmarkLib.{room}" for room in ("study", "exchange", "phantom", "commands")}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str) -> set[str]:
    """Every module that the file names in an import, at any depth, with what it takes from a package."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join(base + ([node.module] if node.module else []))
            found |= {source} | {f"{source}.{alias.name}" for alias in node.names}
    return found


def starts_with(names: set[str], walls: set[str]) -> set[str]:
    return {name for name in names if any(name == wall or name.startswith(f"{wall}.") for wall in walls)}


@pytest.mark.parametrize("name", MODULES)
def test_no_file_names_slicer(name: str) -> None:
    assert starts_with(imports(name), SLICER) == set()


@pytest.mark.parametrize("room", ["detect", "intake", "model", "pictures", "volume", "landmarks"])
def test_what_detect_stands_on_names_no_training_room(room: str) -> None:
    files = [name for name in MODULES if name.startswith(f"CarotidLandmarkLib.{room}")]
    assert files
    assert {name: starts_with(imports(name), NOT_FOR_DETECT) for name in files} == {name: set() for name in files}


@pytest.mark.parametrize(
    ("room", "more"), [("volume", ("atomic",)), ("fork", ()), ("pictures", ("atomic",)), ("worklist", ("atomic",))]
)
def test_these_rooms_stand_on_volume_and_landmarks_alone_and_need_no_torch(room: str, more: tuple[str, ...]) -> None:
    files = [name for name in MODULES if name.startswith(f"CarotidLandmarkLib.{room}")]
    ours = {f"CarotidLandmarkLib.{name.split('.')[1]}" for name in MODULES if "." in name}
    allowed = {f"CarotidLandmarkLib.{known}" for known in (*more, "errors", room, "landmarks", "volume")}
    assert files
    assert {name: starts_with(imports(name), ours - allowed) for name in files} == {name: set() for name in files}
    assert starts_with(loaded_after_importing(files), SLICER | {"torch", "matplotlib", "PIL"}) == set()


def loaded_after_importing(names: list[str]) -> set[str]:
    code = f"import sys, {', '.join(names)}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_detect_loads_neither_slicer_nor_training_rooms_and_torch_with_its_backend_alone() -> None:
    of_torch = "CarotidLandmarkLib.detect.backends.with_torch"
    names = [name for name in MODULES if name.startswith("CarotidLandmarkLib.detect") and name != of_torch]
    assert of_torch in MODULES
    loaded = loaded_after_importing([*names, "CarotidLandmarkLib.cli"])
    assert "CarotidLandmarkLib.detect.detector" in loaded
    assert starts_with(loaded, SLICER | NOT_FOR_DETECT | {"torch"}) == set()


@pytest.mark.torch
def test_importing_the_whole_library_loads_no_slicer() -> None:
    loaded = loaded_after_importing([name for name in MODULES if not name.endswith("__main__")])
    assert starts_with(loaded, SLICER) == set()


def test_openvino_is_imported_in_the_one_place_that_keeps_it_quiet() -> None:
    home = "CarotidLandmarkLib.model.quiet_openvino"
    assert [name for name in MODULES if starts_with(imports(name), {"openvino"})] == [home]


@pytest.mark.parametrize("name", MODULES)
def test_no_file_opens_a_connection_or_an_archive_or_unpickles(name: str) -> None:
    """As Resources/Guide/Security.md says; Dask, which does both, is asked for by name."""
    assert starts_with(imports(name), CONNECTIONS | ARCHIVES | {"shelve", "marshal", "joblib"}) == set()
    unsafe = []
    for call in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            called, words = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
            allowed = {"torch.load": words.get("weights_only") == "True", "np.load": "allow_pickle" not in words}
            if called in UNPICKLING or not allowed.get(called, True):
                unsafe.append(called)
    assert unsafe == []


def test_imports_sees_every_form_of_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "detector.py"
    path.write_text(
        "import qt\ndef f():\n    from ..study.train import loop\n    from .. import phantom\n"
        "    from vtk.util import x\n"
    )
    monkeypatch.setitem(MODULES, "CarotidLandmarkLib.detect.detector", path)
    found = imports("CarotidLandmarkLib.detect.detector")
    assert starts_with(found, SLICER) >= {"qt", "vtk.util"}
    assert starts_with(found, NOT_FOR_DETECT) >= {"CarotidLandmarkLib.study.train", "CarotidLandmarkLib.phantom"}
