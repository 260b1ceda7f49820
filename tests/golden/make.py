#!/usr/bin/env python3
"""Makes the golden files of this folder: PyTorch's numbers, which the tests hold ours against.

    python tests/golden/make.py            writes losses.json, activations.json, dense.json and trajectories.json here
    python tests/golden/make.py --check    makes them anew and compares with the files, number by number

Needs numpy and torch (the files' `made_with` says which versions made them); the tests themselves need neither.

How the numbers are made, so that every digit of them means something:

* Inputs, targets and start weights are exact in f32: the multiples of 1/1024 nearest to numpy's `RandomState` draws, whose
  stream is frozen for good. An f32 and an f64 executor thus start from the same numbers.
* Hyper-parameters are rounded to f32 before torch sees them, since the executors hold them as f32: `f32(0.1)`. The files
  hold the rounded values. Adam's bias correction is 1 - f32(beta)^t.
* torch computes in float64 on one thread, and floats are written with `repr`: what is read back is what torch had.
"""

import argparse
import json
import math
import pathlib
import platform
import sys

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
GRID = 1024.0  # inputs are multiples of 1/GRID: exact in f32, short in text

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(f32(0.01)),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "hard_swish": nn.Hardswish,
}


def point(value):
    """A loss of torch's kind from a function of prediction and target: torch has no hinge and no quantile loss."""
    return lambda reduction="mean": lambda p, t: value(p, t) if reduction == "none" else value(p, t).mean()


def gaussian_nll(reduction="mean"):
    """torch's loss of mean and variance, of ours: the first half of the outputs is the mean, the second the logarithm of the variance."""
    inner = nn.GaussianNLLLoss(reduction=reduction, eps=1e-12)
    return lambda p, t: inner(p[:, : t.shape[1]], t, p[:, t.shape[1]:].exp())


def huber(delta=1.0):
    return lambda reduction="mean": nn.HuberLoss(reduction=reduction, delta=delta)


def quantile(q=0.5):
    return point(lambda p, t: torch.maximum(q * (t - p), (q - 1) * (t - p)))


LOSSES = {
    "mse": nn.MSELoss,
    "mae": nn.L1Loss,
    "huber": huber(),
    "binary_cross_entropy": nn.BCEWithLogitsLoss,
    "hinge": point(lambda p, t: (1 - t * p).clamp(min=0)),
    "poisson": nn.PoissonNLLLoss,
    "quantile": quantile(),
    "gaussian_nll": gaussian_nll,
    "cross_entropy": nn.CrossEntropyLoss,
}
# those with a parameter, for one that is not the usual
WITH_PARAMETER = {"huber": huber, "quantile": quantile}


def f32(x):
    """The f32 nearest to x, as Python's (f64) float."""
    return float(np.float32(x))


def draw(rng, shape, scale=1.0):
    """Normal draws with this standard deviation, on the grid."""
    return np.round(rng.randn(*shape) * scale * GRID) / GRID


def tensor(array, grad=False):
    """A float64 tensor; refuses what f32 cannot hold exactly."""
    array = np.asarray(array, dtype=np.float64)
    assert (array.astype(np.float32).astype(np.float64) == array).all(), "an input is not exact in f32"
    return torch.tensor(array, dtype=torch.float64, requires_grad=grad)


def flat(t):
    """A tensor's numbers, row-major."""
    return t.detach().reshape(-1).tolist()


def targets_for(loss, t):
    """Targets as torch wants them: class indices for the cross-entropy, numbers for the rest."""
    return torch.tensor(t, dtype=torch.int64) if loss == "cross_entropy" else tensor(t)


# ------------------------------------------------------------------------------------------------------------- losses


