"""Skips the test modules of a folder, by its conftest.py, where a package they need is not installed."""

from importlib.util import find_spec

import pytest


def missingPackages(**modules):
    """Return the names of the packages whose module (package=module) is not installed."""
    return [package.replace("_", "-") for package, module in modules.items() if find_spec(module) is None]


def skipModules(missing):
    """Return the hook pytest_pycollect_makemodule that skips every module, and says why, if anything is missing."""

    class SkippedModule(pytest.Module):
        def collect(self):
            reason = f"not installed: {', '.join(missing)} (pip install carotid-landmark[test])"
            pytest.skip(reason, allow_module_level=True)

    def pytest_pycollect_makemodule(module_path, parent):
        return SkippedModule.from_parent(parent, path=module_path) if missing else None

    return pytest_pycollect_makemodule
