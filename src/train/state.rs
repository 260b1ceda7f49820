//! What a training is on the device: weights, states, averages, and their copies; brought there, kept, brought back, and saved.

use super::session::Session;
use crate::checkpoint::{Checkpoint, Numbers, Tensor};
use crate::error::{Error, Result};
use crate::flow::NUMBERS;
use crate::model::Weights;
use crate::plan::{Buf, Kind};
use crate::precision::LossScale;
use std::ops::Range;

impl Session {
    /// Overwrites a member's parameters, and their average.
    pub(crate) fn set_weights(&mut self, member: usize, weights: &Weights) -> Result<()> {
        let values = self.compiled.pack(weights);
        for arena in [&self.compiled.params, &self.compiled.average] {
            for (buf, at, of) in self.compiled.runs(arena, member) {
                self.executor.write(buf, at, &values[of])?;
            }
        }
        Ok(())
    }

    /// The arena whose weights are judged, kept and handed out: the moving average, where there is one.
    pub(super) fn judged(&self) -> &[Buf] {
        if self.compiled.average.is_empty() { &self.compiled.params } else { &self.compiled.average }
    }

    /// A member's parameters, those that are judged.
    pub(crate) fn weights(&mut self, member: usize) -> Result<Weights> {
        let runs = self.compiled.runs(self.judged(), member);
        let arena = self.read_arena(runs)?;
        Ok(self.compiled.unpack(&arena))
    }

    pub(super) fn read_arena(&mut self, runs: Vec<(Buf, usize, Range<usize>)>) -> Result<Vec<f32>> {
        let mut arena = Vec::with_capacity(self.compiled.arena);
        for (buf, at, of) in runs {
            arena.append(&mut self.executor.read(buf, at, of.len())?);
        }
        Ok(arena)
    }

