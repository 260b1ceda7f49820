//! `gradus check`: what a config would do. Shapes, parameters, device memory, dispatches, one batch on both paths; trains nothing.

use super::args::Check;
use super::config::Config;
use super::parity::lockstep_table;
use super::progress::thousands;
use super::{assemble, print, say};
use crate::Activation;
use crate::error::Result;
use crate::exec::OpenDevice;
use crate::expr::Expr;
use crate::model::{Compiled, Layer, Model};
use crate::parity::lockstep;
use std::process::ExitCode;

pub(super) fn check(args: &Check) -> Result<ExitCode> {
    let config = Config::open(&args.config, &args.sets)?;
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let table = data.train.table();
    let (train, valid, test) = (data.train.len(), data.valid.len(), data.test.len());
    print(&format!("data: {train} rows to train, {valid} to validate, {test} to test, {} features", table.width()))?;

    let loss = assemble::loss(&config, table.targets());
    let model = assemble::model(&config, table.width(), assemble::outputs(&loss, table.targets()));
    layers(model.layers(), model.inputs(), "")?;
    print(&format!("loss: {}; {} parameters", loss.name(), thousands(model.parameters() as f64)))?;
    if let Some(slope) = loss.slope_text() {
        print(&format!("    slope with respect to p: {slope}"))?;
    }

    let mut first = assemble::trainer(&config, table)?.build_on(device.clone())?.first_step(&data.train)?;
    memory(&first.compiled, &device)?;
    plan(&first.compiled)?;
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

fn plan(compiled: &Compiled) -> Result<()> {
    let plan = &compiled.plan;
    if let Some(id) = compiled.train {
        let program = plan.program(id);
        print(&format!("a step: {} dispatches, {} FLOP", program.dispatches.len(), thousands(plan.flops(id) as f64)))?;
        for dispatch in &program.dispatches {
            let flops = thousands((dispatch.kernel.flops)(&dispatch.words) as f64);
            print(&format!("    {:22} {:28} {flops:>15} FLOP", dispatch.kernel.name, dispatch.label))?;
        }
    }
    Ok(())
}
