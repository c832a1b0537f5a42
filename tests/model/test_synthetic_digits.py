"""The stand-in digits: the same bytes everywhere, which the network learns."""

import hashlib

import numpy as np
import pytest

from model import synthetic_digits
from model.synthetic_digits import draw_digits, idx_bytes, write_idx_files


def test_the_default_files_are_these_bytes_on_every_machine(tmp_path):
    write_idx_files(tmp_path / "new" / "folder")
    files = tmp_path.glob("new/folder/*")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == synthetic_digits.SHA256


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="expected to draw 1 image or more, received 0"):
        draw_digits(0)
    with pytest.raises(ValueError, match=r"holds uint8, received an array of float64"):
        idx_bytes(np.zeros(3))
