//! Timestamps around dispatches: made when the first step is timed, handed out when the host reads anyway.

use super::{BoundDispatch, BoundProgram, Context, Gpu};
use crate::error::{Error, Result};
use crate::exec::{DeviceTime, Executor as _, Timed};
use crate::kernel::Step;
use crate::plan::{Plan, ProgramId};
use std::ops::Range;
use std::time::{Duration, Instant};
use wgpu::Features;

/// Timestamps between two readings: as many as a query set may hold.
const QUERIES: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// The device's clock.
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Whether there are timestamps between the dispatches of a pass; where not, each timed dispatch has a pass of its own.
    inside: bool,
    seconds: f64,
    /// A moment on the host's clock, and the device's reading then.
    origin: (Instant, u64),
    used: u32,
    /// What was timed, and the first of its timestamps.
    marks: Vec<(ProgramId, Marked, u32)>,
}

/// What a series of timestamps is of.
enum Marked {
    /// Each dispatch of one step.
    Dispatches,
    /// So many steps together.
    Steps(usize),
}

impl Clock {
    /// Makes what timing needs. An error where the device has no timestamps.
    fn new(context: &Context) -> Result<Self> {
        if !context.has(Features::TIMESTAMP_QUERY) {
            return Err(Error::Device(format!(
                "{} has no timestamps, so its dispatches cannot be timed: profile with --device cpu, or on another adapter (`gradus devices` lists what they offer)",
                context.info().name
            )));
        }
        let device = context.device();
        let queries =
            device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("times"), ty: wgpu::QueryType::Timestamp, count: QUERIES });
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("times"),
            size: u64::from(QUERIES) * u64::from(wgpu::QUERY_SIZE),
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let seconds = 1e-9 * f64::from(context.queue().get_timestamp_period());
        let inside = context.has(Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        Ok(Clock { queries, resolved, inside, seconds, origin: (Instant::now(), 0), used: 0, marks: Vec::new() })
    }

    /// Where the timestamps lie once they are resolved, and how many bytes they are.
    fn resolved(&self) -> (wgpu::Buffer, u64) {
        (self.resolved.clone(), u64::from(self.used.max(1)) * u64::from(wgpu::QUERY_SIZE))
    }

    /// Encodes a single timestamp.
    fn mark(&self, encoder: &mut wgpu::CommandEncoder) {
        drop(self.pass(encoder, Some(0), None));
        encoder.resolve_query_set(&self.queries, 0..1, &self.resolved, 0);
    }

    /// Says when on the host's clock the timestamp of [`Clock::mark`] was taken.
    fn set(&mut self, at: Instant, bytes: &[u8]) {
        self.origin = (at, ticks(bytes).next().unwrap_or_default());
    }

    /// How many more steps of so many dispatches can be timed before the times are read.
    fn room(&self, dispatches: usize) -> usize {
        ((QUERIES - self.used) / self.each(dispatches)) as usize
    }

    fn each(&self, dispatches: usize) -> u32 {
        if self.inside { dispatches as u32 + 1 } else { (2 * dispatches as u32).max(1) }
    }

    /// Encodes a step, a timestamp before and after each dispatch.
    fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, program: ProgramId, bound: &[BoundDispatch]) {
        let mut at = self.used;
        self.marks.push((program, Marked::Dispatches, at));
        self.used += self.each(bound.len());
        if self.inside {
            let mut pass = self.pass(encoder, None, None);
            pass.write_timestamp(&self.queries, at);
            for dispatch in bound {
                dispatch.encode(&mut pass);
                at += 1;
                pass.write_timestamp(&self.queries, at);
            }
        } else {
            for dispatch in bound {
                dispatch.encode(&mut self.pass(encoder, Some(at), Some(at + 1)));
                at += 2;
            }
        }
    }

    /// Encodes some steps in one pass, a timestamp before and after all of them, where there is room for these.
    fn encode_together(&mut self, encoder: &mut wgpu::CommandEncoder, program: ProgramId, bound: &BoundProgram, steps: usize) {
        let at = (self.used + 2 <= QUERIES).then_some(self.used);
        if let Some(at) = at {
            self.marks.push((program, Marked::Steps(steps), at));
            self.used += 2;
        }
        bound.encode(&mut self.pass(encoder, at, at.map(|at| at + 1)), steps);
    }

    fn pass<'e>(&self, encoder: &'e mut wgpu::CommandEncoder, first: Option<u32>, last: Option<u32>) -> wgpu::ComputePass<'e> {
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: first,
            end_of_pass_write_index: last,
        };
        let timestamp_writes = first.or(last).map(|_| writes);
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes })
    }

    /// Whether anything was timed since the last reading.
    fn is_used(&self) -> bool {
        self.used > 0
    }

    /// Encodes that the timestamps are put where they can be read.
    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..self.used, &self.resolved, 0);
    }

    /// Makes times of the timestamps that were read, and begins anew.
    fn times(&mut self, bytes: &[u8], programs: &[BoundProgram]) -> Vec<DeviceTime> {
        let ticks: Vec<u64> = ticks(bytes).collect();
        let after = |from: u64, to: u64| Duration::from_secs_f64(to.saturating_sub(from) as f64 * self.seconds);
        let time = |program: ProgramId, timed: Timed, at: usize| {
            let (begin, end) = (ticks[at], ticks[at + 1]);
            DeviceTime { program, timed, began: self.origin.0 + after(self.origin.1, begin), took: after(begin, end) }
        };
        let mut times = Vec::new();
        for (program, timed, first) in self.marks.drain(..) {
            match timed {
                Marked::Steps(steps) => times.push(time(program, Timed::Steps(steps), first as usize)),
                Marked::Dispatches => {
                    let stride = if self.inside { 1 } else { 2 };
                    times.extend(programs[program.0].dispatches.iter().enumerate().map(
                        |(number, &BoundDispatch { entry, writes, .. })| {
                            time(program, Timed::Dispatch { number, entry, writes }, first as usize + stride * number)
                        },
                    ));
                }
            }
        }
        self.used = 0;
        times
    }
}

