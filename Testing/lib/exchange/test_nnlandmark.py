"""nnLandmark's voxels against nibabel's affine, on oblique, anisotropic and mirrored grids, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.exchange import nnlandmark
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.report.methods import read_detections, read_method
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume

OBLIQUE = Rotation.from_euler("xyz", [10, -15, 20], degrees=True).as_matrix()
DIRECTIONS = {
    "lps": np.eye(3),
    "ras": np.diag([-1.0, -1.0, 1.0]),
    "mirrored": np.diag([1.0, 1.0, -1.0]),
    "coronal": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "oblique": OBLIQUE,
}
VOXELS = {"left": np.array([30.25, 11.0, 4.5]), "right": np.array([5.0, 12.0, 6.0])}


def grid_of(name: str) -> Grid:
    return Grid((36, 24, 12), (1.5, 2.0, 3.0), (-20.0, 35.0, -700.0), DIRECTIONS[name])


def side_by_side(name: str) -> dict[str, np.ndarray]:
    """VOXELS, the sides exchanged where i runs to the patient's right."""
    left, right = VOXELS.values()
    return {"left": right, "right": left} if name == "ras" else VOXELS


@pytest.fixture
def volumes():
    def volume(name: str) -> CTVolume:
        grid = grid_of(name)
        return CTVolume(np.random.default_rng(0).normal(40, 200, grid.shape).astype(np.int16), grid)

    return volume


@pytest.fixture
def dataset(tmp_path, volumes):
    """A data set of nnLandmark's own making, as its converters write it, of each of DIRECTIONS."""
    folder = tmp_path / "Dataset901_Neck"
    for name in DIRECTIONS:
        place = "imagesTs" if name == "oblique" else "imagesTr"
        write_volume(volumes(name), folder / place / f"{name}_0000.nii.gz")
    marks = {name: {f"carotid_{side}": at.tolist() for side, at in side_by_side(name).items()} for name in DIRECTIONS}
    save(folder / "all_landmarks_voxel.json", marks)
    labels = {"background": 0, "carotid_right": 1, "carotid_left": 2}
    save(folder / "dataset.json", {"labels": labels, "file_ending": ".nii.gz", "channel_names": {"0": "CT"}})
    save(folder / "spacing.json", {"lps": {"image_spacing": [1.5, 2, 3], "annotation_spacing": None}})
    return folder


def save(path: Path, values) -> None:
    path.write_text(json.dumps(values))


def change(path: Path, edit) -> None:
    values = json.loads(path.read_text())
    edit(values)
    save(path, values)


def test_voxels_become_millimetres_as_nibabel_has_it(dataset):
    cases = {case.name: case for case in read_cases(dataset)}
    assert set(cases) == set(DIRECTIONS)
    for name, case in cases.items():
        affine = nibabel.load(case.volume).affine
        for side, at in side_by_side(name).items():
            lps = (affine @ [*at, 1])[:3] * [-1, -1, 1]
            assert case.points[side] == pytest.approx(lps, abs=1e-3), name
        assert case.unreviewed == ()


