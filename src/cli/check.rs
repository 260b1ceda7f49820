//! `gradus check`: what a config would do. Shapes, parameters, device memory, dispatches, one batch on both paths; trains nothing.

use super::args::{Check, with_target};
use super::config::Config;
use super::parity::lockstep_table;
use super::progress::thousands;
use super::{assemble, print, say};
use crate::Activation;
use crate::bench::Ceilings;
use crate::data::Codes;
use crate::error::Result;
use crate::exec::OpenDevice;
use crate::exec::cpu::Cpu;
use crate::expr::Expr;
use crate::model::{Compiled, Layer, Model};
use crate::parity::lockstep;
use crate::plan::Dispatch;
use crate::train::FirstStep;
use std::process::ExitCode;

pub(super) fn check(args: &Check) -> Result<ExitCode> {
    let config = Config::open(&args.config, &with_target(&args.sets, args.target.as_deref()))?;
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let table = data.train.table();
    let (train, valid, test) = (data.train.len(), data.valid.len(), data.test.len());
    print(&format!("data: {train} rows to train, {valid} to validate, {test} to test, {} features", table.width()))?;

    let loss = assemble::loss(&config, table.targets());
    let model = assemble::model(&config, &data.preprocess, assemble::outputs(&loss, table.targets()));
    layers(model.layers(), model.inputs(), "")?;
    print(&format!("loss: {}; {} parameters", loss.name(), thousands(model.parameters() as f64)))?;
    if let Some(slope) = loss.slope_text() {
        print(&format!("    slope with respect to p: {slope}"))?;
    }

    let trainer = assemble::trainer(&config, &data)?;
    let steps = trainer.clone().build_on(device.clone())?.batches(&data.train).len();
    let device = device.expecting((config.train.epochs * steps) as u64);
    let mut first = trainer.build_on(device.clone())?.first_step(&data.train)?;
    memory(&first.compiled, &device)?;
    plan(&first, &device)?;
    print(&format!("one batch on {}, each dispatch against the reference in f64:", device.info()))?;
    let rows = lockstep(&mut *first.executor, first.program, &first.table)?;
    let good = lockstep_table(&rows, &device, false)?;
    say(&format!("device: {} ({})", device.info(), device.why()));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// One line a layer; those within a block under it, numbered after it.
fn layers(layers: &[Layer], inputs: usize, prefix: &str) -> Result<()> {
    let mut width = inputs;
    for (n, layer) in layers.iter().enumerate() {
        let alone = Model::input(width).layer(layer.clone());
        let behind = alone.outputs();
        let what = match layer {
            Layer::Dense { bias, .. } => format!("dense {width} → {behind}{}", if *bias { "" } else { " without bias" }),
            Layer::Embedding { codes } => {
                let each: Vec<String> =
                    codes.iter().map(|Codes { column, count, width }| format!("column {column}: {count} × {width}")).collect();
                format!("embedding {width} → {behind} ({})", each.join(", "))
            }
            Layer::BatchNorm { epsilon, momentum } => format!("batch_norm {width}, epsilon {epsilon:e}, momentum {momentum}"),
            Layer::LayerNorm { epsilon } => format!("layer_norm {width}, epsilon {epsilon:e}"),
            Layer::Dropout { rate } => format!("dropout {rate}"),
            Layer::Residual { .. } if behind != width => format!("residual {width} → {behind}, with a projection"),
            Layer::Residual { .. } => format!("residual {width}"),
            Layer::Activation(activation) => shown(activation),
            other => other.name().to_string(),
        };
        let count = match alone.parameters() {
            0 => String::new(),
            count => format!(", {} parameters", thousands(count as f64)),
        };
        let indent = "    ".repeat(prefix.matches('.').count());
        print(&format!("{indent}layer {prefix}{n}: {what}{count}"))?;
        if let Layer::Residual { layers: inner, .. } = layer {
            self::layers(inner, width, &format!("{prefix}{n}."))?;
        }
        width = behind;
    }
    Ok(())
}

/// An activation with its parameter; an expression with its slope.
fn shown(activation: &Activation) -> String {
    let name = activation.name();
    let slope = || Expr::parse(name, &["z"]).ok()?.derivative("z").ok();
    match activation.parameter() {
        Some(parameter) => format!("{name} {parameter}"),
        None if activation.is_custom() => slope().map_or_else(|| name.to_string(), |slope| format!("{name}, slope {slope}")),
        None => name.to_string(),
    }
}

/// What the run takes of the device's memory, exactly, and how the data and the parameters lie there.
fn memory(compiled: &Compiled, device: &OpenDevice) -> Result<()> {
    let (plan, needed) = (&compiled.plan, device.memory(&compiled.plan));
    let allowed = device.limits().memory.map(|most| format!(", of {} that may be used", thousands(most as f64))).unwrap_or_default();
    print(&format!("device memory: {} bytes{allowed}, {} buffers", thousands(needed as f64), plan.buffers.len()))?;
    let own = [("the way to the device and back", needed - plan.memory())];
    let shares = compiled.shares.iter().map(|share| (share.name, share.bytes)).chain(own);
    for (name, bytes) in shares.filter(|(_, bytes)| *bytes > 0) {
        print(&format!("    {name:32} {:>15} bytes", thousands(bytes as f64)))?;
    }
    let parts = compiled.features.len();
    match compiled.chunk_rows {
        Some(rows) => print(&format!("data: streamed, {} rows at a time through a ring of {parts} buffers", thousands(rows as f64)))?,
        None if parts > 1 => print(&format!("data: resident, in {parts} buffers, as the device binds no more at once"))?,
        None => print("data: resident")?,
    }
    if compiled.segments.len() > 1 {
        print(&format!("parameters: in {} buffers, as the device binds no more at once", compiled.segments.len()))?;
    }
    Ok(())
}

/// A step's dispatches, with what each does and moves, and how long that takes this device at its best.
fn plan(first: &FirstStep, device: &OpenDevice) -> Result<()> {
    let (compiled, plan) = (&first.compiled, &first.compiled.plan);
    let dispatches = &plan.program(first.program).dispatches;
    let written = Cpu::<f32>::new(plan.clone()).trace(first.program, &first.table)?;
    // what the run may use is no bound for what measures the device
    let reached = Ceilings::measure(&device.clone().with_memory(u64::MAX))?;
    let lines: Vec<Line> = dispatches
        .iter()
        .zip(&written)
        .map(|(dispatch, written)| {
            let (flops, bytes) = ((dispatch.kernel.flops)(&dispatch.words), compiled.bytes(dispatch, written));
            Line { entry: device.entry(dispatch), label: &dispatch.label, flops, bytes }
        })
        .collect();
    let sum = |of: fn(&Line) -> u64| thousands(lines.iter().map(of).sum::<u64>() as f64);
    let seconds: f64 = lines.iter().map(|line| reached.seconds(line.flops, line.bytes)).sum();
    print(&format!(
        "a step: {} dispatches, {} FLOP, {} bytes moved, {:.0} µs at best",
        lines.len(),
        sum(|line| line.flops),
        sum(|line| line.bytes),
        1e6 * seconds
    ))?;
    print(&format!(
        "    (each dispatch: the longest of FLOP at {:.1} GFLOP/s, bytes at {:.1} GB/s, and {:.2} µs to launch it; as measured just now)",
        1e-9 * reached.flops,
        1e-9 * reached.bytes,
        1e6 * reached.launch
    ))?;
    if device.whole_steps(plan, first.program).is_some() {
        print(
            "    (here they are one shader, which a workgroup a member runs for many steps in one dispatch: nothing is launched for each)",
        )?;
    }
    table(&lines, &reached).iter().try_for_each(|line| print(line))?;
    in_parts(compiled, dispatches).iter().try_for_each(|line| print(line))
}

/// That weight gradients are made in parts, where they are.
fn in_parts(compiled: &Compiled, dispatches: &[Dispatch]) -> Option<String> {
    let of = |kernel: &str| dispatches.iter().filter(|dispatch| dispatch.kernel.name == kernel).count();
    let cut = dispatches.iter().filter(|dispatch| dispatch.args.iter().any(|buf| compiled.slices.contains(buf))).count() - of("sum_slices");
    (cut > 0).then(|| {
        let more = of("sum_slices");
        format!("weight gradients: {cut} in parts of the batch, to fill the device; the parts are added in {more} more of these dispatches")
    })
}

/// What a line of the plan is made of.
struct Line<'a> {
    entry: &'a str,
    label: &'a str,
    flops: u64,
    bytes: u64,
}