def losses():
    rng = np.random.RandomState(1)
    cases = []

    def case(note, loss, p, t, weights=None, class_weights=None, smoothing=0.0, parameter=None):
        p = tensor(p, grad=True)
        of = LOSSES[loss] if parameter is None else WITH_PARAMETER[loss](parameter)
        rows, outputs = p.shape
        t_of = targets_for(loss, t)
        if loss == "cross_entropy":
            c = None if class_weights is None else tensor(class_weights)
            each = nn.CrossEntropyLoss(weight=c, label_smoothing=f32(smoothing), reduction="none")(p, t_of)
            # torch's mean divides by the weights of the true classes
            of_rows = torch.ones(rows, dtype=torch.float64) if c is None else c[t_of]
        else:
            each = of(reduction="none")(p, t_of).mean(dim=1)
            of_rows = torch.ones(rows, dtype=torch.float64)
        w = torch.ones(rows, dtype=torch.float64) if weights is None else tensor(weights)
        value = (w * each).sum() / (w * of_rows).sum()
        if weights is None:
            torchs = nn.CrossEntropyLoss(weight=c, label_smoothing=f32(smoothing)) if loss == "cross_entropy" else of()
            assert abs(torchs(p, t_of).item() - value.item()) <= 1e-12 * max(1.0, abs(value.item())), f"{note} {loss}: not torch's mean"
        value.backward()
        cases.append({
            "note": note, "loss": loss, "rows": rows, "outputs": outputs,
            "predictions": flat(p), "targets": np.asarray(t).reshape(-1).tolist(),
            "weights": None if weights is None else np.asarray(weights).tolist(),
            "class_weights": None if class_weights is None else np.asarray(class_weights).tolist(),
            "smoothing": f32(smoothing), "parameter": parameter, "total": (w * of_rows).sum().item(), "value": value.item(), "slope": flat(p.grad),
        })

    for rows in (1, 4, 7):
        for outputs in (1, 3, 10):
            shape = (rows, outputs)
            for loss in ("mse", "mae"):
                case("ordinary", loss, draw(rng, shape, 2.0), draw(rng, shape, 2.0))
            case("ordinary", "cross_entropy", draw(rng, shape, 3.0), rng.randint(outputs, size=rows))

    more = np.random.RandomState(11)
    for rows in (1, 4, 7):
        for outputs in (1, 3, 10):
            shape = (rows, outputs)
            sign = more.choice([-1.0, 1.0], size=shape)
            case("ordinary", "huber", draw(more, shape, 2.0), draw(more, shape, 2.0))
            case("ordinary", "quantile", draw(more, shape, 2.0), draw(more, shape, 2.0))
            case("0 and 1", "binary_cross_entropy", draw(more, shape, 3.0), 0.5 + 0.5 * sign)
            case("between 0 and 1", "binary_cross_entropy", draw(more, shape, 3.0), np.abs(draw(more, shape, 0.2)).clip(0, 1))
            case("ordinary", "hinge", draw(more, shape, 2.0), sign)
            case("counts", "poisson", draw(more, shape, 1.5), more.poisson(2.0, size=shape).astype(np.float64))
            case("ordinary", "gaussian_nll", draw(more, (rows, 2 * outputs), 1.5), draw(more, shape, 2.0))
            positive = 0.25 + np.abs(draw(more, (rows,), 1.0))
            classes = 0.25 + np.abs(draw(more, (outputs,), 1.0))
            for loss in ("mse", "huber", "binary_cross_entropy", "poisson"):
                t = np.abs(draw(more, shape, 0.2)).clip(0, 1)
                case("weighted rows", loss, draw(more, shape, 1.5), t, weights=positive)
            case("weighted rows", "gaussian_nll", draw(more, (rows, 2 * outputs), 1.5), draw(more, shape, 2.0), weights=positive)
            for note, kinds in {
                "weighted rows": {"weights": positive}, "weighted classes": {"class_weights": classes}, "smoothed": {"smoothing": 0.1},
                "all three": {"weights": positive, "class_weights": classes, "smoothing": 0.25},
            }.items():
                case(note, "cross_entropy", draw(more, shape, 3.0), more.randint(outputs, size=rows), **kinds)
    far = np.array([[1e3, -1e3, 1e3], [-1e3, 88.0, -88.0]])
    case("logits of +-1e3", "binary_cross_entropy", far, np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    case("far off", "huber", far, np.zeros((2, 3)))
    p = draw(more, (4, 3))
    case("ties: where p = t the slope is 0", "quantile", p, p)

    for loss in ("mse", "mae"):
        p = np.array([[1e3, -1e3, 0.0], [1e3, -1e3, 1e-3]]).astype(np.float32)
        case("far off: predictions and targets of +-1e3", loss, p, np.array([[-1e3, 1e3, 1e3], [999.5, 1e3, 0.0]]))
        p = draw(rng, (4, 3))
        t = draw(rng, (4, 3))
        t[0], t[2, 1], p[3, 0], t[3, 0] = p[0], p[2, 1], 0.0, -0.0
        case("ties: where p = t the slope is 0", loss, p, t)
        case("all ties: value and slope are 0", loss, p, p)

    big = 1e3 * rng.choice([-1.0, 1.0], size=(7, 10))
    big[:, 0], big[:, 1] = 1e3, -1e3
    case("logits of +-1e3, the target on a high one: the loss is ln(how many are high)", "cross_entropy", big, np.zeros(7, dtype=np.int64))
    case("logits of +-1e3, the target on a low one: the loss is near 2000", "cross_entropy", big, np.ones(7, dtype=np.int64))
    case("equal logits: the loss is ln 10", "cross_entropy", np.full((4, 10), 1e3), np.array([0, 3, 9, 5]))
    case("one class only: loss and slope are 0", "cross_entropy", np.array([[1e3], [-1e3], [0.0], [1.0]]), np.zeros(4, dtype=np.int64))
    odd = np.random.RandomState(12)
    for loss, parameters in {"huber": (0.25, 3.0), "quantile": (0.1, 0.9)}.items():
        for parameter in map(f32, parameters):
            for shape in ((4, 1), (7, 3)):
                case(f"parameter {parameter:.2g}", loss, draw(odd, shape, 2.0), draw(odd, shape, 2.0), parameter=parameter)
    case("sure and right, sure and wrong", "cross_entropy", np.array([[30.0, -30.0, 0.0], [-30.0, 30.0, 0.0]]), np.array([0, 0]))
    return {"cases": cases}


# -------------------------------------------------------------------------------------------------------- activations


# where drivers and formulas break: far out, both zeros, denormals, and where an f32 exponential leaves its range
HARD = [1e3, -1e3, 0.0, -0.0, f32(1e-40), f32(-1e-40), 88.0, -88.0, 20.0, -20.0, 15.0, -15.0, 3.0, -3.0, 1.0, -1.0]


def activations():
    ordinary = draw(np.random.RandomState(4), (48,), 2.5).tolist()
    cases = []

    def case(name, make, parameter=None):
        z = tensor(HARD + ordinary, grad=True)
        a = make()(z)
        a.sum().backward()
        assert all(math.isfinite(v) for v in flat(a) + flat(z.grad)), f"{name}: not finite"
        cases.append({"activation": name, "parameter": parameter, "z": HARD + ordinary, "a": flat(a), "slope": flat(z.grad)})

    for name, make in ACTIVATIONS.items():
        case(name, make)
    case("leaky_relu", lambda: nn.LeakyReLU(f32(0.3)), f32(0.3))
    case("elu", lambda: nn.ELU(alpha=2.5), 2.5)
    return {"cases": cases}


# -------------------------------------------------------------------------------------------------------------- dense


def sequential(sizes, activations):
    """nn.Sequential of dense layers in float64. `identity` adds no module, so that it takes no index."""
    modules = []
    for inputs, outputs, activation in zip(sizes[:-1], sizes[1:], activations, strict=True):
        modules.append(nn.Linear(inputs, outputs, dtype=torch.float64))
        if activation != "identity":
            modules.append(ACTIVATIONS[activation]())
    return nn.Sequential(*modules)


def start(rng, net):
    """Gives a net weights of variance 2/n and small biases (not 0: a bias that is never read would pass), all on the grid."""
    with torch.no_grad():
        for p in net.parameters():
            scale = math.sqrt(2.0 / p.shape[1]) if p.dim() == 2 else 0.1
            p.copy_(tensor(draw(rng, tuple(p.shape), scale)))


def weights(net):
    """The state of a net, flat, under Sequential's keys."""
    return {key: flat(t) for key, t in net.state_dict().items()}


def dense():
    rng = np.random.RandomState(2)
    sizes, rows = [5, 7, 6, 3], 9
    cases = []

    def case(hidden, last, loss):
        activations = [hidden, hidden, last]
        net = sequential(sizes, activations)
        start(rng, net)
        x = draw(rng, (rows, sizes[0]))
        y = rng.randint(sizes[-1], size=rows) if loss == "cross_entropy" else draw(rng, (rows, sizes[-1]))
        outputs = net(tensor(x))
        value = LOSSES[loss]()(outputs, targets_for(loss, y))
        value.backward()
        gradients = {key: flat(p.grad) for key, p in net.named_parameters()}
        for key, g in gradients.items():
            assert any(abs(v) > 1e-6 for v in g), f"{hidden} {loss}: the gradient of {key} tests nothing"
        cases.append({
            "name": f"{hidden}, {last} output, {loss}", "sizes": sizes, "activations": activations, "loss": loss, "rows": rows,
            "weights": weights(net), "x": x.reshape(-1).tolist(), "y": y.reshape(-1).tolist(),
            "outputs": flat(outputs), "loss_value": value.item(), "gradients": gradients,
        })

    for hidden in (*ACTIVATIONS, "identity"):
        for loss in ("cross_entropy", "mse"):
            case(hidden, "identity", loss)
    case("tanh", "sigmoid", "mse")
    case("gelu", "silu", "mse")
    case("tanh", "identity", "huber")
    return {"leaky_relu_slope": f32(0.01), "cases": cases}


# ------------------------------------------------------------------------------------------------------- trajectories


OPTIMIZERS = {
    "sgd": {"type": "sgd", "lr": f32(0.1)},
    "momentum": {"type": "momentum", "lr": f32(0.05), "momentum": f32(0.9)},
    "nesterov": {"type": "nesterov", "lr": f32(0.05), "momentum": f32(0.9)},
    "adam": {"type": "adam", "lr": f32(0.01), "beta1": f32(0.9), "beta2": f32(0.999), "epsilon": f32(1e-8)},
    "adamw": {"type": "adamw", "lr": f32(0.01), "beta1": f32(0.9), "beta2": f32(0.999), "epsilon": f32(1e-8), "weight_decay": f32(0.01)},
    "rmsprop": {"type": "rmsprop", "lr": f32(0.01), "rho": f32(0.99), "epsilon": f32(1e-8)},
    "adagrad": {"type": "adagrad", "lr": f32(0.05), "epsilon": f32(1e-10)},
    "lion": {"type": "lion", "lr": f32(0.003), "beta1": f32(0.9), "beta2": f32(0.99)},
}
# decay of weights alone, our default, and of all parameters, torch's
DECAYS = {
    "sgd, l2": {**OPTIMIZERS["sgd"], "l2": f32(0.05)},
    "adam, l2 of all": {**OPTIMIZERS["adam"], "l2": f32(0.05), "decay_all": True},
    "adamw of all": {**OPTIMIZERS["adamw"], "weight_decay": f32(0.1), "decay_all": True},
    "momentum, averaged": {**OPTIMIZERS["momentum"], "average": f32(0.9)},
}
CLIPS = {"none": {}, "norm": {"norm": f32(0.7)}, "value": {"value": f32(0.1)}}
KEPT = (1, 4, 10, 50)  # the weights are written after these steps: the first, the first short batch, some way on, the end


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, from the paper's algorithm 2: torch has none."""

    def __init__(self, groups, lr, beta1, beta2):
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2)})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.sub_(group["lr"] * torch.sign(beta1 * m + (1 - beta1) * p.grad))
                m.mul_(beta2).add_((1 - beta2) * p.grad)


