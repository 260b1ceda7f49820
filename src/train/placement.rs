//! Where everything goes: the plan for a table on a device, with its data resident or streamed, and whether it fits.

use super::session::Setup;
use crate::data::{Features, Table, Targets};
use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::loss::Takes;
use crate::model::{Compiled, Residence, Share, Spec};
use crate::plan::Buf;

/// The plan for a table on a device: with the features resident where they fit, else streamed in chunks as large as fit. The memory that it takes is
/// known exactly, and what can not fit is refused with the numbers before anything is made.
pub(super) fn compile(device: &OpenDevice, setup: &Setup<'_>, table: &Table, longest: usize) -> Result<Compiled> {
    let most = device.limits().memory.unwrap_or(u64::MAX);
    let resident = compile_for(device, setup, table, longest, Residence::Resident)?;
    if device.memory(&resident.plan) <= most && resident.features.len() <= SHARDS {
        return check(device, setup, resident);
    }
    let batch = setup.batch.min(longest);
    let row = setup.seeds.len() * resident.row_bytes;
    let fits = usize::try_from(device.limits().binding).unwrap_or(usize::MAX) / row;
    let mut rows = (CHUNK_BYTES / row).min(longest).min(fits).max(batch);
    loop {
        let streamed = compile_for(device, setup, table, longest, Residence::Streamed { rows })?;
        if device.memory(&streamed.plan) <= most || rows == batch {
            return check(device, setup, streamed);
        }
        rows = (rows / 2).max(batch);
    }
}

/// Hands a plan on that fits; else an error that says what its memory is for.
fn check(device: &OpenDevice, setup: &Setup<'_>, compiled: Compiled) -> Result<Compiled> {
    let (limits, needed, name) = (device.limits(), device.memory(&compiled.plan), &device.info().name);
    if let Some(most) = limits.memory.filter(|&most| needed > most) {
        let own = Share { name: "the way to the device and back", bytes: needed - compiled.plan.memory() };
        let shares: Vec<_> = compiled.shares.iter().chain([&own]).map(|share| format!("{} {}", share.name, share.bytes)).collect();
        let data = if compiled.chunk_rows.is_some() { ", with as few of the data at a time as can be" } else { "" };
        return Err(Error::Device(format!(
            "{needed} bytes are needed on {name}{data} ({}), but [device] memory allows {most}: raise it, or use a smaller batch, fewer members or \
             narrower layers",
            shares.join(", ")
        )));
    }
    // of what has a row for each of the batch, what is largest says how large a batch can be
    let bytes = |buf: &Buf| 4 * compiled.plan.buffer(*buf).len as u64;
    if let Some(buf) = compiled.per_row.iter().max_by_key(|buf| bytes(buf)).filter(|buf| bytes(buf) > limits.binding) {
        let parts = usize::try_from(bytes(buf).div_ceil(limits.binding)).unwrap_or(usize::MAX);
        return Err(Error::Device(format!(
            "`{}` needs {} bytes for a batch of {}, but {name} binds at most {} bytes at once: use batches of at most {} rows; with {parts} times as \
             many of them in [train] accumulate, the gradient is the same",
            compiled.plan.buffer(*buf).name,
            bytes(buf),
            setup.batch,
            limits.binding,
            setup.batch.div_ceil(parts)
        )));
    }
    Ok(compiled)
}

/// Resident features may be in so many buffers: each is one more dispatch a step. Beyond that they are streamed.
const SHARDS: usize = 8;
/// How large a chunk of streamed features is where memory does not say otherwise: large enough for many steps, small enough that the first is soon
/// there.
const CHUNK_BYTES: usize = 16 << 20;

fn compile_for(device: &OpenDevice, setup: &Setup<'_>, table: &Table, longest: usize, residence: Residence) -> Result<Compiled> {
    if setup.batch == 0 {
        return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, or --set train.batch=64"));
    }
    if longest == 0 || table.targets().is_none() && setup.optimizer.is_some() {
        return Err(Error::input("the data set is empty, or has no target: nothing to train on"));
    }
    if table.width() != setup.model.inputs() {
        return Err(Error::input(format!("the data has {} features, the model takes {}", table.width(), setup.model.inputs())));
    }
    let classes = match table.targets() {
        Targets::Classes { names, .. } => Some(names.len()),
        // to predict only, but the plan has a place for the targets
        none if none.is_none() && setup.loss.takes() == Takes::Classes => Some(setup.model.outputs()),
        Targets::Values { .. } => None,
    };
    if !table.targets().is_none() {
        setup.loss.check(table.targets())?;
        let (data, model) = (setup.loss.outputs(classes, table.targets().outputs()), setup.model.outputs());
        if data != model {
            return Err(Error::input(format!("the target needs {data} outputs, the model has {model}: give its last layer {data}")));
        }
    }
    if setup.optimizer.is_some() && setup.model.has_batch_norm() && longest < 2 {
        return Err(Error::input("batch normalisation needs at least two rows to train on"));
    }
    let byte_scale = match table.features() {
        Features::Bytes { scale, .. } => Some(*scale),
        Features::F32(_) => None,
    };
    setup.model.compile(&Spec {
        optimizer: setup.optimizer,
        clip: setup.clip,
        members: setup.seeds.len(),
        data_rows: table.rows(),
        byte_scale,
        residence,
        binding: device.limits().binding,
        workgroups: device.limits().workgroups,
        fused_gather: device.limits().fused_gather,
        order: longest,
        steps: setup.steps,
        classes,
        // cross-entropy weighs classes itself
        weighted: table.weights().is_some() || (setup.class_weights.is_some() && setup.loss.takes() != Takes::Classes),
        accumulate: setup.accumulate,
        sticky: setup.sticky,
        snapshot: setup.snapshot,
        looks: setup.looks,
        precision: setup.precision,
        ..Spec::new(setup.model, setup.loss, setup.batch.min(longest))
    })
}
