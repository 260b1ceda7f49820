#!/usr/bin/env python3
"""Makes schedules.json: the rates of PyTorch's schedulers, which tests/schedules.rs holds ours against.

    python tests/golden/schedules.py            writes schedules.json beside this script
    python tests/golden/schedules.py --check    makes it anew and compares with the file, number by number

Needs numpy and torch, as make.py, whose writing and comparing it borrows. The rates are those that the optimizer has at each unit
(epoch or step) before its update: the scheduler is made, and stepped after each. All numbers are Python's floats, f64.

Where our conventions differ from a scheduler's defaults, it is told ours: the warm-up lr·(t + 1)/W is LinearLR from 1/W over W − 1 units;
after it a scheduler lasts for the rest of the run. ReduceLROnPlateau gets eps = 0: we leave out no drop for being small.
"""

import argparse
import json
import math
import pathlib
import sys
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler as schedulers

from make import made_with, text, worst

FILE = pathlib.Path(__file__).resolve().parent / "schedules.json"
LENGTHS = (1, 2, 7, 100)


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(made_for, lr, units):
    """The rate at each unit of the run."""
    sgd = optimizer(lr)
    scheduler = made_for(sgd)
    run = []
    for _ in range(units):
        run.append(float(sgd.param_groups[0]["lr"]))
        sgd.step()
        scheduler.step()
    return run


# ours on the left, PyTorch's on the right; T is how many units the scheduler lasts
MAKE = {
    "fixed": lambda v, T: lambda o: schedulers.ConstantLR(o, factor=1.0, total_iters=T),
    "step": lambda v, T: lambda o: schedulers.StepLR(o, step_size=int(v["every"]), gamma=v["drop"]),
    "exponential": lambda v, T: lambda o: schedulers.ExponentialLR(o, gamma=v["rate"]),
    "cosine": lambda v, T: lambda o: schedulers.CosineAnnealingLR(o, T_max=T, eta_min=v.get("min", 0.0)),
    "cosine_restarts": lambda v, T: lambda o: schedulers.CosineAnnealingWarmRestarts(
        o, T_0=int(v["every"]), T_mult=int(v.get("multiply", 1)), eta_min=v.get("min", 0.0)),
    "polynomial": lambda v, T: lambda o: schedulers.PolynomialLR(o, total_iters=T, power=v.get("power", 1.0)),
}


def one_cycle(v, lr, epochs, steps_per_epoch):
    """PyTorch's refuses a step beyond the last, so it is stepped once less."""
    sgd = optimizer(lr)
    names = {"pct_start": "pct_start", "div": "div_factor", "final_div": "final_div_factor"}
    given = {names[k]: x for k, x in v.items() if k in names}
    scheduler = schedulers.OneCycleLR(
        sgd, max_lr=lr, epochs=epochs, steps_per_epoch=steps_per_epoch, cycle_momentum=False, anneal_strategy=v.get("anneal", "cos"), **given)
    run = []
    for unit in range(epochs * steps_per_epoch):
        run.append(float(sgd.param_groups[0]["lr"]))
        sgd.step()
        if unit + 1 < epochs * steps_per_epoch:
            scheduler.step()
    return run


def shapes():
    settings = [
        ("fixed", {}),
        ("step", {"drop": 0.1, "every": 3.0}), ("step", {"drop": 0.5, "every": 1.0}), ("step", {"drop": 0.9, "every": 30.0}),
        ("exponential", {"rate": 0.95}), ("exponential", {"rate": 1.0}),
        ("cosine", {}), ("cosine", {"min": 1e-3}),
        ("cosine_restarts", {"every": 3.0}), ("cosine_restarts", {"every": 1.0, "multiply": 2.0, "min": 1e-4}),
        ("cosine_restarts", {"every": 5.0, "multiply": 2.0}), ("cosine_restarts", {"every": 2.0, "multiply": 3.0}),
        ("polynomial", {}), ("polynomial", {"power": 2.0}), ("polynomial", {"power": 0.9}),
        ("one_cycle", {}), ("one_cycle", {"anneal": "linear"}),
        ("one_cycle", {"pct_start": 0.45, "div": 10.0, "final_div": 100.0}), ("one_cycle", {"pct_start": 0.0, "anneal": "linear"}),
    ]
    cases = []
    for name, values in settings:
        for lr in (0.1, 3e-4):
            for units in LENGTHS:
                # one rate is enough for the long runs; and none below where it is to fall to
                if lr < 0.1 and (units > 7 or lr < values.get("min", 0.0)):
                    continue
                run = one_cycle(values, lr, units, 1) if name == "one_cycle" else rates(MAKE[name](values, units), lr, units)
                cases.append({"shape": name, "values": values, "lr": lr, "unit": "epoch", "epochs": units, "steps_per_epoch": 1, "warmup": 0,
                              "rates": run})
    for values in ({}, {"anneal": "linear"}):
        cases.append({"shape": "one_cycle", "values": values, "lr": 0.1, "unit": "step", "epochs": 4, "steps_per_epoch": 25, "warmup": 0,
                      "rates": one_cycle(values, 0.1, 4, 25)})
    for units, warmup in ((7, 2), (7, 3), (40, 12)):
        for name, values in settings:
            if name == "one_cycle":
                continue

            def made(o, name=name, values=values):
                rise = schedulers.LinearLR(o, start_factor=1 / warmup, end_factor=1.0, total_iters=warmup - 1)
                return schedulers.SequentialLR(o, [rise, MAKE[name](values, units - warmup)(o)], milestones=[warmup])

            cases.append({"shape": name, "values": values, "lr": 0.1, "unit": "epoch", "epochs": units, "steps_per_epoch": 1,
                          "warmup": warmup, "rates": rates(made, 0.1, units)})
    return cases


