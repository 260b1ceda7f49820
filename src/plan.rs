//! What to do: named buffers and ordered lists of dispatches. Plain data, checked before it runs, run by any executor.

use crate::error::{Error, Result};
use crate::formula::{Formulas, PointLoss, Pointwise};
use crate::kernel::{Kernel, KernelInfo, Step, Variant};
use std::sync::Arc;

/// The longest any invocation may loop. Some software drivers silently leave all loops after about 65,536 iterations.
pub const MAX_LOOPS: u64 = 50_000;
/// Storage buffers of a dispatch, the table of steps included: WebGPU's default limit.
pub const MAX_STORAGE: usize = 8;
/// Tensors of an arena start at multiples of so many elements (256 bytes).
pub const TENSOR_ALIGN: usize = 64;
/// The longest table of steps, in bytes: how many steps are uploaded at a time follows from it.
const STEP_TABLE_BYTES: usize = 1 << 20;

/// Rows are stored at multiples of four elements, so that every load can be of four.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(4)
}

/// What the elements of a buffer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers (`f32` on a device; `f64` in the executor that is the truth).
    F32,
    /// Words: indices, counters, packed bytes.
    U32,
}

/// A buffer of the plan, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buf(pub(crate) usize);

impl Buf {
    /// Its number in the plan.
    pub fn number(self) -> usize {
        self.0
    }
}

/// A buffer: a name, a type, a length in elements of four bytes.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// What it is called in messages.
    pub name: String,
    /// What its elements are.
    pub kind: Kind,
    /// How many elements it has.
    pub len: usize,
    /// Whether it is filled again and again while the device works: executors keep room on the host's side for two fillings of it.
    pub streamed: bool,
    /// The words that it starts with, and zeros behind them.
    pub start: Vec<u32>,
}

/// One kernel, once, on given buffers.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: &'static KernelInfo,
    /// Its uniform.
    pub words: Vec<u32>,
    /// Its buffers, in the order of the WGSL bindings from 2 on.
    pub args: Vec<Buf>,
    /// What it is for: "layer 0" in messages.
    pub label: String,
    /// The variant to use; `None` for the executor's own choice.
    pub variant: Option<&'static Variant>,
}

/// Dispatches in order: one step of training, of evaluation, of prediction.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name.
    pub name: &'static str,
    /// What is done, in order.
    pub dispatches: Vec<Dispatch>,
}

impl Program {
    /// What the program is called that trains.
    pub const TRAIN: &'static str = "train";

    /// Floating-point operations of one step.
    pub fn flops(&self) -> u64 {
        self.dispatches.iter().map(|d| (d.kernel.flops)(&d.words)).sum()
    }
}

/// Which of a plan's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramId(pub(crate) usize);

/// What a tensor is for: whether it is learned, how it starts, whether it decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The weight of a layer.
    Weight,
    /// The vectors of an embedding; the first, which stands for what is not known, starts at 0.
    Vectors,
    /// A bias; starts at 0.
    Bias,
    /// γ of a normalisation; starts at 1.
    Scale,
    /// β of a normalisation; starts at 0.
    Shift,
    /// The running mean of a batch normalisation: not learned, starts at 0.
    RunningMean,
    /// The running variance of a batch normalisation: not learned, starts at 1.
    RunningVariance,
    /// How many batches the running statistics have seen: not learned, starts at 0, a whole number without a dimension.
    BatchCount,
}

impl Role {
    /// Whether back-propagation gives it a gradient.
    pub fn is_learned(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVariance | Role::BatchCount)
    }
}

/// A tensor inside the arenas of parameters, gradients and optimizer states: the same place in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The key under which it is exported, as `nn.Sequential` counts: `0.weight`.
    pub name: String,
    /// The shape: `[out, in]` for a weight, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// Where it starts, in elements.
    pub offset: usize,
    /// What it is for.
    pub role: Role,
}

impl Tensor {
    /// Elements that belong to the model.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The width of a row, and the distance from one row to the next.
    pub fn row(&self) -> (usize, usize) {
        match self.shape[..] {
            [_, width] => (width, padded(width)),
            _ => (self.len(), self.len()),
        }
    }

