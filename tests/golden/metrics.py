#!/usr/bin/env python3
"""Makes metrics.json: scikit-learn's numbers, which tests/metrics.rs holds ours against.

    python tests/golden/metrics.py            writes metrics.json beside this script
    python tests/golden/metrics.py --check    makes it anew and compares with the file

Needs numpy and scikit-learn. Outputs and targets are exact in f32: most are multiples of 1/64, so that there are ties.
"""

import argparse
import json
import pathlib
import platform
import sys

import numpy as np
import sklearn
from sklearn import metrics as sk

from make import text, worst

HERE = pathlib.Path(__file__).resolve().parent


def exact(array):
    """The numbers row by row; refuses what f32 cannot hold."""
    assert (array.astype(np.float32).astype(np.float64) == array).all(), "a number is not exact in f32"
    return array.reshape(-1).tolist()


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    # added up in the order of size: the order of the classes must not part what is tied
    return e / np.sort(e, axis=1).cumsum(axis=1)[:, -1:]


def classifier(note, z, y, classes):
    """Outputs [rows, classes], or [rows, 1] of two classes."""
    single = z.shape[1] == 1
    predicted = (z[:, 0] > 0).astype(int) if single else z.argmax(axis=1)
    p = np.stack([1 / (1 + np.exp(z[:, 0])), 1 / (1 + np.exp(-z[:, 0]))], axis=1) if single else softmax(z)
    labels = list(range(classes))
    out = {
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": float(np.mean([np.mean(predicted[y == c] == c) for c in labels if (y == c).any()])),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "log_loss": sk.log_loss(y, p, labels=labels),
    }
    # where a class is predicted that does not occur, scikit-learn only warns: the mean is over those that occur
    assert abs(out["balanced_accuracy"] - sk.balanced_accuracy_score(y, predicted)) < 1e-12
    for average in ("macro", "micro", "weighted"):
        for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
            out[f"{name}_{average}"] = score(y, predicted, average=average, zero_division=0)
    if classes > 5:
        out["top5_accuracy"] = sk.top_k_accuracy_score(y, z, k=5, labels=labels)
    wanted = [1] if classes == 2 else [c for c in labels if 0 < (y == c).sum() < len(y)]
    if all(0 < (y == c).sum() < len(y) for c in wanted) and wanted:
        out["auroc"] = float(np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in wanted]))
        out["average_precision"] = float(np.mean([sk.average_precision_score(y == c, p[:, c]) for c in wanted]))
        if classes > 2 and len(wanted) == classes:
            assert abs(out["auroc"] - sk.roc_auc_score(y, p, multi_class="ovr", average="macro")) < 1e-12
    counts = sk.confusion_matrix(y, predicted, labels=labels)
    per_class = sk.precision_recall_fscore_support(y, predicted, labels=labels, average=None, zero_division=0)
    constant = len(set(y.tolist()) | set(predicted.tolist())) == 1
    # the share of rows whose class is among so many of the largest, where that is not all of them
    top = {} if single else {str(k): sk.top_k_accuracy_score(y, z, k=k, labels=labels) for k in (2, 3, 5) if 2 < classes and k < classes}
    return {"note": note, "classes": classes, "outputs": int(z.shape[1]), "z": exact(z), "y": y.tolist(),
            "confusion": counts.reshape(-1).tolist(), "top": top,
            "per_class": dict(zip(("precision", "recall", "f1", "support"), (a.tolist() for a in per_class), strict=True)),
            # 0 / 0 where truth and prediction are one and the same class: NaN there, 0 here
            "kappa": 0.0 if constant else float(sk.cohen_kappa_score(y, predicted)), "metrics": {k: float(v) for k, v in out.items()}}


