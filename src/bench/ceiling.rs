//! What a device reaches at its best: arithmetic in a large matrix product, bandwidth in a large sum, the cost of a dispatch that does nothing.

use super::summary::Summary;
use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::kernel::{Kernel, KernelInfo, Part, Row, Step, Variant};
use crate::kernels::add::Add;
use crate::kernels::dense_layer::DenseLayer;
use crate::kernels::{formulas, named};
use crate::plan::{Buf, Builder, Kind, Plan};
use std::time::Instant;

/// A kernel on buffers of its own, to be timed alone.
#[derive(Debug, Clone)]
pub struct Single {
    /// The kernel.
    pub kernel: &'static KernelInfo,
    /// Its uniform.
    pub words: Vec<u32>,
    /// Elements of each buffer, in the order of the bindings.
    pub buffers: Vec<usize>,
    /// Live rows.
    pub rows: usize,
    /// The variant; `None` for the device's own choice.
    pub variant: Option<&'static Variant>,
}

/// A timed run lasts at least so long, so that the read at its end counts for little.
const RUN_SECONDS: f64 = 2e-3;
/// A GPU that had nothing to do runs slowly at first: it works for so long before it is timed.
const WARM_SECONDS: f64 = 0.05;
/// Timed runs, and dispatches of a run at most.
const RUNS: usize = 5;
const MOST: usize = 256;

impl Single {
    /// Seconds of one dispatch: five runs of as many dispatches as fill two milliseconds, on a real GPU when it has worked for 50.
    pub fn seconds(&self, device: &OpenDevice) -> Result<Summary> {
        let mut builder = Builder::new(1, MOST);
        builder.formulas(&formulas());
        let buffers: Vec<Buf> = self.buffers.iter().map(|&len| builder.buffer("buffer", Kind::F32, len)).collect();
        let program = builder.program("single");
        builder.dispatch_words(self.kernel, self.words.clone(), &buffers, "single");
        let mut plan: Plan = builder.finish()?;
        plan.programs[0].dispatches[0].variant = self.variant;
        let mut executor = device.executor(plan)?;
        for (&buf, &len) in buffers.iter().zip(&self.buffers) {
            // small numbers that differ: neither denormal nor larger with each dispatch
            executor.write(buf, 0, &(0..len).map(|i| ((i * 7919) % 1000) as f32 * 1e-3).collect::<Vec<_>>())?;
        }
        let mut run = |dispatches: usize| -> Result<f64> {
            let mut table = Step::table(1);
            for _ in 0..dispatches {
                let row = Row { rows: self.rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[[0.0, 1.0, 1.0, 1.0]] };
                Step::push(&mut table, &row);
            }
            let began = Instant::now();
            executor.run(program, &table)?;
            executor.read(buffers[0], 0, 4)?;
            Ok(began.elapsed().as_secs_f64() / dispatches as f64)
        };
        run(1)?;
        let dispatches = ((RUN_SECONDS / run(2)?).ceil() as usize).clamp(2, MOST);
        let began = Instant::now();
        while device.info().kind.is_gpu() && began.elapsed().as_secs_f64() < WARM_SECONDS {
            run(dispatches)?;
        }
        let times = (0..RUNS).map(|_| run(dispatches)).collect::<Result<Vec<f64>>>()?;
        Summary::of(&times).ok_or_else(|| Error::input("nothing was timed"))
    }

    /// Floating-point operations of one dispatch.
    pub fn flops(&self) -> u64 {
        (self.kernel.flops)(&self.words)
    }

    /// `c = a + b` over so many numbers.
    pub fn sum(numbers: usize) -> Self {
        let add = Add { rows: 1, width4: numbers.div_ceil(4) as u32, members: 1 };
        Single::of(&add, vec![4 * numbers.div_ceil(4); 3], 1)
    }

    /// One of the products of a dense layer of n units on n inputs, with n rows.
    pub fn square(product: Product, n: usize) -> Self {
        let layer = DenseLayer::alone([n as u32; 3], 1);
        let (x, arena, a) = (layer.x(), layer.arena(), layer.a());
        match product {
            Product::Forward => Single::of(&layer.forward(), vec![x, arena, a], n),
            Product::Delta => Single::of(&layer.delta(), vec![a, arena, x, x], n),
            Product::Gradient => Single::of(&layer.gradient(), vec![a, x, arena], n),
        }
    }

    /// A kernel on buffers of so many elements, in the device's own choice of variant.
    pub fn of<K: Kernel>(params: &K, buffers: Vec<usize>, rows: usize) -> Self {
        Single { kernel: row(K::NAME), words: params.words(), buffers, rows, variant: None }
    }
}

fn row(name: &str) -> &'static KernelInfo {
    named(name).expect("it is in the table")
}

/// The products of a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// `x·Wᵀ`.
    Forward,
    /// `δ·W`.
    Delta,
    /// `δᵀ·x`.
    Gradient,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 3] = [Product::Forward, Product::Delta, Product::Gradient];
}

/// What a device reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceilings {
    /// Floating-point operations a second, in the products of a large dense layer.
    pub flops: f64,
    /// Bytes a second, read and written, in `c = a + b`.
    pub bytes: f64,
    /// Seconds of a dispatch with next to no work, one of many in a submission.
    pub launch: f64,
}

/// What a dispatch's time follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The arithmetic.
    Arithmetic,
    /// The memory.
    Bandwidth,
    /// That it is a dispatch at all.
    Launch,
}

impl Bound {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Arithmetic => "arithmetic",
            Bound::Bandwidth => "bandwidth",
            Bound::Launch => "launch",
        }
    }
}

