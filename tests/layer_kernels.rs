//! The kernels of normalisation, dropout, softmax and addition, judged by others than their twins: arithmetic by hand, central
//! differences in f64 (`differences.rs`), and PyTorch (`golden.rs`).

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "layer_kernels/differences.rs"]
mod differences;
#[path = "layer_kernels/golden.rs"]
mod golden;

use gradus::exec::Executor;
use gradus::exec::cpu::Cpu;
use gradus::kernel::{Kernel, Part, Rate, Row, Step};
use gradus::kernels::add::Add;
use gradus::kernels::batch_norm::{BatchNorm, BatchNormDelta, BatchNormGradient, BatchStats};
use gradus::kernels::dropout::{Dropout, pcg4d};
use gradus::kernels::finish::SOUND;
use gradus::kernels::layer_norm::{LayerNorm, LayerNormDelta, LayerNormGradient};
use gradus::kernels::running_stats::{RunningStats, RunningUpdate};
use gradus::kernels::softmax::{Softmax, SoftmaxSlope};
use gradus::plan::{Buf, Builder, Kind, Plan, ProgramId, padded};

/// The tensors of a layer in its arena: γ and β, running mean and variance, the counter of batches. 64 elements each, so that
/// widths up to 64 fit, and 64 before them.
const SCALE: usize = 64;
const SHIFT: usize = 128;
const MEAN: usize = 192;
const VARIANCE: usize = 256;
const COUNT: usize = 320;
const ARENA: usize = 384;

#[derive(Debug, Clone, Copy)]
struct Shape {
    rows: usize,
    width: usize,
    members: usize,
}

/// Which layer, and its hyper-parameters.
#[derive(Debug, Clone, Copy)]
enum What {
    BatchNorm { epsilon: f32, momentum: f32 },
    LayerNorm { epsilon: f32 },
    Softmax,
    Dropout { rate: f64 },
}

/// A layer alone: its buffers, and programs that take it forwards, backwards, and for batch normalisation what follows.
struct Layer {
    shape: Shape,
    plan: Plan,
    x: Buf,
    y: Buf,
    slope: Buf,
    delta: Buf,
    params: Buf,
    grads: Buf,
    scalars: Buf,
    seeds: Buf,
    forward: ProgramId,
    backward: ProgramId,
    update: ProgramId,
    eval: ProgramId,
}

