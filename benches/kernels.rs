//! GFLOP/s and GB/s of the kernels that take the time, each variant, at the shapes of the MNIST job:
//! `cargo bench --bench kernels -- [--device llvmpipe] [--batch 128] [--only dense_forward]`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::exec::{Executor, OpenDevice};
use gradus::kernel::{Kernel, KernelInfo, Params as _, Part, Row, Step, Variant};
use gradus::kernels::dense_delta::DenseDelta;
use gradus::kernels::dense_forward::DenseForward;
use gradus::kernels::dense_gradient::DenseGradient;
use gradus::kernels::norm::NormPartials;
use gradus::kernels::update::{Adam, Sgd};
use gradus::kernels::{finish::SCALARS, formulas, named};
use gradus::plan::{Buf, Builder, Kind, Plan};
use gradus::{Device, Result};
use std::time::Instant;

struct Job {
    label: String,
    kernel: &'static KernelInfo,
    words: Vec<u32>,
    /// Elements of each buffer.
    buffers: Vec<usize>,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).cloned().unwrap_or_else(|| default.to_string())
    };
    let batch: u32 = get("--batch", "128").parse().map_err(|_| gradus::Error::input("--batch takes a whole number"))?;
    let only = get("--only", "");
    let device = Device::parse(&get("--device", "auto")).open()?;
    println!("{} at batch {batch}", device.info());
    println!("{:32} {:22} {:>10} {:>10} {:>8}", "job", "variant", "µs", "GFLOP/s", "GB/s");
    for job in jobs(batch).iter().filter(|job| job.label.contains(&only)) {
        for variant in device.variants(job.kernel) {
            let seconds = time(&device, job, variant, batch as usize)?;
            let flops = (job.kernel.flops)(&job.words) as f64;
            let bytes = 4.0 * job.buffers.iter().sum::<usize>() as f64;
            let (gflops, gbytes) = (flops / seconds / 1e9, bytes / seconds / 1e9);
            println!("{:32} {:22} {:>10.1} {gflops:>10.2} {gbytes:>8.2}", job.label, variant.entry, 1e6 * seconds);
        }
    }
    Ok(())
}

fn jobs(rows: u32) -> Vec<Job> {
    let mut jobs = Vec::new();
    let batch = rows as usize;
    let mut add = |label: String, kernel: &str, words: Vec<u32>, buffers: Vec<usize>| {
        let kernel = named(kernel).expect("it is in the table");
        jobs.push(Job { label, kernel, words, buffers });
    };
    for (inputs, outputs) in [(784u32, 256u32), (256, 128), (128, 10)] {
        let (inputs4, outputs4) = (inputs.div_ceil(4), outputs.div_ceil(4));
        let (i, o) = (4 * inputs4 as usize, 4 * outputs4 as usize);
        let (weight, arena) = (o * i, o * i + o.next_multiple_of(64));
        let (arena4, bias4, members) = (arena as u32 / 4, weight as u32 / 4, 1);
        let forward = DenseForward { rows, inputs4, outputs, outputs4, members, arena4, weight4: 0, bias4, has_bias: 1, kind: 1 };
        let shape = format!("{inputs}x{outputs}");
        add(format!("dense_forward {shape}"), DenseForward::NAME, forward.words(), vec![batch * i, arena, batch * o]);
        let delta = DenseDelta { rows, inputs4, outputs, outputs4, members, arena4, weight4: 0, kind: 1 };
        add(format!("dense_delta {shape}"), DenseDelta::NAME, delta.words(), vec![batch * o, arena, batch * i, batch * i]);
        let gradient = DenseGradient { rows, inputs4, outputs, outputs4, members, arena4, weight4: 0, bias4, has_bias: 1 };
        add(format!("dense_gradient {shape}"), DenseGradient::NAME, gradient.words(), vec![batch * o, batch * i, arena]);
    }
    let arena: usize = 235_264;
    let (arena4, members) = (arena as u32 / 4, 1);
    let partials = arena.div_ceil(4096);
    let norm = NormPartials { arena4, partials: partials as u32, members, limit: 0.0 };
    add("norm_partials".into(), NormPartials::NAME, norm.words(), vec![arena, partials]);
    let sgd = Sgd { arena4, members, h0: 0.0, h1: 0.0, h2: 0.0, l2: 0.0, decoupled: 0.0 };
    add("sgd".into(), Sgd::NAME, sgd.words(), vec![SCALARS, arena, arena, 4]);
    let adam = Adam { arena4, members, h0: 0.9, h1: 0.999, h2: 1e-8, l2: 0.0, decoupled: 0.0 };
    add("adam".into(), Adam::NAME, adam.words(), vec![SCALARS, arena, arena, 4, arena, arena]);
    jobs
}

/// Seconds of one dispatch: the median of five runs of several.
fn time(device: &OpenDevice, job: &Job, variant: &'static Variant, rows: usize) -> Result<f64> {
    const REPEATS: usize = 8;
    let mut builder = Builder::new(1, 1);
    builder.formulas(&formulas());
    let buffers: Vec<Buf> = job.buffers.iter().map(|&len| builder.buffer("buffer", Kind::F32, len)).collect();
    let program = builder.program("job");
    for _ in 0..REPEATS {
        builder.dispatch_words(job.kernel, job.words.clone(), &buffers, "job");
    }
    let mut plan: Plan = builder.finish()?;
    plan.programs[0].dispatches.iter_mut().for_each(|d| d.variant = Some(variant));
    let mut executor: Box<dyn Executor> = device.executor(plan)?;
    for (&buf, &len) in buffers.iter().zip(&job.buffers) {
        executor.write(buf, 0, &(0..len).map(|i| ((i * 7919) % 1000) as f32 * 1e-3).collect::<Vec<_>>())?;
    }
    let mut table = Step::table(1);
    Step::push(&mut table, &Row { rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[[0.0; 4]] });
    let mut times = Vec::new();
    for _ in 0..6 {
        let began = Instant::now();
        executor.run(program, &table)?;
        executor.read(buffers[0], 0, 4)?;
        times.push(began.elapsed().as_secs_f64() / REPEATS as f64);
    }
    // the first run warms up
    let mut times = times.split_off(1);
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
