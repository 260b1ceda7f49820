//! The learning-rate finder's sweep: training with a rate that rises from step to step. What the losses say of it is [`crate::lr_find`]'s.

use super::Training;
use super::beats::{Beat, beats};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::lr_find::{Curve, Settings};

impl Training {
    /// Trains for a moment with rates from small to large, and hands out the losses over them: [`crate::lr_find::suggest`] reads a rate off
    /// the curve.
    ///
    /// By the rows for training only, again and again if they are few, with optimizer, clipping and accumulation as configured, without
    /// schedule and early stopping; of several members the first is looked at. It works on weights, states and statistics of its own on the
    /// device, kept before the first step and brought back after the last: a later [`Training::fit`] is, to the bit, what it would have been.
    ///
    /// ```
    /// use gradus::lr_find::{Settings, suggest};
    /// use gradus::{Adam, Dataset, Device, Loss, Model, Trainer};
    ///
    /// # fn main() -> gradus::Result<()> {
    /// let (train, _) = Dataset::digits().split(0.8);
    /// let model = Model::input(64).dense(32).relu().dense(10);
    /// let mut training = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).build(Device::Cpu)?;
    /// let curve = training.lr_find(&train, &Settings::default())?;
    /// let found = suggest(&curve).expect("digits have a slope");
    /// assert!(found.steepest > 1e-5 && found.steepest < 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lr_find(&mut self, train: &Dataset, settings: &Settings) -> Result<Curve> {
        settings.check()?;
        if train.is_empty() {
            return Err(Error::input("there are no rows to train on: check [data] split"));
        }
        self.check_formulas()?;
        let trainer = self.trainer();
        let mut sizes = trainer.sizes(train.len());
        // a short batch's loss would be noisier than the others'
        if let [first, .., last] = sizes[..]
            && last < first
        {
            sizes.pop();
        }
        let (mut session, program) = self.open_to_train(train, train.len(), &sizes, true)?;
        session.keep_all()?;
        let (all, optimizer, members) = (settings.rates(), trainer.optimizer, trainer.seeds().len());
        let mut losses: Vec<f64> = Vec::new();
        for epoch in 0.. {
            let orders = trainer.orders(train, epoch);
            let mut beats = beats(&sizes, trainer.accumulate, &orders, session.row_weights());
            let done = losses.len();
            beats.retain(|beat| done + beat.update < all.len());
            session.set_orders(&orders, &beats)?;
            let rates = |beat: &Beat| {
                let [c1, c2] = optimizer.corrections((done + beat.update) as u64 + 1);
                vec![[all[done + beat.update] as f32, c1 as f32, c2 as f32]; members]
            };
            session.run(program, &beats, 0, epoch * sizes.len(), rates, |_| {})?;
            let log = session.read_epoch(beats.len())?;
            let updates = beats.last().map_or(0, |beat| beat.update + 1);
            let mut sums = vec![(0.0, 0.0); updates];
            for (step, beat) in log.steps.iter().zip(&beats) {
                sums[beat.update].0 += f64::from(step[0].loss);
                sums[beat.update].1 += beat.weights[0];
            }
            losses.extend(sums.into_iter().map(|(loss, weight)| loss / weight));
            if losses.len() >= all.len() || Curve::new(&all[..losses.len()], &losses).stopped_early {
                break;
            }
        }
        session.restore_all()?;
        Ok(Curve::new(&all[..losses.len()], &losses))
    }
}