def test_a_side_that_a_case_lacks_is_unreviewed_and_null_is_missing(dataset, capsys):
    def edit(marks):
        del marks["lps"]["carotid_left"]
        marks["ras"]["carotid_left"] = None
        marks["coronal"]["chin"] = [1, 2, 3]

    change(dataset / "all_landmarks_voxel.json", edit)
    cases = {case.name: case for case in read_cases(dataset)}
    assert cases["lps"].unreviewed == ("left",) and cases["lps"].points["right"] is not None
    assert cases["ras"].unreviewed == () and cases["ras"].points["left"] is None
    assert "name no side and are left out: chin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "edit", "says"),
    [
        (
            "all_landmarks_voxel.json",
            lambda of: of["lps"].update(carotid_left=[1, 2]),
            "lps: carotid_left.*three voxel",
        ),
        ("all_landmarks_voxel.json", lambda of: of["lps"].update(carotid_left=[1, 2, 10**400]), "three voxel"),
        ("all_landmarks_voxel.json", lambda of: of["lps"].update(carotid_left=[1, 2, True]), "three voxel"),
        ("all_landmarks_voxel.json", lambda of: of.update(lps=[1]), "lps: .*no landmarks"),
        ("all_landmarks_voxel.json", lambda of: of.update({"../imagesTr/lps": of["lps"]}), "is a path, not the name"),
        (
            "all_landmarks_voxel.json",
            lambda of: of.update(gone=of["lps"]),
            "gone: It has no image: put gone_0000.nii.gz",
        ),
        (
            "all_landmarks_voxel.json",
            lambda of: of["lps"].update(carotid_left=[90, 2, 3]),
            "lps: the left point.*outside",
        ),
        ("all_landmarks_voxel.json", lambda of: of["lps"].update(LCB=[1, 2, 3]), "left side, but more than one.*LCB"),
        ("dataset.json", lambda of: of.update(labels=["a"]), "does not number its labels"),
        ("dataset.json", lambda of: of.update(labels={"left": 1, "right": 2}), "more than one"),
        ("spacing.json", lambda of: of["lps"].update(annotation_spacing=0.5), "lps: spacing.json gives it"),
        ("spacing.json", lambda of: of["lps"].update(annotation_spacing=[0, 1]), "not three numbers above 0"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_a_sentence(dataset, name, edit, says):
    change(dataset / name, edit)
    with pytest.raises(BadInputError, match=says):
        read_cases(dataset)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
@pytest.mark.parametrize("name", ["dataset.json", "all_landmarks_voxel.json"])
def test_what_is_no_json_object_is_a_sentence(dataset, name, text):
    (dataset / name).write_text(text)
    with pytest.raises(BadInputError, match=f"{name} is no"):
        nnlandmark.read_dataset(dataset)


def test_labels_without_any_side_are_listed(dataset):
    change(dataset / "all_landmarks_voxel.json", lambda of: of.clear())
    change(dataset / "dataset.json", lambda of: of.update(labels={"background": 0, "chin": 1, "nose": 2}))
    with pytest.raises(BadInputError, match="left side, but none does: chin, nose"):
        nnlandmark.read_dataset(dataset)


def test_one_bad_case_does_not_stop_the_others(dataset):
    (dataset / "imagesTr" / "lps_0000.nii.gz").unlink()
    failed: dict[str, str] = {}
    assert {case.name for case in read_cases(dataset, failed)} == set(DIRECTIONS) - {"lps"} and list(failed) == ["lps"]
    with pytest.raises(BadInputError, match="lps_0000"):
        nnlandmark.read_dataset(dataset)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_written_data_set_is_read_back_and_its_label_maps_lie_on_the_landmarks(tmp_path, volumes, name):
    folder, volume = tmp_path / "Dataset902_Out", volumes(name)
    points = {side: volume.grid.index_to_world(at) for side, at in side_by_side(name).items()}
    assert nnlandmark.write_dataset(folder, [("a", volume, points)]) == 1
    (case,) = read_cases(folder)
    for side, point in points.items():
        assert case.points[side] == pytest.approx(point, abs=1e-3)
    image, labels = (nibabel.load(folder / path) for path in ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"))
    assert np.allclose(image.affine, labels.affine)
    about = json.loads((folder / "dataset.json").read_text())
    marks = json.loads((folder / "all_landmarks_voxel.json").read_text())["a"]
    assert about["numTraining"] == 1 and about["name"] == "Dataset902_Out" and about["channel_names"] == {"0": "CT"}
    assert json.loads((folder / "spacing.json").read_text())["a"]["image_spacing"] == [1.5, 2.0, 3.0]
    for side in points:
        inside = np.argwhere(labels.get_fdata() == about["labels"][side])
        assert len(inside) == 27 and inside.mean(axis=0) == pytest.approx(np.rint(marks[side]))
    assert read_volume(case.volume).array.tolist() == volume.array.tolist()


def test_a_landmark_at_the_border_has_the_part_of_its_cube_that_is_inside(tmp_path, volumes):
    volume = volumes("lps")
    point = {"left": volume.grid.index_to_world([35, 23, 0])}
    nnlandmark.write_dataset(tmp_path / "d", [("a", volume, point)])
    assert (nibabel.load(tmp_path / "d" / "labelsTr" / "a.nii.gz").get_fdata() == 1).sum() == 8


def test_a_data_set_is_not_written_over_another(dataset, volumes):
    with pytest.raises(BadInputError, match="holds a data set already"):
        nnlandmark.write_dataset(dataset, [])


def predict(folder: Path, **cases) -> Path:
    folder.mkdir(exist_ok=True)
    save(folder / "dataset.json", {"labels": {"background": 0, "carotid_right": 1, "carotid_left": 2}})
    for case, of in cases.items():
        save(folder / f"{case}.json", of)
    return folder


def answer(at, likelihood=0.75):
    return {"coordinates": at, "likelihood": likelihood}


def test_predictions_are_detections_in_millimetres(tmp_path, dataset):
    cases = {case.name: case for case in read_cases(dataset) if case.name in ("oblique", "coronal")}
    folder = predict(
        tmp_path / "predicted",
        oblique={"1": answer([5, 12, 6]), "2": answer([30, 11, 5])},
        coronal={"carotid_right": answer([5, 12, 6]), "carotid_left": answer([None] * 3, 0.0)},
    )
    detections, failed = read_detections(folder, cases)
    assert failed == {} and set(detections) == {"oblique", "coronal"}
    left, right = detections["oblique"].landmarks
    assert right.position_lps_mm == pytest.approx(cases["oblique"].points["right"], abs=1e-3)
    off = np.array([-0.25, 0, 0.5]) * [1.5, 2, 3]
    assert np.linalg.norm(left.position_lps_mm - cases["oblique"].points["left"]) == pytest.approx(np.linalg.norm(off))
    assert (left.status, left.presence, left.covariance_mm2) == ("found", 0.75, None)
    assert detections["coronal"].landmark("left").status == "absent"
    method = read_method(folder, cases)
    assert method.name == "nnLandmark" and len(method.scores) == 4


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda folder: (folder / "dataset.json").unlink(), "dataset.json"),
        (lambda folder: (folder / "lps.json").write_text("{"), "is not JSON"),
        (lambda folder: save(folder / "lps.json", {"1": answer([1, 2, 3])}), "has no landmark 2 .carotid_left."),
        (lambda folder: save(folder / "lps.json", {"1": answer([1, 2]), "2": answer([1, 2, 3])}), "three voxel"),
        (lambda folder: save(folder / "lps.json", {"1": [1, 2, 3], "2": [1, 2, 3]}), "coordinates and a likelihood"),
        (lambda folder: save(folder / "lps.json", {"1": answer([1, 2, 3], "high"), "2": 0}), "a likelihood"),
        (lambda folder: save(folder / "plans.json", {"image_reader_writer": "NibabelIOWithReorient"}), "reoriented"),
    ],
)
def test_what_is_no_prediction_is_a_sentence_and_a_failed_case(tmp_path, dataset, edit, says):
    folder = predict(tmp_path / "predicted", lps={"1": answer([5, 12, 6]), "2": answer([30, 11, 5])})
    edit(folder)
    (case,) = (case for case in read_cases(dataset) if case.name == "lps")
    with pytest.raises(BadInputError, match=says):
        nnlandmark.read_prediction(folder, "lps", str(case.volume), case.grid)
    assert list(read_detections(folder, {"lps": case})[1]) == ["lps"]


