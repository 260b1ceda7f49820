//! Backwards against central differences of forwards, in f64: every input of three members, in a short batch.

use super::{ARENA, Layer, SCALE, SHIFT, Shape, What};
use gradus::exec::Executor as _;
use gradus::exec::cpu::Cpu;
use gradus::plan::{Buf, padded};
use gradus::rng::{Purpose, Rng};

/// Half the distance of the two values that a difference is taken of: what it leaves out is of the order of its square.
const STEP: f64 = 1e-5;
/// How far a gradient and a difference may be apart, relative to the gradient or to 1.
const ALLOWED: f64 = 1e-8;

struct Check {
    layer: Layer,
    cpu: Cpu<f64>,
    live: usize,
    name: String,
}

impl Check {
    fn new(what: What, width: usize) -> Self {
        let shape = Shape { rows: 7, width, members: 3 };
        let layer = Layer::new(what, shape);
        let mut cpu = Cpu::<f64>::new(layer.plan.clone());
        let mut rng = Rng::new(width as u64, Purpose::Synthetic, 0);
        let stride = padded(width);
        for row in 0..shape.members * shape.rows {
            for column in 0..width {
                cpu.set(layer.x, row * stride + column, 3.0 + 2.0 * rng.normal());
                cpu.set(layer.slope, row * stride + column, rng.normal());
            }
        }
        for member in 0..shape.members {
            for column in 0..width {
                cpu.set(layer.params, member * ARENA + SCALE + column, 1.0 + 0.5 * rng.normal());
                cpu.set(layer.params, member * ARENA + SHIFT + column, rng.normal());
            }
        }
        cpu.write_words(layer.seeds, 0, &[1, 2, 3]).unwrap();
        Check { layer, cpu, live: 5, name: format!("{what:?} of width {width}") }
    }

    /// Σ slope · output over the live rows of all members.
    fn value(&mut self) -> f64 {
        self.layer.run(&mut self.cpu, &[self.layer.forward], self.live, 9);
        let (y, slope) = (self.cpu.values(self.layer.y), self.cpu.values(self.layer.slope));
        self.live_places().into_iter().map(|at| y[at] * slope[at]).sum()
    }

    /// Places of the live rows in a buffer of the batch's shape, padding left out.
    fn live_places(&self) -> Vec<usize> {
        let Shape { rows, width, members } = self.layer.shape;
        let live = self.live;
        let rows = (0..members).flat_map(move |member| (0..live).map(move |r| member * rows + r));
        rows.flat_map(|row| (0..width).map(move |c| row * padded(width) + c)).collect()
    }

    fn difference(&mut self, buf: Buf, at: usize) -> f64 {
        let origin = self.cpu.values(buf)[at];
        let mut side = |offset: f64| {
            self.cpu.set(buf, at, origin + offset);
            self.value()
        };
        let difference = (side(STEP) - side(-STEP)) / (2.0 * STEP);
        self.cpu.set(buf, at, origin);
        difference
    }

    fn compare(&mut self, gradients: &[f64], buf: Buf, places: &[usize]) {
        assert!(places.iter().any(|&at| gradients[at].abs() > 1e-3), "{}: gradients near zero test nothing", self.name);
        for &at in places {
            let (gradient, difference) = (gradients[at], self.difference(buf, at));
            let error = (gradient - difference).abs() / gradient.abs().max(1.0);
            let what = &self.layer.plan.buffer(buf).name;
            assert!(error < ALLOWED, "{}: the gradient of {what}[{at}] is {gradient}, the difference {difference}", self.name);
        }
    }

    fn run(&mut self, has_params: bool) {
        self.layer.run(&mut self.cpu, &[self.layer.forward, self.layer.backward], self.live, 9);
        let (y, delta, grads) = (self.cpu.values(self.layer.y), self.cpu.values(self.layer.delta), self.cpu.values(self.layer.grads));
        let places = self.live_places();
        let elsewhere = (0..y.len()).filter(|at| !places.contains(at));
        assert!(elsewhere.into_iter().all(|at| y[at] == 0.0 && delta[at] == 0.0), "{}: padding or dead rows were written", self.name);
        let x = self.layer.x;
        self.compare(&delta, x, &places);
        if has_params {
            let width = self.layer.shape.width;
            let tensors: Vec<_> = (0..3).flat_map(|m| [SCALE, SHIFT].map(|at| m * ARENA + at)).flat_map(|at| at..at + width).collect();
            assert!((0..grads.len()).all(|at| tensors.contains(&at) || grads[at] == 0.0), "{}: gradients outside their tensors", self.name);
            let params = self.layer.params;
            self.compare(&grads, params, &tensors);
        }
    }
}

#[test]
fn batch_norm_agrees_with_central_differences() {
    for width in [1, 6, 9] {
        Check::new(What::BatchNorm { epsilon: 1e-3, momentum: 0.1 }, width).run(true);
    }
}

#[test]
fn layer_norm_agrees_with_central_differences() {
    for width in [2, 6, 9] {
        Check::new(What::LayerNorm { epsilon: 1e-3 }, width).run(true);
    }
}

#[test]
fn softmax_agrees_with_central_differences() {
    for width in [2, 6, 9] {
        Check::new(What::Softmax, width).run(false);
    }
}

#[test]
fn dropout_agrees_with_central_differences() {
    for rate in [0.0, 0.3, 0.7] {
        Check::new(What::Dropout { rate }, 6).run(false);
    }
}
