from importlib.util import find_spec

import pytest

MISSING = [
    package for package, module in {"slicer-core": "slicer", "PySide6": "PySide6"}.items() if not find_spec(module)
]


class SkippedModule(pytest.Module):
    def collect(self):
        reason = f"not installed: {', '.join(MISSING)} (pip install carotid-landmark[test])"
        pytest.skip(reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return SkippedModule.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture
def qtHost():
    """The GUI host with an empty scene; what goes wrong in a callback during the test fails it afterwards."""
    from Testing.host.mrmlHost import bootSlicer
    from Testing.host.pythonQt import installQtHost

    bootSlicer()
    host = installQtHost()
    host.takeErrors()
    yield host
    errors = host.takeErrors()
    host.reset()
    bootSlicer()
    if errors:
        raise errors[0]