/// The largest layer is n × n × n, and the layers grow until one takes so long.
const LARGEST: usize = 2048;
const LONG_SECONDS: f64 = 1e-3;
/// Numbers of each of the three buffers of the sum: 16 MiB each, four times as many where there is time.
const SUM_NUMBERS: usize = 1 << 22;

impl Ceilings {
    /// Measures a device with the product forward and the variants that it would choose itself: some ten milliseconds and the compilation of two
    /// kernels on a GPU, up to a few hundred milliseconds on a software driver.
    pub fn measure(device: &OpenDevice) -> Result<Self> {
        Self::with(device, &[(Product::Forward, None)], LONG_SECONDS, SUM_NUMBERS)
    }

    /// Measures a device with larger buffers, longer, and the best of all three products and of all variants that it can run.
    pub fn measure_best(device: &OpenDevice) -> Result<Self> {
        let runs = |product| {
            let single = Single::square(product, 64);
            device.variants(single.kernel, &single.words).into_iter().map(move |variant| (product, Some(variant)))
        };
        let candidates: Vec<_> = Product::ALL.into_iter().flat_map(runs).collect();
        Self::with(device, &candidates, 20.0 * LONG_SECONDS, 4 * SUM_NUMBERS)
    }

    /// The fastest run of each: something else that runs makes a ceiling lower, never higher. A candidate is a product and its variant.
    fn with(device: &OpenDevice, candidates: &[(Product, Option<&'static Variant>)], long: f64, numbers: usize) -> Result<Self> {
        let mut flops: f64 = 0.0;
        for &(product, variant) in candidates {
            let mut n = 256;
            loop {
                let layer = Single { variant, ..Single::square(product, n) };
                let seconds = match layer.seconds(device) {
                    // a variant that needs what this device does not offer is no candidate, where there are others
                    Err(_) if candidates.len() > 1 => break,
                    seconds => seconds?.min,
                };
                flops = flops.max(layer.flops() as f64 / seconds);
                if seconds >= long || n >= LARGEST {
                    break;
                }
                n *= 2;
            }
        }
        if flops == 0.0 {
            return Err(Error::Device(format!("{} runs no variant of a dense layer's products", device.info().name)));
        }
        let sum = Single::sum(numbers);
        let bytes = 4.0 * sum.buffers.iter().sum::<usize>() as f64 / sum.seconds(device)?.min;
        let launch = Single::sum(4).seconds(device)?.min;
        Ok(Ceilings { flops, bytes, launch })
    }

    /// Seconds of a dispatch at its best: `max(FLOP / arithmetic, bytes / bandwidth, launch)`.
    ///
    /// ```
    /// use gradus::bench::{Bound, Ceilings};
    /// let device = Ceilings { flops: 1e9, bytes: 1e8, launch: 1e-6 };
    /// assert_eq!((device.seconds(2_000_000, 4_000), device.bound(2_000_000, 4_000)), (2e-3, Bound::Arithmetic));
    /// assert_eq!((device.seconds(1_000, 1_000_000), device.bound(1_000, 1_000_000)), (1e-2, Bound::Bandwidth));
    /// assert_eq!((device.seconds(10, 10), device.bound(10, 10)), (1e-6, Bound::Launch));
    /// ```
    pub fn seconds(&self, flops: u64, bytes: u64) -> f64 {
        let [arithmetic, bandwidth] = self.parts(flops, bytes);
        arithmetic.max(bandwidth).max(self.launch)
    }

    /// Which of the three is the largest.
    pub fn bound(&self, flops: u64, bytes: u64) -> Bound {
        let [arithmetic, bandwidth] = self.parts(flops, bytes);
        if self.launch >= arithmetic.max(bandwidth) {
            Bound::Launch
        } else if arithmetic >= bandwidth {
            Bound::Arithmetic
        } else {
            Bound::Bandwidth
        }
    }

    /// The share of the ceiling that bounds it which a dispatch of so many seconds reaches; the cost of a dispatch is no ceiling here. It may be
    /// above 1: the bandwidth is that of the memory, and what is small enough stays in a cache.
    ///
    /// ```
    /// use gradus::bench::{Bound, Ceilings};
    /// let device = Ceilings { flops: 1e9, bytes: 1e8, launch: 1e-6 };
    /// // 2·10⁶ FLOP take 2 ms at best: in 8 ms they reach a quarter
    /// assert_eq!(device.share(2_000_000, 4_000, 8e-3), (0.25, Bound::Arithmetic));
    /// ```
    pub fn share(&self, flops: u64, bytes: u64, seconds: f64) -> (f64, Bound) {
        let [arithmetic, bandwidth] = self.parts(flops, bytes);
        if arithmetic >= bandwidth { (arithmetic / seconds, Bound::Arithmetic) } else { (bandwidth / seconds, Bound::Bandwidth) }
    }

    fn parts(&self, flops: u64, bytes: u64) -> [f64; 2] {
        [flops as f64 / self.flops, bytes as f64 / self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;

    #[test]
    fn a_layer_of_n_by_n_by_n_has_two_operations_a_product() {
        // 2 · 64³
        assert_eq!(Product::ALL.map(|product| Single::square(product, 64).flops()), [524_288; 3]);
        // x, W with b, a
        assert_eq!(Single::square(Product::Forward, 64).buffers, [4096, 4096 + 64, 4096]);
        assert_eq!(Single::sum(10).buffers, [12, 12, 12]);
    }

    #[test]
    fn what_a_device_reaches_is_positive() {
        let device = Device::Cpu.open().unwrap();
        for single in Product::ALL.map(|product| Single::square(product, 64)).into_iter().chain([Single::sum(4)]) {
            let times = single.seconds(&device).unwrap();
            assert!(times.min > 0.0 && times.min <= times.median && times.max.is_finite(), "{times:?}");
        }
    }
}
