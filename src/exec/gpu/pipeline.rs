//! From a kernel's WGSL to a pipeline: what the text says of workgroups and bindings is read from it, never written again.

use super::Context;
use super::choose::choose;
use crate::error::{Error, Result};
use crate::formula::Formulas;
use crate::kernel::{KernelInfo, Variant};
use crate::plan::Dispatch;
use std::collections::HashMap;
use wgpu::naga;

/// A pipeline and what its WGSL says.
pub(super) struct Made {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// The bindings of the uniform and the storage buffers that it uses.
    pub(super) bindings: Vec<u32>,
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

/// The pipelines made so far, one a kernel and variant.
#[derive(Default)]
pub(super) struct Pipelines(HashMap<&'static str, Made>);

impl Pipelines {
    /// The pipeline of a dispatch.
    pub(super) fn get(&mut self, context: &Context, dispatch: &Dispatch, formulas: &Formulas) -> Result<&Made> {
        let kernel = dispatch.kernel;
        let variant = dispatch.variant.unwrap_or_else(|| choose(kernel, &dispatch.words, context.into()));
        if !self.0.contains_key(variant.entry) {
            self.0.insert(variant.entry, make(context, kernel, variant, formulas)?);
        }
        Ok(&self.0[variant.entry])
    }
}

fn make(context: &Context, kernel: &KernelInfo, variant: &Variant, formulas: &Formulas) -> Result<Made> {
    let text = kernel.wgsl_of(std::slice::from_ref(variant), formulas);
    let (size, bindings) = reflect(&text, variant.entry).map_err(|e| Error::Device(format!("{}: {e}", kernel.name)))?;
    let device = context.device();
    let invalid = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let module = device
        .create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(kernel.name), source: wgpu::ShaderSource::Wgsl(text.into()) });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(variant.entry),
        layout: None,
        module: &module,
        entry_point: Some(variant.entry),
        compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
        cache: None,
    });
    if let Some(error) = pollster::block_on(invalid.pop()) {
        return Err(Error::Device(format!("{} refused the kernel {}: {error}", context.info().name, variant.entry)));
    }
    let layout = pipeline.get_bind_group_layout(0);
    Ok(Made { pipeline, layout, bindings, tile: variant.tile, size })
}

/// The workgroup size and the bindings of an entry point.
pub(super) fn reflect(text: &str, entry: &str) -> std::result::Result<([u32; 3], Vec<u32>), String> {
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
            bindings.push(binding.binding);
        }
    }
    bindings.sort_unstable();
    Ok((module.entry_points[index].workgroup_size, bindings))
}
