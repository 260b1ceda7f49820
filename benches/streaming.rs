//! What it costs that data are not resident in one buffer, and whether uploads and steps overlap:
//! `cargo bench --bench streaming -- [--device cpu] [--rows 60000] [--batch 128] [--memory MIB] [--epochs 4]`
//!
//! Rows of 784 numbers, 784-128-10. First the median epoch, the first left out: data as they lie by themselves, in buffers of a third of them, and
//! streamed through `--memory` (otherwise half of what a resident run takes). Then, for the plan that streams, twelve chunks uploaded alone, computed on alone, and both
//! as a run does it, with the host's clock at each: what overlaps is what both together save over one after the other, in parts of the shorter.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::kernel::{Part, Row, Step};
use gradus::plan::Kind;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Event, FirstStep, Stop};
use gradus::{Adam, Dataset, Device, Loss, Model, Trainer};
use std::time::Instant;

const WIDTH: usize = 784;
const CHUNKS: usize = 12;

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run() -> gradus::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).cloned().unwrap_or_else(|| default.to_string())
    };
    let number = |name: &str, default: &str| {
        let text = get(name, default);
        text.parse::<usize>().map_err(|_| gradus::Error::input(format!("{name} takes a whole number (got {text})")))
    };
    let (rows, batch, epochs) = (number("--rows", "60000")?, number("--batch", "128")?, number("--epochs", "4")?);
    let device = Device::parse(&get("--device", "cpu")).open()?;
    let data = data(rows)?;
    let model = Model::input(WIDTH).dense(128).relu().dense(10);
    let trainer = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).batch(batch);
    let first = |device: &OpenDevice| trainer.clone().build_on(device.clone())?.first_step(&data);

    let resident = device.memory(&first(&device)?.compiled.plan);
    let memory = match number("--memory", "0")? {
        0 => resident / 2,
        mib => (mib as u64) << 20,
    };
    let third = (rows.div_ceil(3) * WIDTH * 4) as u64;
    println!("{}, {rows} rows of {WIDTH} numbers, batch {batch}", device.info());
    for device in [device.clone(), device.clone().with_binding(third), device.clone().with_memory(memory)] {
        let compiled = first(&device)?.compiled;
        let lie = match compiled.chunk_rows {
            Some(rows) => format!("streamed, {rows} rows at a time"),
            None => format!("resident in {}", compiled.features.len()),
        };
        let seconds = epoch(&trainer, &device, &data, epochs)?;
        println!("{lie:32} {:>13} bytes {:>10.0} samples/s", device.memory(&compiled.plan), rows as f64 / seconds);
    }
    overlap(first(&device.with_memory(memory))?, batch)
}

/// Rows and classes without a pattern.
fn data(rows: usize) -> gradus::Result<Dataset> {
    let mut rng = Rng::new(1, Purpose::Synthetic, 0);
    let features = Features::F32((0..rows * WIDTH).map(|_| rng.below(1000) as f32 / 1000.0).collect());
    let targets =
        Targets::Classes { of: (0..rows).map(|_| rng.below(10) as u32).collect(), names: (0..10).map(|c| c.to_string()).collect() };
    Ok(Dataset::new(Table::new(features, (0..WIDTH).map(|i| format!("x{i}")).collect(), targets)?))
}

/// The median of all epochs but the first.
fn epoch(trainer: &Trainer, device: &OpenDevice, data: &Dataset, epochs: usize) -> gradus::Result<f64> {
    let (mut seconds, mut last) = (Vec::new(), Instant::now());
    trainer.clone().build_on(device.clone())?.fit_with(data, &data.view(Vec::new()), Stop::after(epochs.max(2)), |event| {
        if let Event::Epoch { .. } = event {
            seconds.push(last.elapsed().as_secs_f64());
            last = Instant::now();
        }
    })?;
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn overlap(first: FirstStep, batch: usize) -> gradus::Result<()> {
    let FirstStep { compiled, mut executor, program, .. } = first;
    let Some(rows) = compiled.chunk_rows else { return Ok(()) };
    let buffer = compiled.plan.buffer(compiled.features[0]).clone();
    let (numbers, words) = (vec![0.5; buffer.len], vec![0; buffer.len]);
    let steps = (rows / batch).clamp(1, compiled.plan.step_capacity);
    let mut table = Step::table(1);
    for number in 0..steps as u32 {
        let rates = [[1e-3, 1.0, 1.0, batch as f32]];
        Step::push(&mut table, &Row { rows: batch, start: 0, slot: 0, number, part: Part::WHOLE, rates: &rates });
    }
    let mut pass = |upload: bool, compute: bool| -> gradus::Result<(f64, Vec<[f64; 2]>)> {
        let began = Instant::now();
        let mut clock = Vec::new();
        for chunk in 0..CHUNKS {
            let slot = chunk % compiled.features.len();
            match (upload, buffer.kind) {
                (true, Kind::F32) => executor.write(compiled.features[slot], 0, &numbers)?,
                (true, Kind::U32) => executor.write_words(compiled.features[slot], 0, &words)?,
                _ => {}
            }
            let written = began.elapsed().as_secs_f64();
            if compute {
                executor.run(compiled.turn(program, slot), &table)?;
            }
            clock.push([written, began.elapsed().as_secs_f64()]);
        }
        executor.read_words(compiled.fault, 0, 1)?;
        Ok((began.elapsed().as_secs_f64(), clock))
    };
    pass(true, true)?;
    let ((upload, _), (compute, _), (both, clock)) = (pass(true, false)?, pass(false, true)?, pass(true, true)?);
    println!(
        "{CHUNKS} chunks of {} bytes, {steps} steps each: {:.1} ms to upload, {:.1} ms to compute",
        4 * buffer.len,
        1e3 * upload,
        1e3 * compute
    );
    let share = (upload + compute - both) / upload.min(compute);
    println!("together {:.1} ms: {:.0} % of the shorter overlap", 1e3 * both, 100.0 * share);
    for (chunk, [written, run]) in clock.iter().enumerate() {
        println!("    chunk {chunk:2}: uploaded by {:8.1} ms, its steps handed over by {:8.1} ms", 1e3 * written, 1e3 * run);
    }
    println!("    the device was done at {:.1} ms", 1e3 * both);
    Ok(())
}
