//! Whole steps of training in one dispatch, many of them: a workgroup a member, where a net is so small that to launch its kernels takes longer than to run
//! them.

use super::compose::{Composed, Phase, compose};
use super::pipeline::{Made, Pipelines, reflect, workgroup_bytes, workgroups};
use super::{Context, UNIFORM_ALIGN};
use crate::error::Result;
use crate::plan::{Dispatch, MAX_LOOPS, Plan, Program};
use std::sync::Arc;

/// Steps of one dispatch at most: a power of two.
const MOST_STEPS: u32 = 64;
/// How many powers of two there are up to it.
const POWERS: u32 = MOST_STEPS.ilog2() + 1;

/// How many steps a dispatch takes, as a uniform for each power of two.
pub(super) fn counts() -> Vec<u8> {
    let mut bytes = Vec::new();
    for power in 0..POWERS {
        bytes.extend_from_slice(&(1u32 << power).to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(UNIFORM_ALIGN as usize), 0);
    }
    bytes
}

/// How many bytes they are.
pub(super) const COUNTS_BYTES: u64 = POWERS as u64 * UNIFORM_ALIGN;

/// The shader that a program is, where it can be one, and how many steps it may do in one dispatch.
pub(super) struct Text {
    composed: Composed,
    powers: u32,
}

impl Text {
    /// `None` where it can't be one: its kernels' grids are not a member each, one of them can't be a part, or the device has not the bindings or the
    /// workgroup memory for all together.
    pub(super) fn of(context: &Context, plan: &Plan, program: &Program) -> Option<Self> {
        let (mut phases, mut loops) = (Vec::new(), 0);
        for dispatch in &program.dispatches {
            let Dispatch { kernel, words, args, .. } = dispatch;
            let variant = context.variant(dispatch);
            let text = kernel.wgsl_of(std::slice::from_ref(variant), &plan.formulas);
            let (size, _) = reflect(&text, variant.entry).ok()?;
            let [across, down, members] = workgroups(variant.covers(size), (kernel.grid)(words))?;
            if members as usize != plan.members {
                return None;
            }
            loops += u64::from(across * down) * ((kernel.loops)(words) + 1);
            let buffers = std::iter::once(&Plan::STEPS).chain(args).map(|buf| buf.0).collect();
            phases.push(Phase { text, entry: variant.entry, size, groups: [across, down], fields: kernel.fields, words, buffers });
        }
        let composed = compose(&phases, plan.members)?;
        let limits = context.device().limits();
        // one is the uniform's
        let all = limits.max_bindings_per_bind_group.min(limits.max_buffers_and_acceleration_structures_per_shader_stage).saturating_sub(1);
        let bindings = limits.max_storage_buffers_per_shader_stage.min(all);
        let memory = workgroup_bytes(&composed.text)?;
        let fits = composed.buffers.len() as u64 <= u64::from(bindings) && memory <= limits.max_compute_workgroup_storage_size;
        // software drivers leave loops that are too long
        let powers = (MAX_LOOPS / loops.max(1)).min(u64::from(MOST_STEPS)).checked_ilog2()?;
        fits.then_some(Text { composed, powers: powers + 1 })
    }

    /// The WGSL.
    pub(super) fn into_wgsl(self) -> String {
        self.composed.text
    }
}

/// A program as one shader.
pub(super) struct Whole {
    made: Arc<Made>,
    /// Bound for each power of two steps, up to as many as a dispatch may do.
    groups: Vec<wgpu::BindGroup>,
    members: u32,
}

impl Whole {
    /// Makes the pipeline and binds the plan's buffers. The counts of steps are at the beginning of `uniforms`.
    pub(super) fn new(context: &Context, plan: &Plan, text: &Text, buffers: &[wgpu::Buffer], uniforms: &wgpu::Buffer) -> Result<Self> {
        let Text { composed: Composed { text, buffers: bound }, powers } = text;
        let made = Pipelines::composed(context, text, Composed::ENTRY, &plan.formulas)?;
        let group = |power: u32| {
            let resource = |binding: u32| match binding {
                0 => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: uniforms,
                    offset: u64::from(power) * UNIFORM_ALIGN,
                    size: wgpu::BufferSize::new(16),
                }),
                n => buffers[bound[n as usize - 1]].as_entire_binding(),
            };
            let entry = |&(binding, _): &(u32, bool)| wgpu::BindGroupEntry { binding, resource: resource(binding) };
            let entries: Vec<_> = made.bindings.iter().map(entry).collect();
            let descriptor = wgpu::BindGroupDescriptor { label: Some("whole steps"), layout: &made.layout, entries: &entries };
            context.device().create_bind_group(&descriptor)
        };
        Ok(Whole { groups: (0..*powers).map(group).collect(), members: plan.members as u32, made })
    }

    /// Encodes so many steps.
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, steps: usize) {
        pass.set_pipeline(&self.made.pipeline);
        let mut left = steps;
        for (power, group) in self.groups.iter().enumerate().rev() {
            if left >> power > 0 {
                pass.set_bind_group(0, group, &[]);
            }
            for _ in 0..left >> power {
                pass.dispatch_workgroups(1, 1, self.members);
            }
            left %= 1 << power;
        }
    }
}