impl Layer {
    fn new(what: What, shape: Shape) -> Self {
        let Shape { rows, width, members } = shape;
        let mut builder = Builder::new(members, 1);
        let batch = members * rows * padded(width);
        let [x, y, slope, delta] = ["x", "y", "slope", "delta"].map(|name| builder.buffer(name, Kind::F32, batch));
        let [params, grads] = ["params", "grads"].map(|name| builder.buffer(name, Kind::F32, members * ARENA));
        let stats = builder.buffer("stats", Kind::F32, 3 * members * padded(width));
        let row_stats = builder.buffer("row stats", Kind::F32, 2 * members * rows);
        let scalars = builder.buffer("scalars", Kind::F32, 8 * members);
        let seeds = builder.buffer("seeds", Kind::U32, members);
        let [rows, width4, wide, members] = [rows, padded(width) / 4, width, members].map(|n| n as u32);
        let [arena4, scale4, shift4, mean4, variance4, count4] = [ARENA, SCALE, SHIFT, MEAN, VARIANCE, COUNT].map(|n| n as u32 / 4);

        let forward = builder.program("forward");
        match what {
            What::BatchNorm { epsilon, .. } => {
                builder.dispatch(&BatchStats { rows, width4, members, epsilon }, &[x, stats], "");
                builder.dispatch(&BatchNorm { rows, width4, members, arena4, scale4, shift4 }, &[x, params, stats, y], "");
            }
            What::LayerNorm { epsilon } => {
                let kernel = LayerNorm { rows, width: wide, width4, members, arena4, scale4, shift4, epsilon };
                builder.dispatch(&kernel, &[x, params, y, row_stats], "");
            }
            What::Softmax => builder.dispatch(&Softmax { rows, width: wide, width4, members }, &[x, y], ""),
            What::Dropout { rate } => builder.dispatch(&Dropout::new(rows, width4, members, 3, rate), &[x, seeds, y], ""),
        }
        let backward = builder.program("backward");
        match what {
            What::BatchNorm { .. } => {
                let kernel = BatchNormGradient { rows, width4, members, arena4, scale4, shift4 };
                builder.dispatch(&kernel, &[slope, x, stats, grads], "");
                let kernel = BatchNormDelta { rows, width4, members, arena4, scale4, shift4 };
                builder.dispatch(&kernel, &[slope, x, params, stats, grads, delta], "");
            }
            What::LayerNorm { epsilon } => {
                let kernel = LayerNormGradient { rows, width: wide, width4, members, arena4, scale4, shift4, epsilon };
                builder.dispatch(&kernel, &[slope, x, row_stats, grads], "");
                let kernel = LayerNormDelta { rows, width: wide, width4, members, arena4, scale4, shift4, epsilon };
                builder.dispatch(&kernel, &[slope, x, params, row_stats, delta], "");
            }
            What::Softmax => builder.dispatch(&SoftmaxSlope { rows, width: wide, width4, members }, &[slope, y, delta], ""),
            What::Dropout { rate } => builder.dispatch(&Dropout::new(rows, width4, members, 3, rate), &[slope, seeds, delta], ""),
        }
        let update = builder.program("update");
        let eval = if let What::BatchNorm { epsilon, momentum } = what {
            let kernel = RunningUpdate { width4, members, arena4, mean4, variance4, count4, momentum };
            builder.dispatch(&kernel, &[scalars, stats, params], "");
            let eval = builder.program("eval");
            builder.dispatch(&RunningStats { width4, members, arena4, mean4, variance4, epsilon }, &[params, stats], "");
            builder.dispatch(&BatchNorm { rows, width4, members, arena4, scale4, shift4 }, &[x, params, stats, y], "");
            eval
        } else {
            update
        };
        let plan = builder.finish().unwrap();
        Layer { shape, plan, x, y, slope, delta, params, grads, scalars, seeds, forward, backward, update, eval }
    }

    /// Runs programs, each with so many live rows.
    fn run(&self, executor: &mut dyn Executor, programs: &[ProgramId], rows: usize, number: u32) {
        let mut table = Step::table(self.shape.members);
        let rates = vec![Rate::default(); self.shape.members];
        Step::push(&mut table, &Row { rows, start: 0, slot: 0, number, part: Part::WHOLE, rates: &rates });
        programs.iter().for_each(|&program| executor.run(program, &table).unwrap());
    }

    /// Writes rows of the first member, padded.
    fn write(&self, executor: &mut dyn Executor, buf: Buf, values: &[f32]) {
        let stride = padded(self.shape.width);
        for (r, row) in values.chunks(self.shape.width).enumerate() {
            executor.write(buf, r * stride, row).unwrap();
        }
    }

    /// Reads so many rows of the first member, without the padding.
    fn read(&self, executor: &mut dyn Executor, buf: Buf, rows: usize) -> Vec<f64> {
        let stride = padded(self.shape.width);
        let values = executor.read_wide(buf, 0, rows * stride).unwrap();
        values.chunks(stride).flat_map(|row| &row[..self.shape.width]).copied().collect()
    }

    /// Reads a tensor of the first member.
    fn tensor(&self, executor: &mut dyn Executor, arena: Buf, at: usize) -> Vec<f64> {
        executor.read_wide(arena, at, self.shape.width).unwrap()
    }
}

/// One batch of 2 rows or fewer, forwards and backwards, on the CPU path in f64.
fn by_hand(what: What, width: usize, x: &[f32], slope: &[f32], scale: &[f32], shift: &[f32]) -> (Layer, Cpu<f64>) {
    let layer = Layer::new(what, Shape { rows: x.len() / width, width, members: 1 });
    let mut cpu = Cpu::<f64>::new(layer.plan.clone());
    layer.write(&mut cpu, layer.x, x);
    layer.write(&mut cpu, layer.slope, slope);
    cpu.write(layer.params, SCALE, scale).unwrap();
    cpu.write(layer.params, SHIFT, shift).unwrap();
    cpu.write(layer.params, VARIANCE, &vec![1.0; width]).unwrap();
    layer.run(&mut cpu, &[layer.forward, layer.backward], x.len() / width, 0);
    (layer, cpu)
}

