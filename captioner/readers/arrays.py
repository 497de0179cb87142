"""Arrays in numpy's files: .npy, and .npz, which holds several by name. Files with pickles are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy

from captioner.layers.allocation import free_memory
from captioner.readers import check_regular, parsing


def read_arrays(path: Path, advice: str) -> dict[str, numpy.ndarray]:
    """The arrays of numbers in a file, by name; that of an .npy file is called `features`. Arrays of text are left out."""
    check_regular(path, advice)
    with parsing(path, "a file of numpy arrays", advice), path.open("rb") as file:
        if not file.peek(6).startswith((b"\x93NUMPY", b"PK")):
            raise ValueError("it starts as neither .npy nor .npz, and pickles are never read")
        if (
            zipfile.is_zipfile(file)
            and sum(part.file_size for part in zipfile.ZipFile(file).infolist()) > free_memory()
        ):
            raise MemoryError
        file.seek(0)
        content = numpy.load(file, allow_pickle=False)
        arrays = {"features": content} if isinstance(content, numpy.ndarray) else dict(content)
    return {name: array for name, array in arrays.items() if array.dtype.kind in "biuf"}
