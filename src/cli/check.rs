//! `gradus check`: what a config would do. Shapes, parameters, device memory, dispatches, one batch on both paths; trains nothing.

use super::args::Check;
use super::config::Config;
use super::parity::lockstep_table;
use super::progress::thousands;
use super::{assemble, print, say};
use crate::error::Result;
use crate::exec::Device;
use crate::model::{Compiled, Layer};
use crate::parity::lockstep;
use std::process::ExitCode;

pub(super) fn check(args: &Check) -> Result<ExitCode> {
    let config = Config::open(&args.config, &args.sets)?;
    let device = Device::parse(args.device.as_deref().unwrap_or(&config.device.name)).open()?;
    let data = assemble::prepare(&config)?;
    let table = data.train.table();
    let (train, valid, test) = (data.train.len(), data.valid.len(), data.test.len());
    print(&format!("data: {train} rows to train, {valid} to validate, {test} to test, {} features", table.width()))?;

    let model = assemble::model(&config, table.width(), table.targets().outputs());
    let mut width = model.inputs();
    for (n, layer) in model.layers().iter().enumerate() {
        match layer {
            Layer::Dense { outputs, bias, .. } => {
                let count = width * outputs + if *bias { *outputs } else { 0 };
                print(&format!("layer {n}: dense {width} → {outputs}, {} parameters", thousands(count as f64)))?;
                width = *outputs;
            }
            Layer::Activation(activation) => print(&format!("layer {n}: {}", activation.name()))?,
        }
    }
    print(&format!("loss: {}; {} parameters", assemble::loss(&config, table.targets()).name(), thousands(model.parameters() as f64)))?;

    let mut first = assemble::trainer(&config, table)?.build_on(device.clone())?.first_step(&data.train)?;
    plan(&first.compiled)?;
    print(&format!("one batch on {}, each dispatch against the reference in f64:", device.info()))?;
    let rows = lockstep(&mut *first.executor, first.program, &first.table)?;
    let good = lockstep_table(&rows, &device, false)?;
    say(&format!("device: {} ({})", device.info(), device.why()));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn plan(compiled: &Compiled) -> Result<()> {
    let plan = &compiled.plan;
    print(&format!("device memory: {} bytes in {} buffers", thousands(plan.memory() as f64), plan.buffers.len()))?;
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
