//! Judging a model in the middle of a training or after it: loss and metrics, and predictions, with the weights that are judged.

use super::beats::{Beat, beats};
use super::session::{Session, push, zip};
use super::weights;
use crate::data::{Dataset, Targets};
use crate::error::Result;
use crate::kernel::Step;
use crate::metrics::{Confusion, Scores, Sums, spread};
use crate::model::Compiled;
use crate::plan::padded;
use std::ops::Range;
use std::sync::Arc;

/// So many members' outputs are ranked at a time: they are held on the host.
const RANKED: usize = 64;

impl Session {
    /// Runs something with the weights that are judged in the place of those that are trained.
    fn with_judged<R>(&mut self, act: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let Compiled { params, average, held, .. } = &self.compiled;
        if average.is_empty() {
            return act(self);
        }
        let (hold, judge, bring_back) = (zip(params, held), zip(average, params), zip(held, params));
        self.copy_arena(&hold)?;
        self.copy_arena(&judge)?;
        let done = act(self);
        self.copy_arena(&bring_back)?;
        done
    }

    fn eval_beats(&self, data: &Dataset) -> Vec<Beat> {
        let sizes = super::batches(data.len(), self.batch, super::Remainder::Keep);
        beats(&sizes, 1, &vec![data.rows().to_vec(); self.members], self.row_weights.as_deref())
    }

    /// Loss and metrics of a resident view, for each member; with those that rank all rows, where that is asked for.
    pub(crate) fn evaluate(&mut self, data: &Dataset, ranked: bool) -> Result<Vec<Scores>> {
        self.with_judged(|session| {
            let mut all = session.evaluate_params(data)?;
            if let (true, Targets::Classes { of, names }) = (ranked, Arc::clone(&session.table).targets()) {
                let of: Vec<u32> = data.rows().iter().map(|&row| of[row as usize]).collect();
                for (n, some) in all.chunks_mut(RANKED).enumerate() {
                    let first = n * RANKED;
                    let outputs = session.predict_params(first..first + some.len(), data)?;
                    some.iter_mut().zip(outputs).for_each(|(scores, outputs)| scores.rank(&outputs, names.len(), &of));
                }
            }
            Ok(all)
        })
    }

    fn evaluate_params(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        let beats = self.eval_beats(data);
        self.set_orders(&vec![data.rows().to_vec(); self.members], &beats)?;
        if let Some(confusion) = self.compiled.confusion {
            self.executor.write_words(confusion, 0, &vec![0; self.compiled.plan.buffer(confusion).len])?;
        }
        let rates = vec![[0.0; 3]; self.members];
        self.run(self.compiled.eval, &beats, 0, 0, |_| rates.clone(), |_| {})?;
        let log = self.executor.read(self.compiled.log, 0, beats.len() * self.members * 4)?;
        let counts = match self.compiled.confusion {
            Some(confusion) => self.executor.read_words(confusion, 0, self.compiled.plan.buffer(confusion).len)?,
            None => Vec::new(),
        };
        let weight = weights::sum(self.row_weights.as_deref(), data.rows());
        let rows = data.len();
        let scores = |member: usize| {
            let sum = |n: usize| log.chunks(4 * self.members).map(|step| f64::from(step[4 * member + n])).sum::<f64>();
            let loss = sum(0) / weight;
            match self.table.targets() {
                Targets::Classes { names, .. } => {
                    let k = names.len();
                    let own = counts[member * k * k..][..k * k].iter().map(|&count| u64::from(count)).collect();
                    Scores::classification(loss, Confusion::new(k, own), (k > 5).then(|| sum(2) / rows as f64))
                }
                Targets::Values { of, names } => {
                    let spread = spread(of, names.len(), data.rows(), self.table.units());
                    Scores::regression(loss, Sums { rows, outputs: names.len(), squares: sum(1), absolutes: sum(2), spread })
                }
            }
        };
        Ok((0..self.members).map(scores).collect())
    }

    /// The model's outputs for a resident view, row by row: logits, or numbers.
    pub(crate) fn predict(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        self.with_judged(|session| Ok(session.predict_params(member..member + 1, data)?.remove(0)))
    }

    /// The same for several members, out of the same dispatches.
    fn predict_params(&mut self, members: Range<usize>, data: &Dataset) -> Result<Vec<Vec<f32>>> {
        let beats = self.eval_beats(data);
        self.set_orders(&vec![data.rows().to_vec(); self.members], &beats)?;
        let stride = padded(self.outputs);
        let mut all = vec![Vec::with_capacity(data.len() * self.outputs); members.len()];
        for beat in &beats {
            let mut table = Step::table(self.members);
            push(&mut table, beat, 0, 0, &vec![[0.0; 3]; self.members]);
            let (program, _) = self.ready(self.compiled.predict, std::slice::from_ref(beat))?;
            self.executor.run(program, &table)?;
            for (member, all) in members.clone().zip(&mut all) {
                let output = self.executor.read(self.compiled.output, member * self.batch * stride, beat.rows * stride)?;
                output.chunks(stride).for_each(|row| all.extend_from_slice(&row[..self.outputs]));
            }
        }
        Ok(all)
    }
}