impl Gpu {
    /// See [`crate::exec::Executor::run_timed`].
    pub(super) fn run_by_the_clock(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()> {
        let mut clock = match self.clock.take() {
            Some(clock) => clock,
            None => self.make_clock()?,
        };
        self.write_words(Plan::STEPS, 0, table)?;
        let rows = Step::rows_in(table, self.plan.members);
        let room = clock.room(self.programs[program.0].dispatches.len());
        let start = timed.start.min(rows);
        // steps that are done whole are not taken apart to be timed: that might change a bit
        let apart = if self.programs[program.0].whole.is_some() { start } else { timed.end };
        let end = apart.min(start + room).clamp(start, rows);
        for (each, steps) in [(false, start), (true, end - start), (false, rows - end)] {
            let mut left = steps;
            while left > 0 {
                let steps = left.min(self.submit_steps[program.0]);
                let (mut encoder, bound) = (self.encoder(), &self.programs[program.0]);
                if each {
                    (0..steps).for_each(|_| clock.encode(&mut encoder, program, &bound.dispatches));
                } else {
                    clock.encode_together(&mut encoder, program, bound, steps);
                }
                self.submit(encoder);
                left -= steps;
            }
        }
        self.clock = Some(clock);
        Ok(())
    }

    /// See [`crate::exec::Executor::times`].
    pub(super) fn read_clock(&mut self) -> Result<Vec<DeviceTime>> {
        let Some(mut clock) = self.clock.take_if(|clock| clock.is_used()) else { return Ok(Vec::new()) };
        let mut encoder = self.encoder();
        clock.resolve(&mut encoder);
        self.submit(encoder);
        let (buffer, bytes) = clock.resolved();
        let read = self.read_bytes(&buffer, 0, bytes)?;
        let times = clock.times(&read, &self.programs);
        self.clock = Some(clock);
        Ok(times)
    }

    /// Makes the clock, and holds it against the host's: by a timestamp that an idle device takes while the host waits for it.
    fn make_clock(&mut self) -> Result<Clock> {
        let mut clock = Clock::new(&self.context)?;
        let (buffer, bytes) = clock.resolved();
        self.read_bytes(&buffer, 0, bytes)?;
        let mut encoder = self.encoder();
        clock.mark(&mut encoder);
        let began = Instant::now();
        self.submit(encoder);
        let read = self.read_bytes(&buffer, 0, bytes)?;
        clock.set(began + began.elapsed() / 2, &read);
        Ok(clock)
    }
}

fn ticks(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks().0.iter().map(|&ticks| u64::from_le_bytes(ticks))
}
