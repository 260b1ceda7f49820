//! The reference interpreter: runs every dispatch's Rust twin, in `f32` to train, in `f64` to judge.

use super::{DeviceTime, Executor, Timed};
use crate::error::Result;
use crate::kernel::{Args, Cells, KernelInfo, Real, Step};
use crate::parallel::{Threads, WORTH};
use crate::plan::{Buf, Dispatch, Kind, Plan, ProgramId};
use std::cell::{RefCell, RefMut};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Which of a kernel's compiled twins a float type uses.
pub trait Twin: Real {
    /// Runs the kernel's twin in this type.
    fn call(kernel: &KernelInfo, words: &[u32], step: &Step<'_>, args: &Args<'_, Self>);
}

impl Twin for f32 {
    fn call(kernel: &KernelInfo, words: &[u32], step: &Step<'_>, args: &Args<'_, f32>) {
        (kernel.cpu32)(words, step, args);
    }
}

impl Twin for f64 {
    fn call(kernel: &KernelInfo, words: &[u32], step: &Step<'_>, args: &Args<'_, f64>) {
        (kernel.cpu64)(words, step, args);
    }
}

/// The CPU executor.
pub struct Cpu<T> {
    plan: Plan,
    cells: Vec<RefCell<Cells<T>>>,
    bound: Vec<Vec<Vec<usize>>>,
    row: Vec<u32>,
    threads: Option<Arc<Threads>>,
    /// For each program, whether some of its dispatches are large enough for more than one thread.
    shares: Vec<bool>,
    times: Vec<DeviceTime>,
}

impl<T: Twin> Cpu<T> {
    /// Allocates the plan's buffers, all zeros. It computes on the thread that calls it.
    pub fn new(plan: Plan) -> Self {
        let cells = plan.buffers.iter().map(|b| match b.kind {
            Kind::F32 => Cells::Real(vec![T::zero(); b.len]),
            Kind::U32 => Cells::Word(b.start.iter().copied().chain(std::iter::repeat(0)).take(b.len).collect()),
        });
        let cells = cells.map(RefCell::new).collect();
        let bound = |d: &Dispatch| d.args.iter().map(|b| b.0).collect();
        let bound = plan.programs.iter().map(|p| p.dispatches.iter().map(bound).collect()).collect();
        let large = |d: &Dispatch| (d.kernel.flops)(&d.words) >= 2 * WORTH as u64;
        let shares = plan.programs.iter().map(|program| program.dispatches.iter().any(large)).collect();
        Cpu { plan, cells, bound, row: Vec::new(), threads: None, shares, times: Vec::new() }
    }

    /// Computes on these threads. The results are the same, to the bit.
    pub(crate) fn on(self, threads: Option<Arc<Threads>>) -> Self {
        Cpu { threads, ..self }
    }

    /// The numbers of a buffer in the executor's own type.
    pub fn values(&self, buf: Buf) -> Vec<T> {
        self.numbers_of(buf).to_vec()
    }