def optimizer_for(o, net):
    name, plain = o["type"], {"lr": o["lr"], "foreach": False}
    decay = o.get("l2", o.get("weight_decay", 0.0))
    weights = [p for p in net.parameters() if p.dim() == 2 or o.get("decay_all")]
    others = [p for p in net.parameters() if not (p.dim() == 2 or o.get("decay_all"))]
    groups = [{"params": weights, "weight_decay": decay}] + ([{"params": others, "weight_decay": 0.0}] if others else [])
    if name in ("adam", "adamw"):
        kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
        return kind(groups, betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], **plain)
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, alpha=o["rho"], eps=o["epsilon"], **plain)
    if name == "adagrad":
        return torch.optim.Adagrad(groups, eps=o["epsilon"], **plain)
    if name == "lion":
        return Lion(net.parameters(), o["lr"], o["beta1"], o["beta2"])
    return torch.optim.SGD(groups, momentum=o.get("momentum", 0.0), nesterov=name == "nesterov", **plain)


def trajectories():
    rng = np.random.RandomState(3)
    sizes, activations, rows, batch, steps = [5, 8, 6, 3], ["tanh", "tanh", "identity"], 28, 8, 50
    origin = sequential(sizes, activations)
    start(rng, origin)
    x = draw(rng, (rows, sizes[0]))
    # something to learn: the largest of three linear functions, one label in seven wrong
    y = np.argmax(x @ draw(rng, (sizes[0], sizes[-1])), axis=1)
    y[::7] = (y[::7] + 1) % sizes[-1]
    assert set(y) == {0, 1, 2}
    batches = [(first, min(first + batch, rows)) for first in range(0, rows, batch)]
    runs = []
    wanted = [(name, o, clip) for name, o in OPTIMIZERS.items() for clip in CLIPS] + [(name, o, "none") for name, o in DECAYS.items()]
    for optimizer, o, clip in wanted:
        for bound in (CLIPS[clip],):
            net = sequential(sizes, activations)
            net.load_state_dict(origin.state_dict())
            update = optimizer_for(o, net)
            average = None
            if "average" in o:
                average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(o["average"]))
                # the first call copies: ours starts from the initial weights
                average.update_parameters(net)
            run = {"optimizer": o, "clip": bound, "losses": [], "gradient_norms": [], "clipped_norms": [], "weights": {}}
            for step in range(steps):
                first, end = batches[step % len(batches)]
                update.zero_grad()
                loss = nn.functional.cross_entropy(net(tensor(x[first:end])), targets_for("cross_entropy", y[first:end]))
                loss.backward()
                gradients = [p.grad for p in net.parameters()]
                norm = nn.utils.get_total_norm(gradients).item()
                if clip == "norm":
                    assert norm == nn.utils.clip_grad_norm_(net.parameters(), bound["norm"], foreach=False).item()
                elif clip == "value":
                    nn.utils.clip_grad_value_(net.parameters(), bound["value"], foreach=False)
                run["losses"].append(loss.item())
                run["gradient_norms"].append(norm)
                run["clipped_norms"].append(nn.utils.get_total_norm(gradients).item())
                update.step()
                if average is not None:
                    average.update_parameters(net)
                if step + 1 in KEPT:
                    run["weights"][str(step + 1)] = weights(net if average is None else average.module)
            bites = sum(after < 0.999 * before for before, after in zip(run["gradient_norms"], run["clipped_norms"], strict=True))
            wanted = {"none": range(1), "norm": range(3, steps - 2), "value": range(steps // 2, steps + 1)}[clip]
            assert bites in wanted, f"{optimizer}: clip {clip} changes {bites} of {steps} steps, which tests too little"
            runs.append(run)
    return {
        "sizes": sizes, "activations": activations, "loss": "cross_entropy", "rows": rows, "batch": batch, "steps": steps,
        "batches": [list(b) for b in batches], "x": x.reshape(-1).tolist(), "y": y.tolist(), "start": weights(origin), "runs": runs,
    }


# -------------------------------------------------------------------------------------------------------------- files


FILES = {"losses.json": losses, "activations.json": activations, "dense.json": dense, "trajectories.json": trajectories}


def made_with():
    versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    return {"script": "tests/golden/make.py", **versions}


def text(value, depth=0):
    """JSON with a line for each key; a list of numbers stays on one line. Python writes a float as its repr."""
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"{inner}{json.dumps(k)}: {text(v, depth + 1)}" for k, v in value.items()) + f"\n{outer}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + text(v, depth + 1) for v in value) + f"\n{outer}]"
    return json.dumps(value, allow_nan=False)


