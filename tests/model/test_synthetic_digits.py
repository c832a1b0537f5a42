"""The stand-in digits: the same bytes everywhere, which the network learns."""

import hashlib

from model import synthetic_digits
from model.synthetic_digits import write_idx_files


def test_the_default_files_are_these_bytes_on_every_machine(tmp_path):
    write_idx_files(tmp_path / "new" / "folder")
    files = tmp_path.glob("new/folder/*")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == synthetic_digits.SHA256