    /// Sets the optimizer's states to zero and the scale of the loss to its first value, and forgets faults.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for &buf in self.compiled.states.iter().flatten() {
            let len = self.compiled.plan.buffer(buf).len;
            self.executor.write(buf, 0, &vec![0.0; len])?;
        }
        if let Some(scaling) = self.compiled.scaling {
            let init = LossScale::default().init;
            self.executor.write(scaling, 0, &[init, 1.0 / init, 0.0, 0.0].repeat(self.members))?;
        }
        self.forget_faults()
    }

    /// Forgets which steps had values that were not finite.
    pub(crate) fn forget_faults(&mut self) -> Result<()> {
        self.executor.write_words(self.compiled.fault, 0, &vec![0; self.members])
    }

    /// For each member 0, or 1 + the step of the epoch with values that were not finite.
    pub(super) fn faults(&mut self) -> Result<Vec<u32>> {
        self.executor.read_words(self.compiled.fault, 0, self.members)
    }

    /// Copies whole arenas, all members'.
    pub(super) fn copy_arena(&mut self, pairs: &[(Buf, Buf)]) -> Result<()> {
        pairs.iter().try_for_each(|&(from, to)| self.executor.copy(from, to, 0, self.compiled.plan.buffer(from).len))
    }

    /// Keeps weights, states, averages and the scale of the loss as they are now, on the device.
    pub(crate) fn keep_all(&mut self) -> Result<()> {
        self.copy_arena(&self.compiled.snapshot.clone())
    }

    /// Brings back what [`Session::keep_all`] kept.
    pub(crate) fn restore_all(&mut self) -> Result<()> {
        self.copy_arena(&self.compiled.snapshot.iter().map(|&(buf, copy)| (copy, buf)).collect::<Vec<_>>())?;
        self.forget_faults()
    }

    /// Keeps a member's parameters as the best so far.
    pub(crate) fn keep(&mut self, member: usize) -> Result<()> {
        let runs = self.compiled.runs(self.judged(), member);
        let to = &self.compiled.best;
        runs.into_iter().zip(to).try_for_each(|((from, at, of), &to)| self.executor.copy(from, to, at, of.len()))
    }

    /// Brings a member's best parameters back.
    pub(crate) fn restore(&mut self, member: usize) -> Result<()> {
        let runs = self.compiled.runs(self.judged(), member);
        let from = &self.compiled.best;
        runs.into_iter().zip(from).try_for_each(|((to, at, of), &from)| self.executor.copy(from, to, at, of.len()))
    }

    /// The arenas that a checkpoint holds, by name. Gradients are none of them: between two updates there are none.
    fn arenas(&self) -> Vec<(String, Vec<Buf>)> {
        let compiled = &self.compiled;
        let own = [("params".to_string(), &compiled.params), ("average".to_string(), &compiled.average)];
        let states = compiled.states.iter().enumerate().map(|(n, state)| (format!("state.{n}"), state));
        let trained: Vec<_> = own.into_iter().chain(states).filter(|(_, arena)| !arena.is_empty()).collect();
        let copy_of = |buf: &Buf| compiled.snapshot.iter().find(|(from, _)| from == buf).map(|(_, copy)| *copy);
        let copies = trained
            .iter()
            .filter_map(|(name, arena)| Some((format!("snapshot.{name}"), arena.iter().map(copy_of).collect::<Option<_>>()?)));
        let copies: Vec<_> = copies.collect();
        let all = trained.into_iter().map(|(name, arena)| (name, arena.clone()));
        all.chain([("best".to_string(), compiled.best.clone())]).chain(copies).collect()
    }

    /// The rest of it: name, buffer and shape, for so many steps and looks of the epoch that were done.
    fn others(&self, steps: usize, looks: usize) -> Vec<(&'static str, Buf, Vec<usize>)> {
        let (compiled, members) = (&self.compiled, self.members);
        let mut all = vec![("log", compiled.log, vec![steps, members, 4]), ("fault", compiled.fault, vec![members])];
        if let Some(scaling) = compiled.scaling {
            let shape = vec![members, compiled.plan.buffer(scaling).len / members];
            let copy = compiled.snapshot.iter().find(|(from, _)| *from == scaling);
            all.extend(copy.map(|&(_, copy)| ("snapshot.scale of the loss", copy, shape.clone())));
            all.push(("scale of the loss", scaling, shape));
        }
        all.extend(compiled.look.as_ref().map(|look| ("flow", look.flow, vec![looks, members, compiled.layers.len(), NUMBERS])));
        all
    }

    /// Waits for the device and reads all that a training needs to go on after so many steps and looks of an epoch.
    pub(crate) fn save(&mut self, steps: usize, looks: usize) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::new();
        for (name, arena) in self.arenas() {
            let mut values = Vec::with_capacity(self.members * self.compiled.arena);
            for member in 0..self.members {
                for (buf, at, of) in self.compiled.runs(&arena, member) {
                    values.append(&mut self.executor.read(buf, at, of.len())?);
                }
            }
            tensors.push(Tensor { name, shape: vec![self.members, self.compiled.arena], numbers: Numbers::F32(values) });
        }
        for (name, buf, shape) in self.others(steps, looks) {
            let len = shape.iter().product();
            let numbers = match self.compiled.plan.buffer(buf).kind {
                Kind::F32 => Numbers::F32(if len > 0 { self.executor.read(buf, 0, len)? } else { Vec::new() }),
                Kind::U32 => Numbers::U32(self.executor.read_words(buf, 0, len)?),
            };
            tensors.push(Tensor { name: name.to_string(), shape, numbers });
        }
        Ok(tensors)
    }

    /// Brings to the device what [`Session::save`] read. Errors when it is of another shape: nothing is written then.
    pub(crate) fn load(&mut self, checkpoint: &Checkpoint, steps: usize, looks: usize) -> Result<()> {
        let (arenas, others) = (self.arenas(), self.others(steps, looks));
        let whole = vec![self.members, self.compiled.arena];
        let wanted = arenas.iter().map(|(name, _)| (name.as_str(), &whole)).chain(others.iter().map(|(name, _, shape)| (*name, shape)));
        for (name, shape) in wanted {
            match checkpoint.tensor(name) {
                Some(tensor) if tensor.shape == *shape => {}
                Some(tensor) => {
                    let message = format!("the checkpoint is of another model: its `{name}` is {:?}, {shape:?} is wanted", tensor.shape);
                    return Err(Error::input(message));
                }
                None => return Err(Error::input(format!("the checkpoint is of another training: it has no `{name}`"))),
            }
        }
        if let Some(Numbers::U32(faults)) = checkpoint.tensor("fault").map(|tensor| &tensor.numbers)
            && let Some(fault) = faults.iter().find(|&&fault| fault as usize > steps)
        {
            return Err(Error::input(format!("the checkpoint is damaged: step {fault} of its epoch had a fault, but {steps} were done")));
        }
        for (name, arena) in &arenas {
            let Some(Numbers::F32(values)) = checkpoint.tensor(name).map(|tensor| &tensor.numbers) else { return Err(no_numbers(name)) };
            for (member, values) in values.chunks(self.compiled.arena).enumerate() {
                for (buf, at, of) in self.compiled.runs(arena, member) {
                    self.executor.write(buf, at, &values[of])?;
                }
            }
        }
        for (name, buf, _) in others {
            match (checkpoint.tensor(name).map(|tensor| &tensor.numbers), self.compiled.plan.buffer(buf).kind) {
                (Some(numbers), _) if numbers.is_empty() => {}
                (Some(Numbers::F32(values)), Kind::F32) => self.executor.write(buf, 0, values)?,
                (Some(Numbers::U32(words)), Kind::U32) => self.executor.write_words(buf, 0, words)?,
                _ => return Err(no_numbers(name)),
            }
        }
        Ok(())
    }
}

fn no_numbers(name: &str) -> Error {
    Error::input(format!("the checkpoint is damaged: the numbers of `{name}` are of another kind"))
}
