#!/usr/bin/env python3
"""Writes digits.gz, the built-in data set: run once, with scikit-learn installed (`pip install scikit-learn`).

The file, once unpacked, has 65 bytes a row: the 64 pixels (0 to 16), row by row from the top left, then the digit.
"""

import gzip
import pathlib

from sklearn.datasets import load_digits

digits = load_digits()
assert digits.data.shape == (1797, 64) and digits.data.min() == 0 and digits.data.max() == 16
rows = b"".join(
    bytes(int(pixel) for pixel in pixels) + bytes([digit]) for pixels, digit in zip(digits.data, digits.target)
)
target = pathlib.Path(__file__).with_name("digits.gz")
# no time stamp: the same bytes whenever it is made
target.write_bytes(gzip.compress(rows, compresslevel=9, mtime=0))
print(f"{target}: {len(rows)} bytes in {target.stat().st_size}")
