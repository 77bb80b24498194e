"""SimpleITK without its noise: ITK and GDCM print to the process's stderr from C++, errors and warnings alike."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError

_lock = threading.Lock()
_users = 0
_stderr = -1


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send file descriptor 2 to nowhere while any thread is inside."""
    global _users, _stderr
    with _lock:
        _users += 1
        if _users == 1:
            with contextlib.suppress(OSError):
                _stderr = os.dup(2)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 2)
                os.close(nowhere)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _stderr >= 0:
                os.dup2(_stderr, 2)
                os.close(_stderr)
                _stderr = -1


def read_header(path: str | os.PathLike[str], image_io: str = "") -> sitk.ImageFileReader:
    """A reader that knows size, spacing and tags of `path`; its Execute() loads the voxels. Raises RuntimeError."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(os.fspath(path))
    with quiet():
        reader.ReadImageInformation()
    return reader


def to_hu_array(array: np.ndarray) -> np.ndarray:
    """The same values as int16 where every one of them fits, else as float32."""
    if array.dtype in (np.int16, np.float32):
        return array
    if array.dtype.kind in "iu" and array.min() >= -32768 and array.max() <= 32767:
        return array.astype(np.int16)
    return array.astype(np.float32)


def require_itk_name(path: str | os.PathLike[str]) -> None:
    """BadInputError for a path whose bytes are not those of its text as UTF-8, which ITK is handed: bytes that are no
    text would end the whole process."""
    stored = os.fsencode(path)
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = stored.decode("utf-8", "backslashreplace")
        raise BadInputError(f"The name of '{shown}' holds bytes that are no UTF-8 text: rename it.") from error
    if text != os.fspath(path):
        raise BadInputError(
            f"The name of '{text}' is UTF-8 text, and the locale of this process is not: set LC_ALL=C.UTF-8 or "
            "PYTHONUTF8=1."
        )
