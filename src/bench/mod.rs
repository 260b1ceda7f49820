//! How fast it trains, measured from the outside: rounds of epochs through a [`Trainer`](crate::Trainer), what a device reaches at its best, and
//! the statistics of both. It prints nothing.

mod ceiling;
mod summary;
mod throughput;

pub use ceiling::{Bound, Ceilings, Product, Single};
pub use summary::{Summary, outliers};
pub use throughput::{Length, Reached, Round, Settings, Throughput, check_batch, ladder, throughput, time_to};
