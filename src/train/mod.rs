//! Training: how often, in which order, when to stop. It cannot tell which executor it has.

mod batches;
mod beats;
mod books;
mod check;
mod early_stop;
mod epoch;
mod fault;
mod fit;
mod identity;
mod judge;
mod keeping;
mod ledger;
mod lr_find;
mod now;
mod placement;
mod rates;
mod report;
mod session;
mod state;
mod stream;
mod trained;
mod trainer;
mod training;
mod weights;

pub use batches::{Remainder, batches};
pub use books::place;
pub use early_stop::{EarlyStopping, Mode, Monitor, Reason, Stop, StopAt};
pub use keeping::{Checkpoints, Every};
pub use now::WeightsNow;
pub use report::{EpochRecord, Event, MemberReport, Report, StartTimes};
pub use trained::FirstStep;
pub use trainer::{Looks, Member, OnNonFinite, Timing, Trainer};
pub use training::Training;
pub use weights::ClassWeights;