def worst(old, new, place=""):
    """The largest difference of two files relative to max(1, |old|), and its place. Anything but a float must be equal."""
    if isinstance(old, float) and isinstance(new, float):
        return abs(old - new) / max(1.0, abs(old)), place
    if type(old) is type(new) and isinstance(old, dict) and old.keys() == new.keys():
        pairs = [(old[k], new[k], f"{place}.{k}") for k in old]
    elif type(old) is type(new) and isinstance(old, list) and len(old) == len(new):
        pairs = [(a, b, f"{place}[{i}]") for i, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return (0.0, place) if old == new else (math.inf, place)
    return max((worst(*pair) for pair in pairs), key=lambda w: w[0], default=(0.0, place))


def main():
    arguments = argparse.ArgumentParser(description="Makes PyTorch's golden numbers.")
    arguments.add_argument("--check", action="store_true", help="compare with the files instead of writing them (bound: 1e-12)")
    check = arguments.parse_args().check
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    good = True
    for name, make in FILES.items():
        contents = make()
        if check:
            old = json.loads((HERE / name).read_text())
            made_by = old.pop("made_with")
            difference, place = worst(old, json.loads(text(contents)))
            good &= difference <= 1e-12
            print(f"{name}: made with torch {made_by['torch']}, largest difference now {difference:.1e}{place and ' at ' + place}")
        else:
            (HERE / name).write_text(text({"made_with": made_with(), **contents}) + "\n")
            print(f"{name}: {(HERE / name).stat().st_size / 1000:.0f} kB")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