    /// Elements in the arena, padding of rows included.
    pub fn stored(&self) -> usize {
        let (width, stride) = self.row();
        self.len().checked_div(width).unwrap_or(0) * stride
    }

    /// The tensor's numbers out of one member's part of an arena.
    pub fn unpack<T: Copy>(&self, arena: &[T]) -> Vec<T> {
        let (width, stride) = self.row();
        arena[self.offset..][..self.stored()].chunks(stride).flat_map(|row| &row[..width]).copied().collect()
    }

    /// Puts the tensor's numbers into one member's part of an arena.
    pub fn pack<T: Copy>(&self, values: &[T], arena: &mut [T]) {
        let (width, stride) = self.row();
        for (to, from) in arena[self.offset..][..self.stored()].chunks_mut(stride).zip(values.chunks(width)) {
            to[..width].copy_from_slice(from);
        }
    }
}

/// What to do: buffers and programs over them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Models side by side.
    pub members: usize,
    /// All buffers. Number 0 is the table of steps.
    pub buffers: Vec<Buffer>,
    /// All programs.
    pub programs: Vec<Program>,
    /// How many steps the table holds.
    pub step_capacity: usize,
    /// The formulas that its kernels are filled with.
    pub formulas: Formulas,
}

impl Plan {
    /// The table of steps.
    pub const STEPS: Buf = Buf(0);

    /// The buffer of a number.
    pub(crate) fn buf(number: usize) -> Buf {
        Buf(number)
    }

    /// A buffer's name, type and length.
    pub fn buffer(&self, buf: Buf) -> &Buffer {
        &self.buffers[buf.0]
    }

    /// A program.
    pub fn program(&self, id: ProgramId) -> &Program {
        &self.programs[id.0]
    }

    /// Exactly how many bytes of device memory the plan's buffers take. (An executor needs some of its own beside them: `OpenDevice::memory` says
    /// both.)
    pub fn memory(&self) -> u64 {
        self.buffers.iter().map(|b| b.len as u64 * 4).sum()
    }

    /// Floating-point operations of one step of a program.
    pub fn flops(&self, id: ProgramId) -> u64 {
        self.program(id).flops()
    }
}

/// Makes a plan, buffer by buffer and dispatch by dispatch.
#[derive(Debug)]
pub struct Builder {
    plan: Plan,
}

impl Builder {
    /// A plan for so many models side by side whose programs run at most `steps` steps in a row.
    pub fn new(members: usize, steps: usize) -> Self {
        let row = Step::words(members);
        let step_capacity = steps.clamp(1, (STEP_TABLE_BYTES / 4 / row).max(1));
        let mut builder =
            Builder { plan: Plan { members, buffers: Vec::new(), programs: Vec::new(), step_capacity, formulas: Formulas::none() } };
        builder.buffer("steps", Kind::U32, Step::header(members) + row * step_capacity);
        builder
    }

    /// Adds a buffer of `len` elements. It starts as zeros.
    pub fn buffer(&mut self, name: impl Into<String>, kind: Kind, len: usize) -> Buf {
        self.plan.buffers.push(Buffer { name: name.into(), kind, len: len.max(4).next_multiple_of(4), streamed: false, start: Vec::new() });
        Buf(self.plan.buffers.len() - 1)
    }

    /// Adds a buffer like another one.
    pub fn copy_of(&mut self, buf: Buf, name: impl Into<String>) -> Buf {
        let &Buffer { kind, len, .. } = self.plan.buffer(buf);
        self.buffer(name, kind, len)
    }

    /// Adds a buffer of these words, which executors fill when they make it.
    pub fn constant(&mut self, name: impl Into<String>, words: Vec<u32>) -> Buf {
        let buf = self.buffer(name, Kind::U32, words.len());
        self.plan.buffers[buf.0].start = words;
        buf
    }

    /// Adds a buffer that is filled again and again while the device works.
    pub fn streamed(&mut self, name: impl Into<String>, kind: Kind, len: usize) -> Buf {
        let buf = self.buffer(name, kind, len);
        self.plan.buffers[buf.0].streamed = true;
        buf
    }

