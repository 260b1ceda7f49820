//! The weights in the middle of a training: read from the device when asked for, and at no cost when not.

use super::session::Session;
use crate::error::Result;
use crate::model::Weights;
use std::cell::RefCell;
use std::fmt;

/// The weights as they are at the end of an epoch; part of [`Event::Epoch`](super::Event::Epoch).
///
/// ```
/// use gradus::train::{Event, Stop};
/// use gradus::{Dataset, Device, Loss, Model, Trainer};
///
/// # fn main() -> gradus::Result<()> {
/// let (train, valid) = Dataset::moons(200, 1).split(0.8);
/// let trainer = Trainer::new(Model::input(2).dense(8).tanh().dense(2), Loss::cross_entropy());
/// let mut largest = Vec::new();
/// trainer.build(Device::Cpu)?.fit_with(&train, &valid, Stop::after(2), |event| {
///     if let Event::Epoch { weights, .. } = event {
///         let weights = weights.read(0).expect("the device answers");
///         largest.extend(weights.get("0.weight").map(|w| w.iter().fold(0.0, |most: f32, w| most.max(w.abs()))));
///     }
/// })?;
/// assert_eq!(largest.len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct WeightsNow<'a>(RefCell<&'a mut Session>);

impl<'a> WeightsNow<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        WeightsNow(RefCell::new(session))
    }

    /// A member's weights, those that are judged: the moving average, where there is one. Waits for the device.
    pub fn read(&self, member: usize) -> Result<Weights> {
        self.0.borrow_mut().weights(member)
    }
}

impl fmt::Debug for WeightsNow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeightsNow")
    }
}
