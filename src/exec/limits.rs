//! What a device can hold, and whether a plan fits: known, and refused with the numbers, before anything is made.

use crate::error::{Error, Result};
use crate::plan::{Buffer, Plan};

/// What a device can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a buffer that a dispatch binds.
    pub binding: u64,
    /// The most bytes that all buffers together may take, where somebody has said so. (No driver says how much memory is free.)
    pub memory: Option<u64>,
    /// How many workgroups keep it busy: some hundred on a GPU, one where a workgroup is a loop on a core of the processor.
    pub workgroups: usize,
    /// Whether the first layer is better off with its rows looked up in the data by its own products than gathered into a batch before.
    pub fused_gather: bool,
    /// When steps of training that are little work are done whole, many in one dispatch by a workgroup a member.
    pub whole_steps: WholeSteps,
    /// How many steps are to be done in all, as far as somebody has said so.
    pub expected: u64,
    /// The most steps that are handed over at once; a driver's watchdog sees them as one piece of work. Long steps are handed over in fewer at
    /// once in any case.
    pub submission: usize,
}

/// When steps of training that are little work are done whole, many in one dispatch by a workgroup a member, and not kernel by kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WholeSteps {
    /// Never: nothing is gained where no dispatch is launched, or where a workgroup is a loop on a core of the processor.
    Never,
    /// Where so many steps are expected that what they gain is more than it takes to compile them: from 30,000 on.
    IfMany,
    /// Always.
    Always,
}

#[cfg(feature = "gpu")]
impl WholeSteps {
    /// As an H100's driver compiles for 1.1 s what then spares 35 µs a step.
    const MANY: u64 = 30_000;
}

/// Most steps of one submission, unless told.
pub(super) const SUBMISSION: usize = 256;

impl Limits {
    /// The CPU path's: elements of a buffer are counted in 32 bits there, too.
    pub(super) const CPU: Limits = Limits {
        binding: 4 * u32::MAX as u64,
        memory: None,
        workgroups: 1,
        fused_gather: false,
        whole_steps: WholeSteps::Never,
        expected: 0,
        submission: SUBMISSION,
    };

    /// Whether steps that are little work are done whole.
    #[cfg(feature = "gpu")]
    pub(super) fn wants_whole_steps(&self) -> bool {
        match self.whole_steps {
            WholeSteps::Never => false,
            WholeSteps::IfMany => self.expected >= WholeSteps::MANY,
            WholeSteps::Always => true,
        }
    }

    /// An error when a plan does not fit, which takes `needed` bytes in all; the message has the numbers.
    pub(super) fn check(&self, plan: &Plan, needed: u64, name: &str) -> Result<()> {
        let most = self.binding;
        if let Some(buffer) = plan.buffers.iter().find(|buffer| bytes(buffer) > most) {
            return Err(Error::Device(format!(
                "the buffer `{}` needs {} bytes, but {name} binds at most {most} bytes at once: use a smaller batch (with more of them in [train] \
                 accumulate the gradient is the same), fewer members or narrower layers, or --device cpu",
                buffer.name,
                bytes(buffer)
            )));
        }
        match self.memory {
            Some(most) if needed > most => {
                Err(Error::Device(format!("{needed} bytes are needed on {name}, but it may use {most}: {}", largest(plan))))
            }
            _ => Ok(()),
        }
    }
}

/// The largest buffers of a plan with their bytes, and what to do about them.
pub(super) fn largest(plan: &Plan) -> String {
    let mut all: Vec<&Buffer> = plan.buffers.iter().collect();
    all.sort_by_key(|buffer| std::cmp::Reverse(bytes(buffer)));
    let named: Vec<_> = all.iter().take(3).map(|buffer| format!("`{}` {}", buffer.name, bytes(buffer))).collect();
    format!("the largest buffers are {}: use a smaller batch, fewer members or narrower layers, or --device cpu", named.join(", "))
}

fn bytes(buffer: &Buffer) -> u64 {
    4 * buffer.len as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Builder, Kind};

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers_before_anything_is_made() {
        let mut builder = Builder::new(1, 1);
        for (name, len) in [("small", 4), ("large", 1000), ("larger", 2000)] {
            builder.buffer(name, Kind::F32, len);
        }
        let plan = builder.finish().unwrap();
        let check = |binding, memory| Limits { binding, memory, ..Limits::CPU }.check(&plan, plan.memory(), "a GPU");
        check(8000, Some(plan.memory())).unwrap();
        let told = check(7999, None).unwrap_err().to_string();
        assert!(told.contains("`larger` needs 8000 bytes, but a GPU binds at most 7999 bytes"), "{told}");
        let told = check(8000, Some(plan.memory() - 1)).unwrap_err().to_string();
        let numbers = format!("{} bytes are needed on a GPU, but it may use {}", plan.memory(), plan.memory() - 1);
        assert!(told.contains(&numbers) && told.contains("`larger` 8000, `large` 4000"), "{told}");
    }
}