    /// The number by which kernels call an activation; 0 for none.
    pub fn activation(&mut self, formula: Option<&Arc<dyn Pointwise>>) -> u32 {
        let Some(formula) = formula else { return 0 };
        let known = &mut self.plan.formulas.activations;
        let same = |other: &Arc<dyn Pointwise>| (other.wgsl(), other.wgsl_slope()) == (formula.wgsl(), formula.wgsl_slope());
        let at = known.iter().position(same).unwrap_or_else(|| {
            known.push(Arc::clone(formula));
            known.len() - 1
        });
        at as u32 + 1
    }

    /// The number by which kernels call a loss.
    pub fn loss(&mut self, formula: &Arc<dyn PointLoss>) -> u32 {
        self.plan.formulas.losses.push(Arc::clone(formula));
        self.plan.formulas.losses.len() as u32 - 1
    }

    /// Fills the kernels with these formulas, by their place in the list.
    pub fn formulas(&mut self, formulas: &Formulas) {
        self.plan.formulas = formulas.clone();
    }

    /// Starts a program: dispatches added from now on belong to it.
    pub fn program(&mut self, name: &'static str) -> ProgramId {
        self.plan.programs.push(Program { name, dispatches: Vec::new() });
        ProgramId(self.plan.programs.len() - 1)
    }

    /// Adds the program that does the same over buffer `to` in the place of buffer `from`.
    pub fn program_over(&mut self, id: ProgramId, from: Buf, to: Buf) -> ProgramId {
        let mut program = self.plan.program(id).clone();
        program.dispatches.iter_mut().flat_map(|d| &mut d.args).filter(|buf| **buf == from).for_each(|buf| *buf = to);
        self.plan.programs.push(program);
        ProgramId(self.plan.programs.len() - 1)
    }

    /// Adds a dispatch to the program started last.
    pub fn dispatch<K: Kernel>(&mut self, params: &K, args: &[Buf], label: impl Into<String>) {
        self.dispatch_words(row_of::<K>(), params.words(), args, label);
    }

    /// Adds a dispatch of a kernel that is known only by its row in the table.
    pub fn dispatch_words(&mut self, kernel: &'static KernelInfo, words: Vec<u32>, args: &[Buf], label: impl Into<String>) {
        let program = self.plan.programs.last_mut().expect("a program was started");
        program.dispatches.push(Dispatch { kernel, words, args: args.to_vec(), label: label.into(), variant: None });
    }

    /// Checks the plan and hands it out.
    ///
    /// Errors when a dispatch would loop too long for some driver, or needs too large a grid; the message names the kernel, the
    /// layer and the number. A dispatch that binds a buffer twice or binds too many is a fault of this crate: a panic.
    pub fn finish(self) -> Result<Plan> {
        for dispatch in self.plan.programs.iter().flat_map(|p| &p.dispatches) {
            let (kernel, label) = (dispatch.kernel.name, &dispatch.label);
            for (i, buf) in dispatch.args.iter().enumerate() {
                assert!(!dispatch.args[..i].contains(buf), "{kernel} ({label}) binds `{}` twice", self.plan.buffer(*buf).name);
            }
            assert!(dispatch.args.len() < MAX_STORAGE, "{kernel} ({label}) binds {} buffers", dispatch.args.len());
            let loops = (dispatch.kernel.loops)(&dispatch.words);
            if loops > MAX_LOOPS {
                return Err(Error::input(format!(
                    "{kernel} ({label}) would loop {loops} times in one invocation, the limit is {MAX_LOOPS}: use a smaller batch (and [train] \
                     accumulate) or narrower layers"
                )));
            }
            let grid = (dispatch.kernel.grid)(&dispatch.words);
            if grid[2] > 65_535 {
                return Err(Error::input(format!("{} models side by side are too many: the limit is 65535", grid[2])));
            }
        }
        Ok(self.plan)
    }
}

/// The row of a kernel outside the table: what a builder method puts into a dispatch.
pub(crate) const fn row_of<K: Kernel>() -> &'static KernelInfo {
    const { &KernelInfo::of::<K>() }
}
