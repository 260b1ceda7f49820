//! Where the time goes: an executor around another one, which writes down what the host was busy with and has some of the steps timed.

use super::Executor;
use crate::error::Result;
use crate::kernel::Step;
use crate::plan::{Buf, Plan, ProgramId};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the host is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Compiling the model to a plan.
    Plan,
    /// Making buffers, pipelines and bindings.
    Pipelines,
    /// Writing to the device.
    Upload,
    /// Handing steps over to the device; on the CPU path, doing them.
    Run,
    /// Waiting for the device, and reading.
    Read,
    /// Asking for copies on the device.
    Copy,
}

impl Work {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Work::Plan => "plan",
            Work::Pipelines => "pipelines",
            Work::Upload => "upload",
            Work::Run => "run",
            Work::Read => "read",
            Work::Copy => "copy",
        }
    }
}

/// What the host did for a while.
#[derive(Debug, Clone, Copy)]
pub struct HostTime {
    /// What.
    pub work: Work,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What a dispatch took on the device, or some steps together that were not timed one by one.
#[derive(Debug, Clone, Copy)]
pub struct DeviceTime {
    /// The program.
    pub program: ProgramId,
    /// What of it.
    pub timed: Timed,
    /// When it began, on the host's clock.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What of a program a time is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// One dispatch.
    Dispatch {
        /// Its number in the program.
        number: usize,
        /// The entry point that was run: that of the variant that the device chose; on the CPU path, the kernel's name.
        entry: &'static str,
        /// Bit i says whether it writes its argument i.
        writes: u32,
    },
    /// So many steps, one after the other.
    Steps(usize),
}

/// Steps of a run that are timed at most, steps of a program, runs, and stretches of the host's time: so that a long training leaves a record
/// that can be looked at.
const STEPS_OF_A_RUN: usize = 16;
const STEPS_OF_A_PROGRAM: usize = 256;
const RUNS: usize = 5_000;
const HOST_TIMES: usize = 20_000;

/// What was written down. Clones are the same record.
#[derive(Debug, Clone)]
pub struct Record(Rc<RefCell<Log>>);

#[derive(Debug)]
struct Log {
    open: bool,
    host: Vec<HostTime>,
    device: Vec<DeviceTime>,
}

impl Record {
    /// An empty one.
    pub fn new() -> Self {
        Record(Rc::new(RefCell::new(Log { open: true, host: Vec::new(), device: Vec::new() })))
    }

    /// Writes down what the host did from `began` to `ended`.
    pub fn host(&self, work: Work, began: Instant, ended: Instant) {
        let mut log = self.0.borrow_mut();
        if log.open && log.host.len() < HOST_TIMES {
            log.host.push(HostTime { work, began, took: ended - began });
        }
    }

    /// Ends it, and hands out what was written down.
    pub fn close(&self) -> (Vec<HostTime>, Vec<DeviceTime>) {
        let mut log = self.0.borrow_mut();
        log.open = false;
        (std::mem::take(&mut log.host), std::mem::take(&mut log.device))
    }

    fn is_open(&self) -> bool {
        self.0.borrow().open
    }
}

impl Default for Record {
    fn default() -> Self {
        Record::new()
    }
}

/// An executor whose doings are written down, as long as the record is open.
///
/// A program's first step is not timed: software drivers compile a kernel when it first runs. After it, the first 16 steps of each run are, until
/// 256 of the program were; the others are timed together.
pub struct Recorded {
    inner: Box<dyn Executor>,
    record: Record,
    /// For each program, whether it ran before, and how many of its steps were timed.
    programs: Vec<(bool, usize)>,
    /// Runs that were timed, and whether there were some since the last reading.
    runs: usize,
    pending: bool,
}

impl Recorded {
    /// Writes down into `record` what `inner` does.
    pub fn new(inner: Box<dyn Executor>, record: Record) -> Self {
        let programs = vec![(false, 0); inner.plan().programs.len()];
        Recorded { inner, record, programs, runs: 0, pending: false }
    }

    fn noting<R>(&mut self, work: Work, act: impl FnOnce(&mut dyn Executor) -> R) -> R {
        let began = Instant::now();
        let done = act(&mut *self.inner);
        self.record.host(work, began, Instant::now());
        done
    }

    /// Reads, and takes in the times of the steps so far: the device has been waited for anyway.
    fn reading<R>(&mut self, act: impl FnOnce(&mut dyn Executor) -> Result<R>) -> Result<R> {
        let read = self.noting(Work::Read, act)?;
        if std::mem::take(&mut self.pending) {
            let times = self.inner.times()?;
            self.record.0.borrow_mut().device.extend(times);
        }
        Ok(read)
    }

    /// Which steps of the next run of a program are timed.
    fn timed(&mut self, program: ProgramId, rows: usize) -> Range<usize> {
        let (ran, timed) = &mut self.programs[program.0];
        let start = usize::from(!std::mem::replace(ran, true));
        let end = rows.min(start + STEPS_OF_A_RUN.min(STEPS_OF_A_PROGRAM - *timed)).max(start);
        *timed += end - start;
        start..end
    }
}

impl Executor for Recorded {
    fn plan(&self) -> &Plan {
        self.inner.plan()
    }

    fn write_words(&mut self, buf: Buf, at: usize, words: &[u32]) -> Result<()> {
        self.noting(Work::Upload, |inner| inner.write_words(buf, at, words))
    }

    fn write(&mut self, buf: Buf, at: usize, values: &[f32]) -> Result<()> {
        self.noting(Work::Upload, |inner| inner.write(buf, at, values))
    }

    fn read_words(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<u32>> {
        self.reading(|inner| inner.read_words(buf, at, len))
    }

    fn read(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f32>> {
        self.reading(|inner| inner.read(buf, at, len))
    }

    fn read_wide(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f64>> {
        self.reading(|inner| inner.read_wide(buf, at, len))
    }

    fn copy(&mut self, from: Buf, to: Buf, at: usize, len: usize) -> Result<()> {
        self.noting(Work::Copy, |inner| inner.copy(from, to, at, len))
    }

    fn run(&mut self, program: ProgramId, table: &[u32]) -> Result<()> {
        if !self.record.is_open() || self.runs == RUNS {
            return self.inner.run(program, table);
        }
        let timed = self.timed(program, Step::rows_in(table, self.inner.plan().members));
        self.runs += 1;
        self.pending = true;
        self.noting(Work::Run, |inner| inner.run_timed(program, table, timed))
    }

    fn try_whole(&mut self, program: ProgramId, table: &[u32]) -> Result<Option<String>> {
        self.inner.try_whole(program, table)
    }

    fn run_one(&mut self, program: ProgramId, dispatch: usize, table: &[u32]) -> Result<()> {
        self.inner.run_one(program, dispatch, table)
    }

    fn run_timed(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()> {
        self.inner.run_timed(program, table, timed)
    }

    fn times(&mut self) -> Result<Vec<DeviceTime>> {
        self.inner.times()
    }
}
