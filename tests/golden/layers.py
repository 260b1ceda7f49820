#!/usr/bin/env python3
"""Makes layers.json: PyTorch's BatchNorm1d, LayerNorm and softmax with their gradients, and the hash of dropout.

    python tests/golden/layers.py            writes layers.json beside this script
    python tests/golden/layers.py --check    makes it anew and compares with the file, number by number

As make.py, whose docstring says how the numbers are made: inputs are exact in f32, hyper-parameters are rounded to f32, torch
computes in float64. `slope` is what comes back from the layers above; the gradients are those of Σ slope · output.

* `batch_norm`: three steps of training (the last batch is short), each with output, gradients and the running state after it, then
  an evaluation. `condition` is how many spreads the numbers are away from zero: a mean that is stored as f32 is so much less exact.
* `pcg4d`: the hash of Jarzynski and Olano 2020, written down here in Python's integers from the paper, not from our sources.
"""

import argparse
import json
import sys

import numpy as np
import torch

sys.dont_write_bytecode = True  # no __pycache__ beside the golden files
from make import GRID, HERE, draw, f32, flat, made_with, tensor, text, worst  # noqa: E402
from torch import nn  # noqa: E402

NAME = "layers.json"
MASK = 0xFFFFFFFF


def parameters(rng, layer):
    """γ around 1 and β around 0, on the grid, as tensors of the layer."""
    with torch.no_grad():
        layer.weight.copy_(tensor(1.0 + draw(rng, tuple(layer.weight.shape), 0.5)))
        layer.bias.copy_(tensor(draw(rng, tuple(layer.bias.shape), 0.5)))
    return {"weight": flat(layer.weight), "bias": flat(layer.bias)}


def passed(layer, x, slope):
    """A batch through a layer and back."""
    layer.zero_grad()
    x = tensor(x, grad=True)
    y = layer(x)
    y.backward(tensor(slope))
    return {
        "x": flat(x), "slope": slope.reshape(-1).tolist(), "y": flat(y),
        "input_gradient": flat(x.grad), "weight_gradient": flat(layer.weight.grad), "bias_gradient": flat(layer.bias.grad),
    }


def batch_norm():
    rng = np.random.RandomState(11)
    cases = []
    for note, width, batches, momentum, epsilon, centre, spread in (
        ("ordinary", 5, (8, 8, 3), 0.1, 1e-5, 0.0, 1.0),
        ("one column, two rows at the end", 1, (9, 9, 2), 0.25, 1e-3, 2.0, 3.0),
        ("1000 and a little: one pass for the variance would fail", 3, (7, 7, 4), 0.1, 1e-5, 1000.0, 1 / 64),
    ):
        layer = nn.BatchNorm1d(width, eps=f32(epsilon), momentum=f32(momentum), dtype=torch.float64)
        case = {
            "note": note, "width": width, "rows": max(batches), "epsilon": f32(epsilon), "momentum": f32(momentum),
            "condition": centre / spread, **parameters(rng, layer), "steps": [],
        }
        for rows in batches:
            step = passed(layer, centre + draw(rng, (rows, width), spread), draw(rng, (rows, width)))
            state = {"running_mean": flat(layer.running_mean), "running_var": flat(layer.running_var)}
            case["steps"].append({"rows": rows, **step, **state, "num_batches_tracked": layer.num_batches_tracked.item()})
        layer.eval()
        x = centre + draw(rng, (4, width), spread)
        case["eval"] = {"rows": 4, "x": x.reshape(-1).tolist(), "y": flat(layer(tensor(x)))}
        cases.append(case)
    return cases


def layer_norm():
    rng = np.random.RandomState(12)
    cases = []
    for rows, width, centre, spread in ((4, 7, 0.0, 1.0), (3, 1, 0.0, 1.0), (2, 33, 5.0, 2.0), (3, 6, 1000.0, 1 / 64)):
        layer = nn.LayerNorm(width, eps=f32(1e-5), dtype=torch.float64)
        case = {"rows": rows, "width": width, "epsilon": f32(1e-5), "condition": centre / spread, **parameters(rng, layer)}
        cases.append({**case, **passed(layer, centre + draw(rng, (rows, width), spread), draw(rng, (rows, width)))})
    return cases


def softmax():
    rng = np.random.RandomState(13)
    cases = []
    for rows, width, spread in ((4, 10, 3.0), (3, 1, 1.0), (5, 3, 400.0)):
        z, slope = tensor(draw(rng, (rows, width), spread), grad=True), draw(rng, (rows, width))
        a = torch.softmax(z, dim=1)
        a.backward(tensor(slope))
        cases.append({
            "rows": rows, "width": width, "x": flat(z), "slope": slope.reshape(-1).tolist(), "y": flat(a), "input_gradient": flat(z.grad),
        })
    return cases


def pcg4d(x, y, z, w):
    x, y, z, w = ((v * 1664525 + 1013904223) & MASK for v in (x, y, z, w))
    for last in (False, True):
        x = (x + y * w) & MASK
        y = (y + z * x) & MASK
        z = (z + x * y) & MASK
        w = (w + y * z) & MASK
        if not last:
            x, y, z, w = (v ^ (v >> 16) for v in (x, y, z, w))
    return [x, y, z, w]


def hashes():
    rng = np.random.RandomState(14)
    counters = [[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [MASK] * 4, *rng.randint(0, 2**32, size=(4, 4), dtype=np.int64).tolist()]
    return [{"counter": counter, "words": pcg4d(*counter)} for counter in counters]


def main():
    arguments = argparse.ArgumentParser(description="Makes the golden numbers of the layers.")
    arguments.add_argument("--check", action="store_true", help="compare with the file instead of writing it (bound: 1e-12)")
    check = arguments.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    assert GRID == 1024.0, "1000 + k/1024 must be exact in f32"
    contents = {"batch_norm": batch_norm(), "layer_norm": layer_norm(), "softmax": softmax(), "pcg4d": hashes()}
    if not check:
        (HERE / NAME).write_text(text({"made_with": {**made_with(), "script": "tests/golden/layers.py"}, **contents}) + "\n")
        print(f"{NAME}: {(HERE / NAME).stat().st_size / 1000:.0f} kB")
        return
    old = json.loads((HERE / NAME).read_text())
    made_by = old.pop("made_with")
    difference, place = worst(old, json.loads(text(contents)))
    print(f"{NAME}: made with torch {made_by['torch']}, largest difference now {difference:.1e}{place and ' at ' + place}")
    sys.exit(0 if difference <= 1e-12 else 1)


if __name__ == "__main__":
    main()