def regression(note, p, t):
    varies = (t != t[0]).any(axis=0)
    if varies.all() or t.shape[1] == 1:
        pooled = sk.r2_score(t, p, multioutput="variance_weighted")
    else:
        # a constant target beside others has no weight in scikit-learn; here its errors count
        pooled = 1 - ((t - p) ** 2).sum() / ((t - t.mean(axis=0)) ** 2).sum()
        assert pooled < sk.r2_score(t, p, multioutput="variance_weighted")
    return {"note": note, "outputs": int(t.shape[1]), "p": exact(p), "t": exact(t), "metrics": {
        "mse": sk.mean_squared_error(t, p), "mae": sk.mean_absolute_error(t, p),
        # the root of the mean over all, where scikit-learn takes the mean of the roots
        "rmse": float(np.sqrt(sk.mean_squared_error(t, p))), "r2": float(pooled)}}


def made():
    rng = np.random.RandomState(7)

    def draw(shape, scale, grid=64.0):
        return np.round(rng.randn(*shape) * scale * grid) / grid

    cases = []
    for rows, classes in ((1, 2), (7, 2), (60, 2), (50, 3), (120, 10)):
        y = rng.randint(classes, size=rows)
        z = draw((rows, classes), 1.0)
        z[np.arange(rows), y] += np.round(64 * 0.75) / 64
        cases.append(classifier("ordinary", z, y, classes))
    y = rng.randint(2, size=40)
    cases.append(classifier("one output", draw((40, 1), 1.0) + y[:, None] * 0.5, y, 2))
    cases.append(classifier("many ties", draw((80, 3), 1.0, 1.0), rng.randint(3, size=80), 3))
    cases.append(classifier("one output, many ties", draw((60, 1), 1.0, 1.0), rng.randint(2, size=60), 2))
    cases.append(classifier("many ties among ten", draw((60, 10), 1.0, 1.0), rng.randint(10, size=60), 10))
    y = rng.choice([0, 2, 3], size=50)
    cases.append(classifier("a class that does not occur", draw((50, 4), 1.0), y, 4))
    z = draw((50, 4), 1.0)
    z[:, 1] -= 20
    cases.append(classifier("a class that is never predicted", z, rng.randint(4, size=50), 4))
    y = rng.randint(3, size=30)
    cases.append(classifier("perfect", np.eye(3)[y] * 4, y, 3))
    cases.append(classifier("always wrong", np.eye(3)[(y + 1) % 3] * 4, y, 3))
    z = draw((40, 3), 0.25)
    z[:, 2] += 8
    cases.append(classifier("one class only predicted", z, rng.randint(3, size=40), 3))
    y = (rng.rand(200) < 0.04).astype(int)
    cases.append(classifier("imbalanced", draw((200, 2), 1.0), y, 2))
    cases.append(classifier("all rows of one class", draw((12, 3), 1.0), np.full(12, 1), 3))
    values = []
    for rows, outputs in ((2, 1), (40, 1), (30, 3)):
        t = draw((rows, outputs), 2.0)
        values.append(regression("ordinary", t + draw((rows, outputs), 0.5), t))
    values.append(regression("worse than the mean", draw((20, 1), 3.0), draw((20, 1), 1.0)))
    flat = np.full((6, 1), 0.1, dtype=np.float32).astype(np.float64)
    values.append(regression("a constant target, met", flat, flat))
    values.append(regression("a constant target, missed", flat * 2, flat))
    t = draw((9, 3), 2.0)
    t[:, 1] = 4.0
    values.append(regression("a constant target beside others, missed", t + draw((9, 3), 0.5), t))
    values.append(regression("perfect", t[:, :1], t[:, :1]))
    return {"classifiers": cases, "regressions": values}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", action="store_true")
    check = arguments.parse_args().check
    contents, path = made(), HERE / "metrics.json"
    if check:
        old = json.loads(path.read_text())
        old.pop("made_with")
        difference, place = worst(old, json.loads(text(contents)))
        print(f"metrics.json: largest difference now {difference:.1e}{place and ' at ' + place}")
        sys.exit(0 if difference <= 1e-12 else 1)
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
    path.write_text(text({"made_with": {"script": "tests/golden/metrics.py", **versions}, **contents}) + "\n")
    print(f"metrics.json: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
