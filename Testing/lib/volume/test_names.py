"""Names of cases: the path's name less what tells the format, whatever dots it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from CarotidLandmarkLib.volume.read import case_name, find_cases

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/a.nrrd", "a"),
        ("a.nii.gz", "a"),
        ("A.NII", "A"),
        ("1.3.6.1.4.1.99999.5.7.nrrd", "1.3.6.1.4.1.99999.5.7"),
        ("1.2.840.113619.7.nii.gz", "1.2.840.113619.7"),
        ("1.2.840.113619.7.dcm", "1.2.840.113619.7"),
        ("1.2.840.113619.7", "1.2.840.113619.7"),
        ("IM0001.IMA", "IM0001"),
        (".dcm", ".dcm"),
        ("Scan\u00a01.mha", "Scan\u00a01"),
        ("n" * 300 + ".nrrd", "n" * 300),
    ],
)
def test_of_a_file(path, name):
    assert case_name(Path(path)) == name


def test_of_a_folder(tmp_path):
    (tmp_path / "1.2.840.nrrd").mkdir()
    assert case_name(tmp_path / "1.2.840.nrrd") == "1.2.840.nrrd"


def test_a_folder_of_cases_has_the_same_names(tmp_path, volume):
    from CarotidLandmarkLib.volume.ct import write_volume

    paths = [tmp_path / f"1.3.6.1.{k}.nrrd" for k in (7, 8)]
    for path in paths:
        write_volume(volume, path, compress=False)
    assert find_cases(tmp_path) == [(case_name(path), path) for path in paths]


READ = "import sys; from CarotidLandmarkLib.volume.read import read_volume; read_volume(sys.argv[1])"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode here")
def test_a_name_of_utf8_in_another_locale_is_not_said_to_be_none(tmp_path):
    file = tmp_path / "größe.nrrd"
    file.write_bytes(b"x")
    for utf8, says in (("0", "is UTF-8 text, and the locale of this process is not: set LC_ALL"), ("1", "export it")):
        env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run([sys.executable, "-c", READ, file], cwd=ROOT, env=env, capture_output=True, text=True)
        assert says in done.stderr.splitlines()[-1]