/// The lines of the plan, aligned.
fn table(lines: &[Line], reached: &Ceilings) -> Vec<String> {
    let widest = |of: fn(&Line) -> usize, least: usize| lines.iter().map(of).fold(least, usize::max);
    let (entry, label) = (widest(|line| line.entry.chars().count(), 6), widest(|line| line.label.chars().count(), 3));
    let head = format!("    {:entry$}  {:label$}  {:>15}  {:>13}  {:>9}  bound by", "kernel", "for", "FLOP", "bytes", "µs");
    let line = |line: &Line| {
        let (flops, bytes) = (thousands(line.flops as f64), thousands(line.bytes as f64));
        let micros = 1e6 * reached.seconds(line.flops, line.bytes);
        let bound = reached.bound(line.flops, line.bytes).name();
        format!("    {:entry$}  {:label$}  {flops:>15}  {bytes:>13}  {micros:>9.2}  {bound}", line.entry, line.label)
    };
    std::iter::once(head).chain(lines.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_in_parts_are_told() {
        let model = Model::input(64).dense(32).relu().dense(10);
        let trainer = crate::Trainer::new(model, crate::Loss::cross_entropy()).batch(512);
        let told = |workgroups| {
            let device = crate::Device::Cpu.open().unwrap().with_workgroups(workgroups);
            let first = trainer.clone().build_on(device).unwrap().first_step(&crate::Dataset::digits()).unwrap();
            in_parts(&first.compiled, &first.compiled.plan.program(first.program).dispatches)
        };
        assert_eq!(told(1), None);
        let wanted = "weight gradients: 2 in parts of the batch, to fill the device; the parts are added in 1 more of these dispatches";
        assert_eq!(told(200).as_deref(), Some(wanted));
    }

    #[test]
    fn the_plan_is_aligned_and_says_what_bounds_each_dispatch() {
        let lines = [
            Line { entry: "dense_forward_8x8", label: "layer 0 (dense 64→256)", flops: 2_000_000, bytes: 1_000 },
            Line { entry: "adam", label: "update", flops: 10, bytes: 5_000_000 },
        ];
        // 2·10⁶ FLOP at 1 GFLOP/s are 2 ms; 5·10⁶ bytes at 1 GB/s are 5 ms
        let table = table(&lines, &Ceilings { flops: 1e9, bytes: 1e9, launch: 1e-6 });
        assert_eq!(
            table,
            [
                "    kernel             for                                FLOP          bytes         µs  bound by",
                "    dense_forward_8x8  layer 0 (dense 64→256)        2,000,000          1,000    2000.00  arithmetic",
                "    adam               update                               10      5,000,000    5000.00  bandwidth",
            ]
        );
    }
}
