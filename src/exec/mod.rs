//! Who does it: the executors, and the choice among them.

use crate::error::Result;
use crate::plan::{Buf, Plan, ProgramId};

pub mod cpu;
mod device;
#[cfg(feature = "gpu")]
pub mod gpu;
mod limits;
mod record;

pub use device::{Device, DeviceInfo, DeviceType, OpenDevice};
pub use limits::{Limits, WholeSteps};
pub use record::{DeviceTime, HostTime, Record, Recorded, Timed, Work};
use std::ops::Range;

/// The entry point of a shader that does steps whole.
pub(crate) const WHOLE_STEPS: &str = "whole_steps";

/// Runs a plan's programs over its buffers, which persist from run to run.
///
/// Everything is created when the executor is made; nothing is afterwards. Faults of the device show at the next `read`. What is written or run is
/// handed over, not waited for: a write waits only when the room on the host's side is full of what the device has not taken yet.
pub trait Executor {
    /// The plan it was made for.
    fn plan(&self) -> &Plan;

    /// Overwrites part of a buffer of words, from element `at` on.
    fn write_words(&mut self, buf: Buf, at: usize, words: &[u32]) -> Result<()>;

    /// Overwrites part of a buffer of numbers, from element `at` on.
    fn write(&mut self, buf: Buf, at: usize, values: &[f32]) -> Result<()>;

    /// Waits for all work and reads part of a buffer of words.
    fn read_words(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<u32>>;

    /// Waits for all work and reads part of a buffer of numbers.
    fn read(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f32>>;

    /// Waits for all work and reads part of a buffer of numbers in the executor's own precision.
    fn read_wide(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f64>> {
        Ok(self.read(buf, at, len)?.into_iter().map(f64::from).collect())
    }

    /// Copies `len` elements, from element `at` on, between two buffers of the same type, on the device.
    fn copy(&mut self, from: Buf, to: Buf, at: usize, len: usize) -> Result<()>;

    /// Runs a program once for each row of `table` (see [`crate::kernel::Step`]); at most [`Plan::step_capacity`] rows.
    fn run(&mut self, program: ProgramId, table: &[u32]) -> Result<()>;

    /// Before steps of a program are first done whole, in a shader composed of many kernels: does the first ones of `table` both so and kernel by kernel,
    /// from what the buffers hold now and hold again afterwards. Where the device refused that shader, or it comes to something else, the program is run
    /// kernel by kernel from then on, and this says why. `None` where all is well, or nothing is to be tried.
    fn try_whole(&mut self, _program: ProgramId, _table: &[u32]) -> Result<Option<String>> {
        Ok(None)
    }

    /// Runs a single dispatch of a program, for comparisons in lockstep and for finding where a value went wrong.
    fn run_one(&mut self, program: ProgramId, dispatch: usize, table: &[u32]) -> Result<()>;

    /// Runs a program as [`Executor::run`] does, and times each dispatch of the steps numbered `timed`, and the steps before and after them
    /// together: as far as there is room until [`Executor::times`] is called. The first call makes what the clock needs; later calls make
    /// nothing.
    ///
    /// [`crate::Error::Device`] where the device has no timestamps.
    fn run_timed(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()>;

    /// Waits for all work, and hands out what was timed since the last call, in the order in which it ran.
    fn times(&mut self) -> Result<Vec<DeviceTime>>;
}
