import pytest

from Testing.host.skipping import missingPackages, skipModules

pytest_pycollect_makemodule = skipModules(missingPackages(slicer_core="slicer", PySide6="PySide6"))


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
