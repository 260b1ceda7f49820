#!/usr/bin/env python3
"""Writes the binary seeds that no other tool has to make: IDX files and packed text, by the formats' own descriptions, with the standard library alone.

Those of NPY, NPZ, Parquet and safetensors are copies of tests/golden/formats, written by NumPy, pyarrow and safetensors. Those of checkpoints and runs
are written by `fuzz/examples/seeds.rs`. Texts are written by hand, and files named after a fault are inputs that once found one.
"""
import gzip
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent
GOLDEN = ROOT.parent / "tests/golden/formats"


def idx(dimensions, values):
    return struct.pack(">BBBB", 0, 0, 8, len(dimensions)) + b"".join(struct.pack(">I", size) for size in dimensions) + bytes(values)


def pair(labels, images):
    """As the target takes it: the length of the labels, the labels, the images."""
    return struct.pack("<H", len(labels)) + labels + images


def seed(target, name, content):
    folder = ROOT / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


labels, images = idx([6], [0, 1, 2, 0, 1, 2]), idx([6, 2, 3], range(36))
packed = lambda content: gzip.compress(content, mtime=0)
seed("idx", "plain", pair(labels, images))
seed("idx", "packed", pair(packed(labels), packed(images)))
seed("idx", "one-dimension", pair(labels, labels))
seed("idx", "claims-more-than-there-is", pair(labels, idx([6, 65535, 16], range(36))))
seed("idx", "many-dimensions", pair(idx([1], [0]), idx([1] * 255, [1])))

# the weights of the target's model, and two arrays that lie one over the other
floats = struct.pack("<80f", *(i / 16 for i in range(80)))


def safetensors(arrays, content):
    """Arrays of f32 by name: shape, where its bytes begin and end."""
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [start, end]} for name, (shape, start, end) in arrays.items()})
    return struct.pack("<Q", len(header)) + header.encode() + content


weights, at = {}, 0
for name, shape in [("0.weight", [4, 3]), ("0.bias", [4]), ("2.weight", [4]), ("2.bias", [4]), ("2.running_mean", [4]), ("2.running_var", [4]),
                    ("3.weight", [2, 4]), ("3.bias", [2])]:
    size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
    weights[name], at = (shape, at, at + size), at + size
seed("safetensors", "weights", safetensors(weights, floats[:at]))
seed("safetensors", "one-array-over-another", safetensors({"a": ([4], 0, 16), "b": ([4], 8, 24)}, floats[:24]))

flats = b"length,colour,species\n5.1,red,setosa\n6.3,,virginica\n4.9,red,setosa\n5.8,blue,virginica\n"
seed("csv", "packed", packed(flats))
seed("csv", "packed-twice-one-behind-the-other", packed(flats) + packed(flats.split(b"\n", 1)[1]))

for ending, target in [("npy", "npy"), ("npz", "npz"), ("safetensors", "safetensors")]:
    for path in GOLDEN.glob(f"*.{ending}"):
        seed(target, path.stem, path.read_bytes())
# one of each codec and kind is enough: they are long
for name in ["snappy", "gzip", "lz4", "none", "groups", "date", "timestamp", "unsigned", "int96", "delta", "nested", "no_rows"]:
    seed("parquet", name, (GOLDEN / f"{name}.parquet").read_bytes())
