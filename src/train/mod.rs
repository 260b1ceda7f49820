//! Training: how often, in which order, when to stop. It cannot tell which executor it has.

mod batches;
mod early_stop;
mod ledger;
mod report;
mod session;
mod trainer;

pub use batches::{Remainder, batches};
pub use early_stop::{EarlyStopping, Mode, Monitor, Reason, Stop};
pub use report::{EpochRecord, Event, MemberReport, Report};
pub use trainer::{FirstStep, Member, Trainer, Training};