#[test]
fn batch_norm_of_two_numbers_is_what_arithmetic_says() {
    // mean 2, biased variance 1, with ε = 3: inv = 1/√4 = ½, x̂ = ∓½
    let what = What::BatchNorm { epsilon: 3.0, momentum: 0.25 };
    let (layer, mut cpu) = by_hand(what, 1, &[1.0, 3.0], &[1.0, 4.0], &[6.0], &[1.0]);
    // 6·(∓½) + 1
    assert_eq!(layer.read(&mut cpu, layer.y, 2), [-2.0, 4.0]);
    // ∂γ = −½·1 + ½·4, ∂β = 1 + 4
    assert_eq!(layer.tensor(&mut cpu, layer.grads, SCALE), [1.5]);
    assert_eq!(layer.tensor(&mut cpu, layer.grads, SHIFT), [5.0]);
    // γ·inv = 3; (5 ∓ ½·1.5)/2 = 2.125 and 2.875; 3·(1 − 2.125) and 3·(4 − 2.875)
    assert_eq!(layer.read(&mut cpu, layer.delta, 2), [-3.375, 3.375]);
    // not sound: nothing moves
    let before = cpu.values(layer.params);
    layer.run(&mut cpu, &[layer.update], 2, 0);
    assert_eq!(cpu.values(layer.params), before);
    // sound: mean 0 + ¼·(2 − 0); unbiased variance 2: 1 + ¼·(2 − 1); one batch
    cpu.write(layer.scalars, SOUND, &[1.0]).unwrap();
    layer.run(&mut cpu, &[layer.update], 2, 0);
    let state = [MEAN, VARIANCE, COUNT].map(|at| layer.tensor(&mut cpu, layer.params, at)[0]);
    assert_eq!(state, [0.5, 1.25, 1.0]);
    // in evaluation with mean ½ and variance 1: y = 6·½·(x − ½) + 1
    cpu.set(layer.params, VARIANCE, 1.0);
    layer.run(&mut cpu, &[layer.eval], 2, 0);
    assert_eq!(layer.read(&mut cpu, layer.y, 2), [2.5, 8.5]);
}

#[test]
fn batch_norm_of_one_row_divides_nothing_by_zero() {
    let what = What::BatchNorm { epsilon: 1e-5, momentum: 1.0 };
    let (layer, mut cpu) = by_hand(what, 3, &[1.0, -5.0, 7.0], &[1.0, 2.0, 3.0], &[2.0; 3], &[0.5, 1.0, 2.0]);
    // x is the mean: x̂ = 0, y = β, and y does not move when x does
    assert_eq!(layer.read(&mut cpu, layer.y, 1), [0.5, 1.0, 2.0]);
    assert_eq!(layer.read(&mut cpu, layer.delta, 1), [0.0; 3]);
    cpu.write(layer.scalars, SOUND, &[1.0]).unwrap();
    layer.run(&mut cpu, &[layer.update], 1, 0);
    assert_eq!(layer.tensor(&mut cpu, layer.params, VARIANCE), [0.0; 3]);
}

#[test]
fn layer_norm_of_two_numbers_is_what_arithmetic_says() {
    // mean 2, biased variance 1, with ε = 3: inv = ½, x̂ = (−½, ½)
    let (layer, mut cpu) = by_hand(What::LayerNorm { epsilon: 3.0 }, 2, &[1.0, 3.0], &[1.0, 4.0], &[6.0, 2.0], &[1.0, -1.0]);
    // −½·6 + 1 and ½·2 − 1
    assert_eq!(layer.read(&mut cpu, layer.y, 1), [-2.0, 0.0]);
    // ĝ = (6, 8), mean 7; ĝ·x̂ = (−3, 4), mean ½: ½·(6 − 7 + ¼) and ½·(8 − 7 − ¼)
    assert_eq!(layer.read(&mut cpu, layer.delta, 1), [-0.375, 0.375]);
    assert_eq!(layer.tensor(&mut cpu, layer.grads, SCALE), [-0.5, 2.0]);
    assert_eq!(layer.tensor(&mut cpu, layer.grads, SHIFT), [1.0, 4.0]);
}

