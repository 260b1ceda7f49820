"""Writes the files of columns in tests/golden/formats: each with the same five rows, as NumPy, pandas/pyarrow and safetensors write them.

tests/formats.rs states the same rows: height (a double, with one gap), count (whole), seen (true or false), kind (text, or 0 1 0 2 1 where only
numbers are kept).

    python tests/golden/formats.py        # needs numpy, pandas, pyarrow, safetensors
"""

import datetime
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent / "formats"
here.mkdir(exist_ok=True)

height = np.array([1.5, -2.25, np.nan, 1e10, 0.0])
count = np.array([3, -1, 7, 127, 0], dtype=np.int8)
seen = np.array([True, False, True, True, False])
kind = np.array(["red", "blue", "red", "grün", "blue"], dtype=object)
code = np.array([0, 1, 0, 2, 1])

table = np.stack([height, count, seen, code], axis=1)
np.save(here / "f64.npy", table)
np.save(here / "f32.npy", table.astype(np.float32))
np.save(here / "columns.npy", np.asfortranarray(table))
np.save(here / "big_endian.npy", table.astype(">f8"))
for kind_of in ["i1", "i2", "i4", "i8"]:
    np.save(here / f"{kind_of}.npy", count.astype(kind_of))
for kind_of in ["u1", "u2", "u4", "u8"]:
    np.save(here / f"{kind_of}.npy", count.astype(np.int64).clip(0).astype(kind_of))
np.save(here / "bool.npy", seen)
np.save(here / "text.npy", kind.astype("U"))
np.save(here / "half.npy", height.astype(np.float16))
np.save(here / "cube.npy", np.zeros((5, 2, 2)))
np.save(here / "no_rows.npy", np.zeros((0, 3)))
arrays = {"x": np.stack([height, count], axis=1), "seen": seen, "code": code}
np.savez(here / "plain.npz", **arrays)
np.savez_compressed(here / "packed.npz", **arrays)
np.savez(here / "ragged.npz", x=height, y=code[:3])
np.savez(here / "twice.npz", x=np.stack([height, height], axis=1), x_0=code)
save_file(arrays, here / "x.safetensors")
save_file({"x": height.astype(np.float16)}, here / "half.safetensors")

frame = pd.DataFrame({"height": height, "count": count, "seen": seen, "kind": kind})
for codec in ["snappy", "gzip", "lz4", "none", "zstd", "brotli"]:
    frame.to_parquet(here / f"{codec}.parquet", compression=codec, index=False)
# rows in three groups, text without a dictionary, pages of the second version
pq.write_table(pa.Table.from_pandas(frame), here / "groups.parquet", row_group_size=2, use_dictionary=False, data_page_version="2.0")
# values coded as differences: not as a writer does by default
differences = {"height": "PLAIN", "count": "DELTA_BINARY_PACKED", "seen": "PLAIN", "kind": "DELTA_BYTE_ARRAY"}
pq.write_table(pa.Table.from_pandas(frame), here / "delta.parquet", use_dictionary=False, column_encoding=differences)
day = [datetime.datetime(2024, 1, 31, 12, 30)] * 5
dated = {"height": height, "at": day, "kind": kind}
pq.write_table(pa.table(dated), here / "timestamp.parquet")
pq.write_table(pa.table({**dated, "at": pa.array(day, pa.date32())}), here / "date.parquet")
pq.write_table(pa.table(dated), here / "int96.parquet", use_deprecated_int96_timestamps=True)
pq.write_table(pa.table({**dated, "at": pa.array([[1], [2], [], None, [3]])}), here / "nested.parquet")
pq.write_table(pa.table({**dated, "at": pa.array([1, 2, 3, 4, 5], pa.decimal128(10, 2))}), here / "decimal.parquet")
unsigned = {"small": pa.array([255, 0, None, 1, 2], pa.uint8()), "large": pa.array([2**32 - 1, 0, 1, 2, 3], pa.uint32()), "nothing": pa.nulls(5)}
pq.write_table(pa.table({**unsigned, "kind": kind}), here / "unsigned.parquet")
pq.write_table(pa.table({"height": height[:0], "kind": kind[:0]}), here / "no_rows.parquet")
