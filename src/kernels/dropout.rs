//! Dropout (Srivastava et al. 2014), inverted as in PyTorch and Keras: `y = x·keep/(1 − rate)`, so that evaluation needs nothing.
//!
//! Who is kept is a hash of (the member's seed, step, layer, place): no state, the same bits in WGSL and in Rust, and again backwards.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// `y = x·keep/(1 − rate)`, live rows only; keep is 1 where a word of the hash is at least `rate·2³²`, else 0. Backwards the same of g.
    /// Arguments: x `[members, rows, 4·width4]`, seeds `[members]`, y as x. Made by [`Dropout::new`].
    Dropout {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// The layer's number: no two layers of a model drop alike.
        layer: u32,
        /// `⌊rate·2³²⌋`.
        threshold: u32,
        /// `1/(1 − rate)`.
        scale: f32,
    }
}

impl Dropout {
    /// Dropout at a rate in [0, 1), the share that is dropped on average.
    pub fn new(rows: u32, width4: u32, members: u32, layer: u32, rate: f64) -> Self {
        let threshold = (rate * 2f64.powi(32)) as u32;
        Dropout { rows, width4, members, layer, threshold, scale: (1.0 / (1.0 - rate)) as f32 }
    }
}

/// The hash PCG4D of Jarzynski and Olano 2020, "Hash Functions for GPU Rendering", JCGT 9(3): four words of four.
pub fn pcg4d(counter: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] = counter.map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let stir = |x: &mut u32, y: &mut u32, z: &mut u32, w: &mut u32| {
        *x = x.wrapping_add(y.wrapping_mul(*w));
        *y = y.wrapping_add(z.wrapping_mul(*x));
        *z = z.wrapping_add(x.wrapping_mul(*y));
        *w = w.wrapping_add(y.wrapping_mul(*z));
    };
    stir(&mut x, &mut y, &mut z, &mut w);
    [x, y, z, w] = [x, y, z, w].map(|v| v ^ (v >> 16));
    stir(&mut x, &mut y, &mut z, &mut w);
    [x, y, z, w]
}

impl Kernel for Dropout {
    const NAME: &'static str = "dropout";

    fn wgsl() -> String {
        include_str!("../../shaders/dropout.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        4 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (x, seeds, mut y) = (args.real(0), args.word(1), args.real_mut(2));
        let batch = 4 * (self.rows * self.width4) as usize;
        for (member, &seed) in seeds.iter().enumerate().take(self.members as usize) {
            for i in 0..step.rows * self.width4 as usize {
                let words = pcg4d([seed, step.number, self.layer, i as u32]);
                for (lane, word) in words.into_iter().enumerate() {
                    let at = member * batch + 4 * i + lane;
                    // a product, not a choice of x: what is not finite must stay so, and be found
                    y[at] = x[at] * if word >= self.threshold { T::of(self.scale) } else { T::zero() };
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |(i, batch): (usize, &Batch)| {
            let rate = [0.5, 0.1, 0.0, 0.9, 1.0 / 3.0][i % 5];
            let kernel = Dropout::new(batch.rows as u32, batch.width4(), batch.members as u32, 7 * i as u32, rate);
            let mut inputs = batch.inputs();
            cases::case(&kernel, format!("{} rate {rate}", batch.name()), batch.members, &batch.steps())
                .arg("x", CaseData::F32(batch.x(&mut inputs)))
                .arg("seeds", inputs.words(batch.members))
                .arg("y", cases::poison(batch.cells()))
                // one rounding; and one dropped too many or too few is as wrong as the number is large
                .within(Tolerance::ulp(1.0, 0.0))
        };
        Batch::all().iter().enumerate().map(case).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 1_000_000;

    /// Whether each of a million elements is kept, for a counter that depends on the number of the group.
    fn kept(rate: f64, counter: impl Fn(u32) -> [u32; 4]) -> Vec<bool> {
        let threshold = Dropout::new(1, 1, 1, 0, rate).threshold;
        (0..DRAWS as u32 / 4).flat_map(|i| pcg4d(counter(i))).map(|word| word >= threshold).collect()
    }

    #[test]
    fn the_share_that_is_kept_is_one_minus_the_rate() {
        for rate in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9] {
            for (seed, step, layer) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0x9e37_79b9, 12_345, 6)] {
                let kept = kept(rate, |i| [seed, step, layer, i]).into_iter().filter(|&k| k).count() as f64;
                // binomial, four standard errors
                let error = 4.0 * (rate * (1.0 - rate) / DRAWS as f64).sqrt();
                assert!((kept / DRAWS as f64 - (1.0 - rate)).abs() < error, "rate {rate}, seed {seed}, step {step}: {kept}");
            }
        }
    }

    #[test]
    fn neighbouring_steps_layers_members_and_elements_are_dropped_independently() {
        let correlation = |rate: f64, a: &[bool], b: &[bool]| {
            let deviation = |k: &bool| f64::from(u8::from(*k)) - (1.0 - rate);
            a.iter().zip(b).map(|(a, b)| deviation(a) * deviation(b)).sum::<f64>() / (a.len().min(b.len()) as f64 * rate * (1.0 - rate))
        };
        for rate in [0.1, 0.5, 0.9] {
            for (seed, step, layer) in [(0, 0, 0), (1, 1, 1), (0xdead_beef, 99_999, 3)] {
                let base = kept(rate, |i| [seed, step, layer, i]);
                let others = [
                    ("members", kept(rate, |i| [seed + 1, step, layer, i])),
                    ("steps", kept(rate, |i| [seed, step + 1, layer, i])),
                    ("layers", kept(rate, |i| [seed, step, layer + 1, i])),
                    ("columns", base[1..].to_vec()),
                    ("columns two apart", base[2..].to_vec()),
                    ("groups", base[4..].to_vec()),
                    ("rows of 256", base[256..].to_vec()),
                    // one element over the steps of a run, against the next step's
                    ("steps of one element", kept(rate, |i| [seed, i + 1, layer, 5])),
                ];
                for (name, other) in others {
                    let base = if name == "steps of one element" { &kept(rate, |i| [seed, i, layer, 5]) } else { &base };
                    let found = correlation(rate, base, &other);
                    // the standard error of a correlation of independent draws is 1/√n: four of them
                    assert!(found.abs() < 4.0 / (DRAWS as f64).sqrt(), "{name}, rate {rate}, seed {seed}: {found}");
                }
            }
        }
    }

    #[test]
    fn threshold_and_scale_are_those_of_the_rate() {
        let made = |rate| {
            let kernel = Dropout::new(1, 1, 1, 0, rate);
            (kernel.threshold, kernel.scale)
        };
        // a word is never below 0: nothing is dropped
        assert_eq!(made(0.0), (0, 1.0));
        // 2³²/2 = 2³¹ and 1/(1 − ½) = 2; 2³²/4 = 2³⁰ and 1/(¾) = 4/3
        assert_eq!(made(0.5), (1 << 31, 2.0));
        assert_eq!(made(0.25), (1 << 30, 4.0 / 3.0));
        // the f64 next below 1 stays below 2³²
        assert_eq!(made(1.0 - f64::EPSILON / 2.0).0, u32::MAX);
    }
}