#[test]
fn softmax_of_equal_logits_shares_evenly_and_does_not_overflow() {
    let (layer, mut cpu) = by_hand(What::Softmax, 3, &[1e3, 1e3, -1e3], &[1.0, 5.0, 9.0], &[], &[]);
    // e⁻²⁰⁰⁰ is 0 in f64
    assert_eq!(layer.read(&mut cpu, layer.y, 1), [0.5, 0.5, 0.0]);
    // Σ g·a = 3: ½·(1 − 3), ½·(5 − 3), 0·(9 − 3)
    assert_eq!(layer.read(&mut cpu, layer.delta, 1), [-1.0, 1.0, 0.0]);
}

#[test]
fn dropout_at_rate_0_is_the_identity() {
    let x: Vec<f32> = (0..64).map(|i| i as f32 - 31.5).collect();
    let (layer, mut cpu) = by_hand(What::Dropout { rate: 0.0 }, 32, &x, &x, &[], &[]);
    let x: Vec<f64> = x.into_iter().map(f64::from).collect();
    assert_eq!(layer.read(&mut cpu, layer.y, 2), x);
    assert_eq!(layer.read(&mut cpu, layer.delta, 2), x);
}

#[test]
fn dropout_drops_by_the_hash_the_same_forwards_and_backwards_and_anew_each_step() {
    let layer = Layer::new(What::Dropout { rate: 0.5 }, Shape { rows: 16, width: 6, members: 1 });
    let mut cpu = Cpu::<f64>::new(layer.plan.clone());
    cpu.write_words(layer.seeds, 0, &[77]).unwrap();
    layer.write(&mut cpu, layer.x, &[1.0; 96]);
    layer.write(&mut cpu, layer.slope, &[10.0; 96]);
    let mut masks = Vec::new();
    for number in [5, 6] {
        layer.run(&mut cpu, &[layer.forward, layer.backward], 16, number);
        let y = layer.read(&mut cpu, layer.y, 16);
        for (i, &y) in y.iter().enumerate() {
            // rows of two groups of four; a word of the upper half keeps, and doubles
            let (row, column) = (i / 6, i % 6);
            let word = pcg4d([77, number, 3, (2 * row + column / 4) as u32])[column % 4];
            assert_eq!(y, if word >= 1 << 31 { 2.0 } else { 0.0 }, "element {i} of step {number}");
        }
        assert_eq!(layer.read(&mut cpu, layer.delta, 16), y.iter().map(|y| 10.0 * y).collect::<Vec<_>>());
        masks.push(y);
    }
    assert_ne!(masks[0], masks[1]);
}

#[test]
fn add_adds_live_rows_and_leaves_the_others() {
    let mut builder = Builder::new(1, 1);
    let [a, b, c] = ["a", "b", "c"].map(|name| builder.buffer(name, Kind::F32, 8));
    let program = builder.program("add");
    builder.dispatch(&Add { rows: 2, width4: 1, members: 1 }, &[a, b, c], "");
    let mut cpu = Cpu::<f64>::new(builder.finish().unwrap());
    cpu.write(a, 0, &[1.0, 2.0, 0.0, 0.0, 3.0]).unwrap();
    cpu.write(b, 0, &[0.5, -2.0, 0.0, 0.0, 3.0]).unwrap();
    cpu.write(c, 0, &[9.0; 8]).unwrap();
    let mut table = Step::table(1);
    Step::push(&mut table, &Row { rows: 1, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[Rate::default()] });
    cpu.run(program, &table).unwrap();
    assert_eq!(cpu.values(c), [1.5, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0]);
}

#[test]
fn no_invocation_of_a_batch_of_65_536_loops_too_long() {
    let kernel = BatchStats { rows: 65_536, width4: 1, members: 1, epsilon: 1e-5 };
    // two passes of 65,536/64 rows, two trees of six levels
    assert_eq!(kernel.loops(), 2 * (1024 + 6));
}