def test_reoriented_predictions_of_an_image_in_ras_are_read(tmp_path):
    folder = predict(tmp_path / "predicted", ras={"1": answer([5, 12, 6]), "2": answer([30, 11, 5])})
    save(folder / "plans.json", {"image_reader_writer": "NibabelIOWithReorient"})
    read = nnlandmark.read_prediction(folder, "ras", "ras.nii.gz", grid_of("ras"))
    assert read.landmark("right").position_lps_mm == pytest.approx(grid_of("ras").index_to_world([5, 12, 6]))


def test_a_written_prediction_is_read_back(tmp_path):
    grid, point = grid_of("oblique"), np.array([-5.0, 50.0, -690.0])
    landmarks = [LandmarkDetection("left", "review", ["Hm."], 0.5, point), LandmarkDetection("right", "absent")]
    nnlandmark.write_prediction(tmp_path / "p", "a", Detection("a", {}, {}, {}, landmarks), grid)
    assert json.loads((tmp_path / "p" / "a.json").read_text())["2"] == answer([None] * 3, 0.0)
    read = nnlandmark.read_prediction(tmp_path / "p", "a", "a.nii.gz", grid)
    assert read.landmark("left").position_lps_mm == pytest.approx(point) and read.landmark("left").presence == 0.5
    assert read.landmark("right").status == "absent"
    (tmp_path / "file").touch()
    with pytest.raises(CannotRunError, match="choose a folder"):
        nnlandmark.write_prediction(tmp_path / "file" / "p", "a", Detection("a", {}, {}, {}, landmarks), grid)
