"""Skips the test modules of a folder, by its conftest.py, where a package they need is not installed."""

from importlib.util import find_spec

import pytest

WITHOUT_TORCH = "torch is not installed (pip install 'carotid-landmark[test]')"


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


class TorchModule(pytest.Module):
    """A test module that is skipped, and says why, where its import fails for want of torch."""

    def collect(self):
        try:
            return super().collect()
        except self.CollectError as error:
            if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == "torch":
                pytest.skip(WITHOUT_TORCH, allow_module_level=True)
            raise
