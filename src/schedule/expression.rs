//! A rate by a formula of the user's: `lr*0.5^(epoch//10)`.

use super::{Curve, Schedule};
use crate::error::{Error, Result};
use crate::expr::Expr;

/// The variables of a formula, in the order of [`Curve::rate`].
const VARIABLES: &[&str] = &["epoch", "step", "total", "lr"];

/// A curve by a formula.
#[derive(Debug)]
struct Expression(Expr);

impl Curve for Expression {
    fn rate(&self, epoch: f64, step: f64, total: f64, lr: f64) -> f64 {
        self.0.eval(&[epoch, step, total, lr])
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Schedule {
    /// A formula of `epoch`, `step`, `total` and `lr`, which say what they do in [`Curve::rate`]. It says the rate itself: `lr` is the rate given
    /// here, which is otherwise of no effect but for a warm-up. Errors when it can't be read; the message says where and why. PyTorch's
    /// `LambdaLR` takes a function of the epoch, by whose value lr is multiplied.
    ///
    /// ```
    /// use gradus::schedule::{Position, Schedule};
    /// let halved = Schedule::expression(0.1, "lr*0.5^(epoch//10)").unwrap();
    /// assert_eq!(halved.rate(Position { epoch: 25, step: 0, epochs: 30, steps_per_epoch: 1 }), 0.025);
    /// let message = Schedule::expression(0.1, "lr*0.5^(epochs//10)").unwrap_err().to_string();
    /// assert!(message.starts_with("the schedule `lr*0.5^(epochs//10)`, column 9:"), "{message}");
    /// ```
    pub fn expression(lr: f64, text: &str) -> Result<Self> {
        let formula = Expr::parse(text, VARIABLES);
        let formula = formula.map_err(|e| Error::input(format!("the schedule `{text}`, column {}: {}", e.column, e.message)))?;
        Ok(Schedule::custom(lr, Expression(formula)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Position;

    #[test]
    fn a_formula_knows_its_position_and_rate() {
        let at = |schedule: &Schedule, epoch, step| schedule.rate(Position { epoch, step, epochs: 4, steps_per_epoch: 5 });
        let line = Schedule::expression(0.5, "lr*(1 - epoch/total)").unwrap();
        assert_eq!((at(&line, 0, 0), at(&line, 1, 7), at(&line, 3, 19)), (0.5, 0.375, 0.125));
        // step 7 of 20
        let steps = Schedule::expression(0.5, "lr*step/total").unwrap().by_step();
        assert_eq!(at(&steps, 1, 7), 0.5 * 7.0 / 20.0);
        assert_eq!(line.shape().name(), "lr*(1 - epoch/total)");
        assert!(Schedule::expression(0.5, "0.1 - epoch").unwrap().check_for(4, 5).is_err());
    }
}
