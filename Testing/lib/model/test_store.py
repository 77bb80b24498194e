"""Installed weights: found by name, never half there, never used when they are not what was installed."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.model import install, store
from CarotidLandmarkLib.model.header import DEFAULT, METADATA_KEY, read_header
from CarotidLandmarkLib.model.weights import read_weights


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv(store.VARIABLE, str(folder))
    return folder / "models"


@pytest.fixture
def make(weights, tmp_path):
    """Writes a weights file as the small model, with other words in its header."""

    def write(name: str = "site", **header) -> Path:
        data = weights.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        outer = json.loads(data[8 : 8 + length])
        told = {**(read_header(data) or {}), "name": name, **header}
        outer["__metadata__"][METADATA_KEY] = json.dumps(told)
        text = json.dumps(outer).encode()
        path = tmp_path / "given" / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
        return path

    return write


def folders(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_dir())


def test_what_is_installed_is_found_by_name_and_used(make, home, capsys):
    path = make()
    path.with_name("CARD.md").write_text("# Card\n")
    path.with_suffix(".json").write_text("{}")
    assert main(["model", "install", str(path)]) == 0
    one = store.find("site")
    assert one.file.read_bytes() == path.read_bytes() and one.file == home / "site" / "r001" / "site.safetensors"
    assert sorted(os.listdir(one.folder)) == [
        "CARD.md",
        "installed.json",
        "manifest.json",
        "site.json",
        "site.safetensors",
    ]
    assert one.about["source"] == str(path) and one.about["model"] == "site" and one.about["version"] == "7"
    assert store.resolve("site") == store.resolve("site@1") == one.file
    assert store.in_use() is None
    assert main(["model", "use", "site"]) == 0 and store.in_use() == one
    capsys.readouterr()
    assert main(["model", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(one.file)
    assert main(["model", "use", "default"]) == 0 and store.in_use() is None
    assert store.resolve("default") == DEFAULT


def test_another_file_of_the_name_is_a_revision_and_the_same_one_is_none(make, home):
    first = install.install(make(version="1"))
    install.use("site")
    second = install.install(make(version="2"))
    assert (first.revision, second.revision) == (1, 2)
    assert install.install(make(version="1")) == first and len(store.installed()) == 2
    assert store.find("site") == second and store.find("site@1") == first
    assert store.in_use() == first  # nobody has chosen the second


def test_what_a_site_report_found_worse_needs_force(make, capsys):
    path = make(site={"chosen": "fine-tuned", "worse": True})
    assert main(["model", "install", str(path)]) == 2
    assert "found worse" in capsys.readouterr().err and store.installed() == []
    assert main(["model", "install", str(path), "--force"]) == 0
    capsys.readouterr()
    assert main(["model", "list"]) == 0
    assert "worse, by its site report" in capsys.readouterr().out
    install.install(make("other", site={"chosen": "offset", "worse": False}))


def test_a_file_that_was_changed_is_found_and_never_used(make, capsys):
    one = install.install(make())
    install.use("site")
    data = bytearray(one.file.read_bytes())
    data[-5] ^= 1
    one.file.write_bytes(data)
    assert main(["model", "verify"]) == 2
    out = capsys.readouterr().out
    assert "default: as it was installed" in out and "site@1: " in out and "checksum" in out
    with pytest.raises(BadInputError, match="does not match its checksum.*install it again"):
        read_weights(one.file)
    with pytest.raises(BadInputError, match="cannot be used"):
        install.use("site")
    assert install.install(make()).revision == 2  # again, beside what is damaged
    assert main(["model", "verify", "site"]) == 0


@pytest.mark.parametrize("name", ["manifest.json", "site.safetensors", "installed.json"])
def test_a_revision_that_lacks_a_file_is_named(make, name):
    one = install.install(make())
    (one.folder / name).unlink()
    (one.folder / "site.safetensors").exists() and one.file.write_bytes(make(version="9").read_bytes())
    assert install.problem(store.find("site"))


def test_the_weights_in_use_are_never_others_without_a_word(make, home, capsys):
    one = install.install(make())
    install.use("site")
    shutil.rmtree(one.folder)
    assert main(["detect", "a.nrrd"]) == 2  # no such volume: nothing is looked for
    with pytest.raises(CannotRunError, match="site@1, are no longer in .*use NAME"):
        store.in_use()
    install.install(make(version="other"))
    with pytest.raises(CannotRunError, match="others than were chosen"):
        store.in_use()
    (home / "in-use.json").write_text("[]")
    assert main(["model"]) == 3 and "cannot be read; choose again" in capsys.readouterr().err
    for words in (["list"], ["verify"]):
        assert main(["model", *words]) == 3
        told = capsys.readouterr()
        assert "default" in told.out and "site@1" in told.out and "choose again" in told.err
    assert main(["model", "use", "site"]) == 0


def test_detect_takes_those_in_use(make, tmp_path, monkeypatch):
    from CarotidLandmarkLib.detect.detector import Detector

    asked = []

    def from_weights(path, *_):
        asked.append(path)
        raise CannotRunError("asked")

    monkeypatch.setattr(Detector, "from_weights", from_weights)
    volume = tmp_path / "a.nrrd"
    volume.write_text("never read")
    one = install.install(make())
    install.install(make("other"))
    assert main(["detect", str(volume)]) == 3
    install.use("site")
    assert main(["detect", str(volume)]) == 3
    assert main(["detect", str(volume), "--weights", "other"]) == 3
    assert asked == [None, one.file, store.find("other").file]


def test_benchmarks_take_those_in_use(make):
    from CarotidLandmarkLib.commands import robustness, speed

    installed = install.install(make())
    install.use("site")
    parser = argparse.ArgumentParser()
    robustness.add_arguments(parser)
    speed.add_arguments(parser)
    args = parser.parse_args(["--data", "scans"])
    for command in (robustness, speed):
        assert command.settings_of(args)["sha256"] == read_weights(installed.file).header["sha256"]


def test_a_name_that_is_not_there_lists_those_that_are(make, capsys):
    install.install(make())
    assert main(["detect", "a.nrrd", "--weights", "sit"]) == 2
    assert "No weights are installed as sit; there are default, site." in capsys.readouterr().err
    assert store.resolve("./sit") == Path("./sit") and store.resolve("sit.safetensors") == Path("sit.safetensors")


def test_a_file_goes_before_a_name(make, tmp_path, monkeypatch):
    install.install(make())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").touch()
    assert store.resolve("site") == Path("site")


def test_what_is_told_of_an_older_revision_that_is_installed_again_means_that_one(make, tmp_path, capsys):
    old, new = make(), make("other")
    for path, told in ((old, "site"), (new, "site"), (old, "site@1")):
        assert main(["model", "install", str(path), "--name", "site"]) == 0
        said = capsys.readouterr().out
        assert f"`detect --weights {told}` takes them; `model use {told}`" in said
        assert store.resolve(told).read_bytes() == Path(path).read_bytes()


def test_a_name_goes_before_a_folder(make, tmp_path, monkeypatch):
    """As `site CASES --out site` leaves one."""
    installed = install.install(make())
    monkeypatch.chdir(tmp_path)
    (tmp_path / installed.name).mkdir()
    assert store.resolve(installed.name) == installed.file


@pytest.mark.parametrize(
    "name", ["", "..", "../up", "a/b", "a\\b", "con", "LPT1.x", "default", "Default", ".x", "x.", "ä", "a b", "a" * 65]
)
def test_a_name_that_some_system_cannot_have_is_refused(make, home, name):
    with pytest.raises(BadInputError, match="cannot be installed as .*--name"):
        install.install(make(), name)
    assert not home.exists()


def test_a_header_with_other_letters_gives_a_name_of_those_that_fit(make):
    assert install.install(make("größe 2 (thin)")).name == "gr-e-2-thin"
    with pytest.raises(BadInputError, match="--name"):
        install.install(make("模型"))
    with pytest.raises(BadInputError, match="gr-e-2-thin is there already"):
        install.install(make("x"), "GR-E-2-thin")


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_what_holds_no_weights_is_not_installed(make, home, tmp_path, content):
    path = make()
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    with pytest.raises(BadInputError):
        install.install(path)
    with pytest.raises(BadInputError, match=r"no \.safetensors file"):
        install.install(path.rename(path.with_suffix(".pt")))
    assert not home.exists()


def test_a_kill_while_installing_leaves_nothing_that_counts(make, home, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(install, "rename_to_next", killed)
        patched.setattr(install.shutil, "rmtree", lambda *_, **__: None)  # a killed process clears nothing up
        with pytest.raises(KeyboardInterrupt):
            install.install(make())
    (part,) = (home / "site").iterdir()
    assert store.installed() == []
    assert install.install(make()).revision == 1 and part.exists()
    os.utime(part, (1, 1))
    install.install(make(version="2"))
    assert folders(home) == ["site", "site/r001", "site/r002"]


def test_two_processes_install_at_once(make, home):
    paths = [make(version="1"), make("b", version="2")]
    paths[1] = paths[1].replace(paths[0].with_name("c.safetensors"))
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_install_as, args=(path, str(home.parent))) for path in paths]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert [one.reference for one in store.installed()] == ["same@1", "same@2"]
    assert all(install.problem(one) is None for one in store.installed())


def _install_as(path: Path, folder: str) -> None:
    os.environ[store.VARIABLE] = folder
    install.install(path, "same")


def test_a_store_that_cannot_be_written_to_is_a_sentence(make, home, monkeypatch, capsys):
    one = install.install(make())

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    for name in ("mkdir", "rename", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("CarotidLandmarkLib.model.install.write_json", refuse)
    for words in (["install", str(make(version="2"))], ["use", "site"], ["remove", "site"]):
        assert main(["model", *words]) == 3
        assert "Read-only file system" in capsys.readouterr().err
    assert main(["model", "verify"]) == 0 and store.find("site") == one


def test_remove_takes_one_or_all_but_never_those_in_use(make, home, capsys):
    for version in "123":
        install.install(make(version=version))
    install.use("site@2")
    assert main(["model", "remove", "default"]) == 2 and "package's own" in capsys.readouterr().err
    assert main(["model", "remove", "site"]) == 2 and "in use" in capsys.readouterr().err
    assert main(["model", "remove", "site@3"]) == 0
    assert [one.revision for one in store.installed()] == [1, 2]
    install.use("default")
    assert main(["model", "remove", "site"]) == 0
    assert store.installed() == [] and folders(home) == []
    assert main(["model", "remove", "site"]) == 2
    assert main(["model", "remove", "../x"]) == 2


def test_what_is_installed_can_be_listed_without_safetensors(make, home):
    install.install(make())
    install.use("site")
    code = (
        "import sys; sys.modules['safetensors'] = None\n"
        "from CarotidLandmarkLib.model import store; print(store.installed() == [store.in_use()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\n"


def test_where_it_is_by_the_system(monkeypatch, tmp_path):
    monkeypatch.delenv(store.VARIABLE)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
    monkeypatch.setenv("XDG_DATA_HOME", "/x")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    expected = {
        "linux": "/x/carotid-landmark",
        "darwin": "/home/u/Library/Application Support/carotid-landmark",
        "win32": "/local/carotid-landmark",
    }
    for platform, folder in expected.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert store.data_folder() == Path(folder)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")  # is to be ignored, by the specification
    assert store.data_folder() == Path("/home/u/.local/share/carotid-landmark")