def phases():
    cases = []
    for parts in (
        [("fixed", {}, 10), ("cosine", {"min": 1e-3}, 90)],
        [("exponential", {"rate": 0.9}, 25), ("step", {"drop": 0.5, "every": 4.0}, 25), ("cosine_restarts", {"every": 7.0}, 50)],
        [("cosine", {}, 3), ("polynomial", {"power": 2.0}, 1), ("fixed", {}, 3)],
    ):
        ends = np.cumsum([length for *_, length in parts]).tolist()

        def made(o, parts=parts, ends=ends):
            return schedulers.SequentialLR(o, [MAKE[name](values, length)(o) for name, values, length in parts], milestones=ends[:-1])

        cases.append({"lr": 0.1, "epochs": ends[-1], "phases": [{"shape": n, "values": v, "length": l} for n, v, l in parts],
                      "rates": rates(made, 0.1, ends[-1])})
    return cases


def plateaus():
    rng = np.random.RandomState(5)
    t = np.arange(60)
    # falls, stands still, falls, rises a little: in steps of 1/1024, so that the file is short
    falling = np.round(1024 * (0.2 + np.exp(-t / 6) + 0.3 * (t < 35) + 0.01 * rng.randn(60) + 0.001 * t)) / 1024
    settings = [
        {}, {"patience": 3.0}, {"patience": 0.0, "factor": 0.5}, {"patience": 2.0, "cooldown": 4.0, "factor": 0.3},
        {"patience": 1.0, "min": 2e-3}, {"patience": 2.0, "threshold": 0.05}, {"patience": 4.0, "threshold": 0.0, "cooldown": 1.0, "factor": 0.7},
    ]
    cases = []
    for mode, values in (("min", falling), ("max", 2.0 - falling)):
        for v in settings:
            sgd = optimizer(0.1)
            given = {{"min": "min_lr"}.get(k, k): int(x) if k in ("patience", "cooldown") else x for k, x in v.items()}
            scheduler = schedulers.ReduceLROnPlateau(sgd, mode=mode, eps=0.0, **given)
            run = []
            for value in values:
                scheduler.step(value)
                run.append(float(sgd.param_groups[0]["lr"]))
            assert len(set(run)) > 1, f"{mode} {v}: nothing drops, which tests nothing"
            cases.append({"mode": mode, "values": v, "lr": 0.1, "seen": values.tolist(), "rates_after": run})
    return cases


def main():
    arguments = argparse.ArgumentParser(description="Makes PyTorch's rates.")
    arguments.add_argument("--check", action="store_true", help="compare with the file instead of writing it (bound: 1e-12)")
    check = arguments.parse_args().check
    warnings.simplefilter("ignore")  # SequentialLR steps with the epoch as an argument, which torch itself frowns on
    contents = {"shapes": shapes(), "phases": phases(), "plateaus": plateaus()}
    assert all(math.isfinite(r) for c in contents["shapes"] + contents["phases"] for r in c["rates"])
    if check:
        old = json.loads(FILE.read_text())
        made_by = old.pop("made_with")
        difference, place = worst(old, json.loads(text(contents)))
        print(f"{FILE.name}: made with torch {made_by['torch']}, largest difference now {difference:.1e}{place and ' at ' + place}")
        sys.exit(0 if difference <= 1e-12 else 1)
    FILE.write_text(text({"made_with": {**made_with(), "script": "tests/golden/schedules.py"}, **contents}) + "\n")
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