    fn numbers_of(&self, buf: Buf) -> RefMut<'_, Vec<T>> {
        RefMut::map(self.cells[buf.0].borrow_mut(), |cells| match cells {
            Cells::Real(v) => v,
            Cells::Word(_) => panic!("`{}` holds words", self.plan.buffer(buf).name),
        })
    }

    /// Overwrites one number of a buffer in the executor's own type: what finite differences need.
    pub fn set(&mut self, buf: Buf, at: usize, value: T) {
        self.numbers_of(buf)[at] = value;
    }

    fn words_of(&self, buf: Buf) -> RefMut<'_, Vec<u32>> {
        RefMut::map(self.cells[buf.0].borrow_mut(), |cells| match cells {
            Cells::Word(v) => v,
            Cells::Real(_) => panic!("`{}` holds numbers", self.plan.buffer(buf).name),
        })
    }

    /// Copies out the row that the cursor stands at: a kernel may write the table, and what comes after `finish` reads no step.
    fn take_row(&mut self) {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        {
            let table = self.words_of(Plan::STEPS);
            let at = (table[1] + table[2] * table[0]) as usize;
            row.extend_from_slice(&table[at..at + table[0] as usize]);
        }
        self.row = row;
    }

    /// Runs a dispatch; hands out what it was given, which knows what of it was written.
    fn call(&self, program: ProgramId, dispatch: usize) -> Args<'_, T> {
        let d = &self.plan.program(program).dispatches[dispatch];
        let args = Args::new(&self.cells, &self.bound[program.0][dispatch], &self.plan.formulas);
        T::call(d.kernel, &d.words, &Step::of_row(&self.row), &args);
        args
    }

    /// Does something of a program, on the threads where it has enough to share out.
    fn shared(&mut self, program: ProgramId, work: impl FnOnce(&mut Self) + Send) {
        match self.threads.clone().filter(|_| self.shares[program.0]) {
            Some(threads) => threads.run(|| work(self)),
            None => work(self),
        }
    }

    /// The next steps of a table that was written, one after the other.
    fn steps(&mut self, program: ProgramId, steps: usize) {
        for _ in 0..steps {
            self.take_row();
            for dispatch in 0..self.plan.program(program).dispatches.len() {
                self.call(program, dispatch);
            }
        }
    }

    /// The same, and each dispatch of the steps numbered `timed` is timed.
    fn steps_timed(&mut self, program: ProgramId, steps: usize, timed: &Range<usize>) {
        let start = timed.start.min(steps);
        let end = timed.end.clamp(start, steps);
        self.steps_together(program, start);
        for _ in start..end {
            self.take_row();
            for number in 0..self.plan.program(program).dispatches.len() {
                let began = Instant::now();
                let args = self.call(program, number);
                let took = began.elapsed();
                let writes = (0..self.bound[program.0][number].len()).fold(0, |bits, i| bits | u32::from(args.is_written(i)) << i);
                let entry = self.plan.program(program).dispatches[number].kernel.name;
                self.times.push(DeviceTime { program, timed: Timed::Dispatch { number, entry, writes }, began, took });
            }
        }
        self.steps_together(program, steps - end);
    }

    fn steps_together(&mut self, program: ProgramId, steps: usize) {
        let began = Instant::now();
        self.steps(program, steps);
        if steps > 0 {
            self.times.push(DeviceTime { program, timed: Timed::Steps(steps), began, took: began.elapsed() });
        }
    }

    /// Runs one step of a program; hands out, for each dispatch, which of its arguments it writes.
    pub fn trace(&mut self, program: ProgramId, table: &[u32]) -> Result<Vec<Vec<bool>>> {
        self.write_words(Plan::STEPS, 0, table)?;
        self.take_row();
        let written = |dispatch: usize| {
            let args = self.call(program, dispatch);
            (0..self.bound[program.0][dispatch].len()).map(|i| args.is_written(i)).collect()
        };
        Ok((0..self.plan.program(program).dispatches.len()).map(written).collect())
    }
}

impl<T: Twin> Executor for Cpu<T> {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn write_words(&mut self, buf: Buf, at: usize, words: &[u32]) -> Result<()> {
        self.words_of(buf)[at..at + words.len()].copy_from_slice(words);
        Ok(())
    }

    fn write(&mut self, buf: Buf, at: usize, values: &[f32]) -> Result<()> {
        self.numbers_of(buf)[at..at + values.len()].iter_mut().zip(values).for_each(|(to, &from)| *to = T::of(from));
        Ok(())
    }

    fn read_words(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<u32>> {
        Ok(self.words_of(buf)[at..at + len].to_vec())
    }

    fn read(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f32>> {
        Ok(self.numbers_of(buf)[at..at + len].iter().map(|v| v.wide() as f32).collect())
    }

    fn read_wide(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f64>> {
        Ok(self.numbers_of(buf)[at..at + len].iter().map(|v| v.wide()).collect())
    }

    fn copy(&mut self, from: Buf, to: Buf, at: usize, len: usize) -> Result<()> {
        match (&*self.cells[from.0].borrow(), &mut *self.cells[to.0].borrow_mut()) {
            (Cells::Real(from), Cells::Real(to)) => to[at..at + len].copy_from_slice(&from[at..at + len]),
            (Cells::Word(from), Cells::Word(to)) => to[at..at + len].copy_from_slice(&from[at..at + len]),
            _ => panic!("copy between buffers of two types"),
        }
        Ok(())
    }

    fn run(&mut self, program: ProgramId, table: &[u32]) -> Result<()> {
        self.write_words(Plan::STEPS, 0, table)?;
        let steps = Step::rows_in(table, self.plan.members);
        self.shared(program, |cpu| cpu.steps(program, steps));
        Ok(())
    }

    fn run_one(&mut self, program: ProgramId, dispatch: usize, table: &[u32]) -> Result<()> {
        self.write_words(Plan::STEPS, 0, table)?;
        self.take_row();
        self.call(program, dispatch);
        Ok(())
    }

    fn run_timed(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()> {
        self.write_words(Plan::STEPS, 0, table)?;
        let steps = Step::rows_in(table, self.plan.members);
        self.shared(program, |cpu| cpu.steps_timed(program, steps, &timed));
        Ok(())
    }

    fn times(&mut self) -> Result<Vec<DeviceTime>> {
        Ok(std::mem::take(&mut self.times))
    }
}
