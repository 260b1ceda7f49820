//! What a training run tells: events while it goes on, a report at its end.

use super::{Reason, WeightsNow};
use crate::error::Error;
use crate::flow::Flow;
use crate::metrics::Scores;
use crate::model::Weights;
use crate::profile::Profile;
use std::path::Path;

/// What happened in an epoch to one member.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Updates of the weights since training began.
    pub steps: usize,
    /// The rate of the epoch's last step.
    pub lr: f64,
    /// The mean loss of the epoch's rows, while it trained.
    pub train_loss: f64,
    /// The norm of all gradients before it is clipped (value clipping comes first): the mean over the epoch's steps.
    pub grad_norm: f64,
    /// Updates that were not applied because a value was not finite; in mixed precision those that halved the scale of the loss are among them.
    pub skipped: usize,
    /// The scale of the loss after the epoch, in mixed precision.
    pub loss_scale: Option<f64>,
    /// Loss and metrics of the validation set, when there is one.
    pub valid: Option<Scores>,
    /// Seconds since training began.
    pub seconds: f64,
}

/// What is told while training goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Some steps were handed to the device.
    Progress {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps of the epoch so far.
        step: usize,
        /// Steps of the epoch.
        steps: usize,
        /// Rows of the epoch so far.
        rows: usize,
    },
    /// The flow of gradients was looked at.
    Look {
        /// The member, from 0.
        member: usize,
        /// What was found.
        flow: &'a Flow,
    },
    /// The flow of gradients was looked at, and something is wrong with it.
    Diagnosis {
        /// The member, from 0.
        member: usize,
        /// What was found.
        flow: &'a Flow,
        /// What is wrong.
        found: &'a [crate::flow::Diagnosis],
    },
    /// The device got a variant of a kernel, or the shader that does steps whole, wrong when it was tried before its first use: what is slower takes its place.
    Distrust {
        /// Its entry point.
        entry: &'a str,
        /// What was wrong.
        what: &'a str,
    },
    /// A value was not finite, and the epoch begins anew with lower rates.
    Rollback {
        /// The epoch, from 1.
        epoch: usize,
        /// The member, from 0.
        member: usize,
        /// What its rates are multiplied by from now on.
        factor: f64,
        /// Where it happened.
        what: &'a str,
    },
    /// The training goes on from a checkpoint.
    Resumed {
        /// The epoch, from 1, that it goes on in.
        epoch: usize,
        /// Steps of it that were done.
        step: usize,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps of the device since training began.
        steps: u64,
        /// The file.
        path: &'a Path,
        /// How long it is.
        bytes: u64,
    },
    /// A checkpoint could not be written; training goes on, and those from before are still there.
    NoCheckpoint {
        /// Why.
        error: &'a Error,
    },
    /// An epoch was done.
    Epoch {
        /// What happened, for each member.
        records: &'a [EpochRecord],
        /// Training rows a second in this epoch, for all members together.
        samples_per_second: f64,
        /// The weights after it, for those who ask.
        weights: &'a WeightsNow<'a>,
    },
}

/// How one member fared.
#[derive(Debug, Clone)]
pub struct MemberReport {
    /// Its epochs.
    pub epochs: Vec<EpochRecord>,
    /// The mean loss of each step's rows.
    pub step_losses: Vec<f32>,
    /// The flow of gradients, in the steps that were looked at.
    pub flow: Vec<Flow>,
    /// Why it ended.
    pub stopped: Reason,
    /// The epoch, from 1, whose weights it has now: the best one, when early stopping restored it, else the last.
    pub best_epoch: usize,
    /// Its weights.
    pub weights: Weights,
    /// Their hash, see [`Weights::hash`].
    pub weights_hash: String,
}

/// What goes before the first step is done, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StartTimes {
    /// Finding and opening the device; 0 for the application's own.
    pub device: f64,
    /// Compiling the model to a plan, on the host.
    pub plan: f64,
    /// Making the plan's buffers, pipelines and bindings, and trying those that rest on optional features of the adapter. (Software drivers compile a kernel later, when it first runs.)
    pub pipelines: f64,
    /// Writing data, weights and the first order to the device.
    pub upload: f64,
    /// The first step, from handing it over to its end. Only known with [`Timing::Start`](super::Timing::Start): to know it is to wait for it.
    pub first_step: Option<f64>,
}

impl StartTimes {
    /// All of it, as far as it is known.
    pub fn total(&self) -> f64 {
        self.device + self.plan + self.pipelines + self.upload + self.first_step.unwrap_or_default()
    }
}

/// What a training run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// One for each member.
    pub members: Vec<MemberReport>,
    /// Seconds in all.
    pub seconds: f64,
    /// From the call to the end of the first step's submission: compiling kernels, uploading.
    pub start_seconds: f64,
    /// What that and the opening of the device are made of.
    pub start: StartTimes,
    /// Where the time went, with [`Timing::Steps`](super::Timing::Steps).
    pub profile: Option<Profile>,
    /// Training rows a second, all members and epochs together, validation not counted.
    pub samples_per_second: f64,
}

impl Report {
    /// The first member: the only one, in the ordinary case.
    pub fn first(&self) -> &MemberReport {
        &self.members[0]
    }
}
