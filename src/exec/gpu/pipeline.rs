//! From a kernel's WGSL to a pipeline: what the text says of workgroups and bindings is read from it, never written again.

use super::Context;
use crate::error::{Error, Result};
use crate::exec::DeviceType;
use crate::kernel::{KernelInfo, Suits, Variant};
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
    tile: [u32; 2],
    size: [u32; 3],
}

impl Made {
    /// How many workgroups cover a grid; a 1-D grid that is too long is folded into x and y. `None` when nothing covers it.
    pub(super) fn workgroups(&self, grid: [u32; 3]) -> Option<[u32; 3]> {
        let groups = |axis: usize, tile: u32| grid[axis].div_ceil(tile).div_ceil(self.size[axis]);
        let [mut x, mut y, z] = [groups(0, self.tile[0]), groups(1, self.tile[1]), groups(2, 1)];
        if x > 65_535 && y == 1 {
            y = x.div_ceil(65_535);
            x = x.div_ceil(y);
        }
        (x <= 65_535 && y <= 65_535 && z <= 65_535).then_some([x, y, z])
    }
}

/// The variant of a kernel for a grid and a kind of adapter. The one place where that is decided: by shape, never by timing, and
/// not by how many members there are, so that a member's numbers do not depend on its neighbours.
///
/// Software drivers run a workgroup as a loop on one core: the largest tile is best as it loads least. A real GPU wants enough
/// invocations to fill it, and then the largest tile.
pub(super) fn choose(kernel: &KernelInfo, grid: [u32; 3], kind: DeviceType) -> &'static Variant {
    let software = kind == DeviceType::Software;
    let fits = |v: &&Variant| match v.suits {
        Suits::Any => true,
        Suits::Hardware => !software,
        Suits::Software => software,
    };
    let invocations = |v: &Variant| u64::from(grid[0].div_ceil(v.tile[0])) * u64::from(grid[1].div_ceil(v.tile[1]));
    let area = |v: &&Variant| v.tile[0] * v.tile[1];
    const ENOUGH: u64 = 4096;
    let filling = kernel.variants.iter().filter(fits).filter(|v| software || invocations(v) >= ENOUGH).max_by_key(area);
    filling.or_else(|| kernel.variants.iter().filter(fits).min_by_key(area)).expect("every kernel has a variant for every adapter")
}

/// The pipelines that were made on a device, by text and entry point: plans that need the same one share it, so that to evaluate, to
/// predict or to train again compiles nothing anew.
#[derive(Debug, Default)]
pub(super) struct Pipelines(Mutex<HashMap<(String, &'static str), Arc<Made>>>);

impl Pipelines {
    /// The pipelines of a plan, by entry point. Those that are missing are made, on as many threads as there are processors.
    pub(super) fn of(context: &Context, plan: &Plan) -> Result<HashMap<&'static str, Arc<Made>>> {
        let mut wanted: Vec<(&'static KernelInfo, Vec<&'static Variant>)> = Vec::new();
        for dispatch in plan.programs.iter().flat_map(|p| &p.dispatches) {
            let variant = context.variant(dispatch);
            match wanted.iter_mut().find(|(kernel, _)| kernel.name == dispatch.kernel.name) {
                Some((_, variants)) if variants.contains(&variant) => {}
                Some((_, variants)) => variants.push(variant),
                None => wanted.push((dispatch.kernel, vec![variant])),
            }
        }
        let Pipelines(known) = context.pipelines();
        let mut made = HashMap::new();
        let mut missing = Vec::new();
        for (kernel, mut variants) in wanted {
            let text = kernel.wgsl(&plan.formulas);
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            variants.retain(|variant| match known.get(&(text.clone(), variant.entry)) {
                Some(pipeline) => {
                    made.insert(variant.entry, Arc::clone(pipeline));
                    false
                }
                None => true,
            });
            if !variants.is_empty() {
                missing.push(Job { kernel, text, variants });
            }
        }
        let results: Vec<_> = missing.par_iter().map(|job| make(context, job)).collect();
        for (job, pipelines) in missing.iter().zip(results) {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            for (variant, pipeline) in job.variants.iter().zip(pipelines?) {
                let pipeline = Arc::new(pipeline);
                known.insert((job.text.clone(), variant.entry), Arc::clone(&pipeline));
                made.insert(variant.entry, pipeline);
            }
        }
        Ok(made)
    }
}

/// The entry points of one text that are to be made.
struct Job {
    kernel: &'static KernelInfo,
    text: String,
    variants: Vec<&'static Variant>,
}

/// The text is parsed once for all its entry points. (Error scopes are a thread's own: they are pushed and popped here.)
fn make(context: &Context, Job { kernel, text, variants }: &Job) -> Result<Vec<Made>> {
    let entries: Vec<&str> = variants.iter().map(|variant| variant.entry).collect();
    let facts = reflect(text, &entries).map_err(|e| Error::Device(format!("{}: {e}", kernel.name)))?;
    let device = context.device();
    let invalid = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = device
        .create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(kernel.name), source: wgpu::ShaderSource::Wgsl(text.into()) });
    let pipeline = |entry: &str| {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
            cache: None,
        })
    };
    let pipelines: Vec<_> = entries.iter().map(|entry| pipeline(entry)).collect();
    if let Some(error) = pollster::block_on(invalid.pop()) {
        return Err(Error::Device(format!("{} refused the kernel {}: {error}", context.info().name, entries.join(", "))));
    }
    let made = pipelines.into_iter().zip(variants).zip(facts).map(|((pipeline, variant), (size, bindings))| {
        let layout = pipeline.get_bind_group_layout(0);
        Made { pipeline, layout, bindings, tile: variant.tile, size }
    });
    Ok(made.collect())
}

/// What a text says of an entry point: the size of a workgroup, and the bindings.
pub(super) type Facts = ([u32; 3], Vec<Binding>);

/// What a text says of each of its entry points that are asked for.
pub(super) fn reflect(text: &str, entries: &[&str]) -> std::result::Result<Vec<Facts>, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    // whether the device has what the text asks for, it says itself when it makes the pipeline
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(text))?;
    let facts = |entry: &&str| {
        let index = module.entry_points.iter().position(|e| e.name == *entry).ok_or(format!("no entry point `{entry}`"))?;
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
    };
    entries.iter().map(facts).collect()
}
