from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.table import read_points_table

HEADER = "volume,side,x,y,z,space"


def as_lists(path: Path) -> dict:
    """The table as plain values, paths from the table's folder."""
    return {
        os.path.relpath(volume, path.parent): {side: None if p is None else p.tolist() for side, p in points.items()}
        for volume, points in read_points_table(path).items()
    }


def test_table_gives_the_landmarks_of_each_volume(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(
        f"{HEADER}\na/one.nrrd,left,1,2,3,LPS\n./a/one.nrrd,R,1,2,3,ras\n"
        "/data/two.nii.gz,L,,,,LPS\n/data/two.nii.gz,right,-4,5,6,LPS\nthree.nrrd,left,7,8,9,LPS\n"
    )
    table = read_points_table(path)
    assert list(table) == [tmp_path / "a/one.nrrd", Path("/data/two.nii.gz"), tmp_path / "three.nrrd"]
    one, two, three = table.values()
    np.testing.assert_array_equal(one["left"], (1, 2, 3))
    np.testing.assert_array_equal(one["right"], (-1, -2, 3))
    np.testing.assert_array_equal(two["right"], (-4, 5, 6))
    assert two["left"] is None, "a row without a position: missing"
    assert list(three) == ["left"], "no row: nothing is known"


@pytest.mark.parametrize(
    "text",
    [
        "volume;side;x;y;z;space\na.nrrd;left;1,5;2,25;-3,0;LPS\n",
        "sep=;\nvolume;side;x;y;z;space\na.nrrd;left;1,5;2.25;-3;LPS\n",
        "volume\tside\tx\ty\tz\tspace\na.nrrd\tleft\t1.5\t2,25\t-3\tLPS\n",
        "\r\nVolume , SIDE,X, Y ,Z,Space\r\n a.nrrd , Left ,1.5, 2.25 ,-3, lps \r\n,,,,,\r\n",
        '"volume","side","x","y","z","space"\n"a.nrrd","left","1,5","2,25","-3","LPS"\n',
        "reader,space,z,y,x,side,volume\nAB,LPS,-3,2.25,1.5,l,a.nrrd\n",
        "volume,side,x,y,z,space\ra.nrrd,left,1.5,2.25,-3,LPS\r",
        f"{HEADER},,\na.nrrd,left,\u00a01.5,2.25,-3,LPS,,\n",
    ],
    ids=["semicolons", "sep", "tabs", "capitals and blanks", "quotes", "order", "carriage returns", "filled"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_are_read_as_people_save_them(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode(encoding))
    assert as_lists(path) == {"a.nrrd": {"left": [1.5, 2.25, -3.0]}}


@pytest.mark.parametrize(
    "name", ["Scan\u00a01.nrrd", "患者\u3000太郎.nrrd", "a\u2028b.nrrd", "a, b.nrrd", 'so "called".nrrd']
)
def test_names_may_hold_any_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / "points.csv"
    quoted = name.replace('"', '""')
    path.write_text(f'{HEADER}\n"{quoted}",left,1,2,3,LPS\n', encoding="utf-8")
    assert list(as_lists(path)) == [name]


def test_table_names_every_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text(
        f"{HEADER}\na.nrrd,L,1,2,3,LPS\na.nrrd,L,1,2,3,LPS\nb.nrrd,up,1,2,3,LPS\n"
        'b.nrrd,L,1,2,,LPS\nb.nrrd,R,1,2,3,\nb.nrrd\n"c.nrrd,L,1,2,3,LPS\nd.nrrd,L,1,5,2,5,3,0,LPS\n'
        'e.nrrd,L,1.234,"1.234,5",3,LPS\nf.nrrd,R-1,1,2,3,LPS\ng.nrrd,L,nan,2,3,LPS\n\nh\0.nrrd,L,1,2,3,LPS\n'
    )
    with pytest.raises(BadInputError) as caught:
        read_points_table(path)
    message = str(caught.value)
    for part in ("line 3: the left landmark of a.nrrd", "line 4", "'up'", "line 5", "line 6", "LPS or RAS", "line 7"):
        assert part in message
    for part in ("line 8: a quote is not closed", "line 9: 9 cells for 6 columns", "line 10", "line 11", "line 12"):
        assert part in message
    assert "line 14" in message and "line 2" not in message and "line 13" not in message


def test_an_open_quote_is_named_and_swallows_no_other_row(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    rows = [f"b{k}.nrrd,left,{k},2,3,LPS" for k in range(6000)]
    path.write_text("\n".join([HEADER, '"a.nrrd,left,1,2,3,LPS', *rows]))
    with pytest.raises(BadInputError, match="rows to mend: line 2: a quote is not closed [^;]*$"):
        read_points_table(path)
    path.write_text("\n".join([HEADER, *(f"{row},7" for row in rows)]))
    with pytest.raises(BadInputError, match="and 5980 more.$"):
        read_points_table(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "volume,side,x,y,z,space"),
        ("volume,side,x,y,z\n", "lacks the column space"),
        ("volume,side,x,y,z,space\n", "no rows"),
        ('"volume,side,x,y,z,space\n', "lacks the column"),
        (
            "case,path,side,status,reasons,presence,x_lps_mm\na,a.nrrd,left,found,,0.9,1\n",
            "what detect found.*no truth",
        ),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match=says):
        read_points_table(path)


def test_what_is_no_table_is_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "binary.csv").write_bytes(b"\x89PNG\xff")
    for path in (tmp_path, tmp_path / "pipe.csv", tmp_path / "binary.csv", tmp_path / ("n" * 300), os.devnull):
        with pytest.raises(BadInputError, match="(Cannot read|is not text).*give a folder"):
            read_points_table(path)
