//! Whole steps of training in one dispatch, many of them: a workgroup a member, where a net is so small that to launch its kernels takes longer than to run
//! them.

use super::compose::{Composed, Phase, compose};
use super::pipeline::{Made, Pipelines, reflect, workgroup_bytes, workgroups};
use super::{BoundDispatch, Context, Gpu, UNIFORM_ALIGN};
use crate::error::Result;
use crate::exec::Executor as _;
use crate::kernel::Step;
use crate::plan::{Buf, Dispatch, Kind, MAX_LOOPS, Plan, Program, ProgramId};
use std::collections::BTreeSet;
use std::mem::take;
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

/// What is still to be found out of a program's shader, or to be told.
#[derive(Debug)]
pub(super) enum Doubt {
    /// It did so many steps as the kernels do them, of [`TRIAL_STEPS`].
    Tried(usize),
    /// The device refused it.
    Refused(String),
}

impl Doubt {
    /// Of a program that is not done whole.
    pub(super) const NONE: Doubt = Doubt::Tried(TRIAL_STEPS);
}

/// Steps that a trial takes: in the second one, what the first one left behind is met again.
const TRIAL_STEPS: usize = 2;
/// How far a number may be from what the kernels made of it, relative to the largest one of its buffer. A compiler that makes a multiply-add here and not there
/// is off by a rounding of a sum's terms, and what an optimizer divides by a small number by more; a barrier that is none leaves something else altogether.
const CLOSE: f32 = 1e-3;

impl Gpu {
    /// See [`crate::exec::Executor::try_whole`].
    pub(super) fn try_whole_steps(&mut self, program: ProgramId, table: &[u32]) -> Result<Option<String>> {
        let members = self.plan.members;
        let steps = Step::rows_in(table, members).min(TRIAL_STEPS);
        match &mut self.programs[program.0].doubt {
            Doubt::Tried(tried) if steps <= *tried => return Ok(None),
            Doubt::Tried(tried) => *tried = steps,
            Doubt::Refused(why) => {
                let why = take(why);
                self.programs[program.0].doubt = Doubt::NONE;
                return Ok(Some(why));
            }
        }
        let written = self.written(program);
        let table = &table[..Step::header(members) + steps * Step::words(members)];

        let start = self.read_all(&written)?;
        let whole = self.programs[program.0].whole.take();
        self.run(program, table)?;
        let wanted = self.read_all(&written)?;
        self.write_all(&written, &start)?;
        self.programs[program.0].whole = whole;
        self.run(program, table)?;
        let got = self.read_all(&written)?;
        self.write_all(&written, &start)?;

        let what = written.iter().zip(wanted.iter().zip(&got)).find_map(|(&buf, (wanted, got))| self.apart(buf, wanted, got));
        if what.is_some() {
            (self.programs[program.0].whole, self.programs[program.0].doubt) = (None, Doubt::NONE);
        }
        Ok(what)
    }

    /// The buffers that a program writes, without the table of steps.
    fn written(&self, program: ProgramId) -> Vec<Buf> {
        let dispatches = self.plan.program(program).dispatches.iter().zip(&self.programs[program.0].dispatches);
        let of = |(dispatch, &BoundDispatch { writes, .. }): (&Dispatch, &BoundDispatch)| {
            dispatch.args.iter().enumerate().filter(move |(i, _)| writes >> i & 1 != 0).map(|(_, buf)| buf.0).collect::<Vec<_>>()
        };
        let all: BTreeSet<usize> = dispatches.flat_map(of).filter(|&buf| buf != Plan::STEPS.0).collect();
        all.into_iter().map(Buf).collect()
    }

    fn read_all(&mut self, bufs: &[Buf]) -> Result<Vec<Vec<u32>>> {
        bufs.iter().map(|&buf| self.read_words(buf, 0, self.plan.buffer(buf).len)).collect()
    }

    fn write_all(&mut self, bufs: &[Buf], words: &[Vec<u32>]) -> Result<()> {
        bufs.iter().zip(words).try_for_each(|(&buf, words)| self.write_words(buf, 0, words))
    }

    /// The first element of a buffer that is not what it should be.
    fn apart(&self, buf: Buf, wanted: &[u32], got: &[u32]) -> Option<String> {
        let buffer = self.plan.buffer(buf);
        let told = |i: usize, got: &dyn std::fmt::Display, wanted: &dyn std::fmt::Display| {
            format!("{}[{i}] is {got}, should be {wanted}", buffer.name)
        };
        let mut pairs = wanted.iter().zip(got).enumerate();
        if buffer.kind == Kind::U32 {
            return pairs.find(|(_, (wanted, got))| wanted != got).map(|(i, (wanted, got))| told(i, got, wanted));
        }
        let size = wanted.iter().map(|&bits| f32::from_bits(bits).abs()).filter(|x| x.is_finite()).fold(f32::MIN_POSITIVE, f32::max);
        pairs.map(|(i, (&wanted, &got))| (i, f32::from_bits(wanted), f32::from_bits(got))).find_map(|(i, wanted, got)| {
            let close = if wanted.is_finite() { (got - wanted).abs() <= CLOSE * size } else { !got.is_finite() };
            (!close).then(|| told(i, &format!("{got:e}"), &format!("{wanted:e}")))
        })
    }
}
