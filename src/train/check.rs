//! Formulas of the user's own, before they are trained with: their slopes against finite differences, and the device against the twin.

use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::loss::Loss;
use crate::model::Model;
use crate::parity::check_formula;

/// The numbers at which slopes are compared with differences: ordinary ones, away from those that people like to put kinks at.
const POINTS: [f64; 12] = [-6.83, -3.17, -1.61, -0.87, -0.43, -0.13, 0.19, 0.37, 0.73, 1.43, 2.79, 5.57];
/// Half the distance of a difference, and how far it may be from the slope: relative to the slope or to 1.
const STEP: f64 = 1e-5;
const ALLOWED: f64 = 1e-5;
/// What is steeper within that distance is a jump.
const JUMP: f64 = 1e4;

/// Errors when the slope of a loss or an activation of the user's own is not that of its value, or when the device makes something else of them
/// than their twins; the message says where and by how much.
pub(super) fn formulas(device: &OpenDevice, model: &Model, loss: &Loss) -> Result<()> {
    if loss.is_custom() {
        for &t in &POINTS {
            let at = |p: f64| loss.at(p, t).unwrap_or((f64::NAN, f64::NAN));
            slope(&format!("the loss `{}`, target {t}", loss.name()), |p| at(p).0, |p| at(p).1)?;
        }
        if let Some(formula) = loss.formula() {
            check_formula::loss(device, loss.name(), &formula)?;
        }
    }
    for activation in model.custom_activations() {
        slope(&format!("the activation `{}`", activation.name()), |z| activation.value(z), |z| activation.slope(z))?;
        check_formula::activation(device, activation.name(), activation.formula())?;
    }
    Ok(())
}

fn slope(what: &str, value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Result<()> {
    for &x in &POINTS {
        let (up, down, given) = (value(x + STEP), value(x - STEP), slope(x));
        if !(up.is_finite() && down.is_finite() && given.is_finite()) {
            return Err(Error::input(format!(
                "{what}: the value or the slope at {x} is not finite: clamp what a logarithm, a root or a division is given"
            )));
        }
        let difference = (up - down) / (2.0 * STEP);
        // at a kink both one-sided slopes are right, and neither is the difference
        let sides = [(up - value(x)) / STEP, (value(x) - down) / STEP];
        if sides.iter().any(|side| side.abs() > JUMP) {
            return Err(Error::input(format!("{what}: the value jumps at {x}, so it has no slope there: make it continuous")));
        }
        let near = |wanted: f64| (given - wanted).abs() <= ALLOWED * wanted.abs().max(1.0);
        let kink = (sides[0] - sides[1]).abs() > 0.01 * (1.0 + sides[0].abs());
        let between = given >= sides[0].min(sides[1]) - ALLOWED && given <= sides[0].max(sides[1]) + ALLOWED;
        let right = near(difference) || (kink && between);
        if !right {
            return Err(Error::input(format!(
                "{what}: its slope at {x} is {given:.6}, but finite differences give {difference:.6}: the slope is not that of the \
                 value"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;
    use crate::kernel::Real;
    use crate::loss::LossFormula;

    /// A square whose slope lacks the 2.
    struct Wrong;
    impl LossFormula for Wrong {
        const NAME: &'static str = "wrong";
        const DOC: &'static str = "";
        const WGSL: &'static str = "(p - t) * (p - t)";
        const WGSL_SLOPE: &'static str = "p - t";
        fn value<T: Real>(p: T, t: T, _: T) -> T {
            (p - t) * (p - t)
        }
        fn slope<T: Real>(p: T, t: T, _: T) -> T {
            p - t
        }
    }

    fn check(loss: &Loss) -> Result<()> {
        formulas(&Device::Cpu.open().unwrap(), &Model::input(1).dense(1), loss)
    }

    #[test]
    fn a_slope_that_is_not_the_values_is_refused_with_the_place() {
        let message = check(&Loss::of::<Wrong>(None).unwrap()).unwrap_err().to_string();
        assert!(message.contains("the loss `wrong`, target -6.83: its slope at"), "{message}");
        let message = check(&Loss::expression("ln(p - t)").unwrap()).unwrap_err().to_string();
        assert!(message.contains("is not finite: clamp"), "{message}");
        let jump = Loss::expression("(p - t)^2 + 100*(p > 0.19)").unwrap();
        assert!(check(&jump).unwrap_err().to_string().contains("the value jumps at 0.19"));
    }

    #[test]
    fn formulas_that_are_right_pass_kinks_and_all() {
        for text in ["(p - t)^2", "abs(p - t)*(1 + 9*(t > p))", "max(0, abs(p - t) - 0.1)", "ln(1 + exp(-p*t))"] {
            check(&Loss::expression(text).unwrap()).unwrap();
        }
        check(&Loss::mse()).unwrap();
    }
}
