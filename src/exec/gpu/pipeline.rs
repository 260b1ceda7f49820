//! From a kernel's WGSL to a pipeline: what the text says of workgroups and bindings is read from it, never written again.

use super::{Context, liberties};
use crate::error::{Error, Result};
use crate::formula::{Formulas, Uses};
use crate::kernel::{KernelInfo, Variant};
use crate::plan::Plan;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::naga;

/// A uniform or a storage buffer that an entry point uses: its binding, and whether it is written.
pub(super) type Binding = (u32, bool);

/// A pipeline and what its WGSL says.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: Vec<Binding>,
    /// Elements of the grid that a workgroup makes.
    covers: [u32; 3],
}

impl Made {
    /// See [`workgroups`].
    pub(super) fn workgroups(&self, grid: [u32; 3]) -> Option<[u32; 3]> {
        workgroups(self.covers, grid)
    }
}

/// How many workgroups that cover so much cover a grid; a 1-D grid that is too long is folded into x and y. `None` when nothing covers it.
pub(super) fn workgroups(covers: [u32; 3], grid: [u32; 3]) -> Option<[u32; 3]> {
    let [mut x, mut y, z] = std::array::from_fn(|axis| grid[axis].div_ceil(covers[axis]));
    if x > 65_535 && y == 1 {
        y = x.div_ceil(65_535);
        x = x.div_ceil(y);
    }
    (x <= 65_535 && y <= 65_535 && z <= 65_535).then_some([x, y, z])
}

/// The pipelines that were made on a device, by text and entry point: plans that need the same one share it, so that to evaluate, to
/// predict or to train again compiles nothing anew.
#[derive(Debug, Default)]
pub(super) struct Pipelines(Mutex<HashMap<(String, &'static str), Arc<Made>>>);

impl Pipelines {
    /// The pipelines of a plan, by entry point. Those that are missing are made, on as many threads as there are processors.
    pub(super) fn of(context: &Context, plan: &Plan) -> Result<HashMap<&'static str, Arc<Made>>> {
        let Pipelines(known) = context.pipelines();
        let mut made = HashMap::new();
        let mut missing: Vec<Job> = Vec::new();
        for dispatch in plan.programs.iter().flat_map(|p| &p.dispatches) {
            let (kernel, variant) = (dispatch.kernel, context.variant(dispatch));
            if made.contains_key(variant.entry) || missing.iter().any(|job| job.variant.entry == variant.entry) {
                continue;
            }
            let text = kernel.wgsl_of(std::slice::from_ref(variant), &plan.formulas);
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(&(text.clone(), variant.entry)) {
                Some(pipeline) => drop(made.insert(variant.entry, Arc::clone(pipeline))),
                None => missing.push(Job { kernel, text, variant }),
            }
        }
        let make = |Job { kernel, text, variant }: &Job| {
            let formulas = plan.formulas.wgsl(kernel.uses);
            let made = make(context, text, variant.entry, &formulas)?;
            // a workgroup's invocations, until their variant says how much each makes
            Ok(Made { covers: variant.covers(made.covers), ..made })
        };
        let results: Vec<Result<Made>> = missing.par_iter().map(make).collect();
        for (Job { text, variant, .. }, pipeline) in missing.into_iter().zip(results) {
            let pipeline = Arc::new(pipeline?);
            known.lock().unwrap_or_else(PoisonError::into_inner).insert((text, variant.entry), Arc::clone(&pipeline));
            made.insert(variant.entry, pipeline);
        }
        Ok(made)
    }

    /// The pipeline of a text that was composed of several kernels.
    pub(super) fn composed(context: &Context, text: &str, entry: &'static str, formulas: &Formulas) -> Result<Arc<Made>> {
        let Pipelines(known) = context.pipelines();
        let key = (text.to_string(), entry);
        if let Some(made) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(made));
        }
        let formulas = formulas.wgsl(Uses::Activations) + &formulas.wgsl(Uses::Losses);
        let made = Arc::new(make(context, text, entry, &formulas)?);
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// A pipeline that is to be made.
struct Job {
    kernel: &'static KernelInfo,
    text: String,
    variant: &'static Variant,
}

/// Makes a pipeline whose invocations make an element each. (Error scopes are a thread's own: they are pushed and popped here.)
fn make(context: &Context, text: &str, entry: &str, formulas: &str) -> Result<Made> {
    let (size, bindings) = reflect(text, entry).map_err(|e| Error::Device(format!("{entry}: {e}")))?;
    let device = context.device();
    let invalid = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = liberties::module(device, entry, text, formulas);
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(entry),
        layout: None,
        module: &module,
        entry_point: Some(entry),
        compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
        cache: None,
    });
    if let Some(error) = pollster::block_on(invalid.pop()) {
        return Err(Error::Device(format!("{} refused the kernel {entry}: {error}", context.info().name)));
    }
    let layout = pipeline.get_bind_group_layout(0);
    Ok(Made { pipeline, layout, bindings, covers: size })
}

/// What a text says of an entry point: the size of a workgroup, and the bindings.
pub(super) type Facts = ([u32; 3], Vec<Binding>);

/// Reads them off the text.
pub(super) fn reflect(text: &str, entry: &str) -> std::result::Result<Facts, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    // whether the device has what the text asks for, it says itself when it makes the pipeline
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(text))?;
    let index = module.entry_points.iter().position(|e| e.name == entry).ok_or(format!("no entry point `{entry}`"))?;
    let used = info.get_entry_point(index);
    let mut bindings = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        if let Some(binding) = &variable.binding
            && !used[handle].is_empty()
        {
            bindings.push((binding.binding, used[handle].contains(naga::valid::GlobalUse::WRITE)));
        }
    }
    bindings.sort_unstable();
    Ok((module.entry_points[index].workgroup_size, bindings))
}

/// The workgroup memory that a text asks for; `None` where it is not WGSL.
pub(super) fn workgroup_bytes(text: &str) -> Option<u32> {
    let module = naga::front::wgsl::parse_str(text).ok()?;
    let memory = module.global_variables.iter().filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup);
    Some(memory.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum())
}
