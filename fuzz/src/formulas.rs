//! Formulas of losses, activations and schedules.

use gradus::expr::{Expr, Width};
use gradus::schedule::{Position, Schedule};
use gradus::{Activation, Loss};

pub(super) fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for variables in [&["p", "t"][..], &["z"], &["epoch", "step", "total"]] {
        formula(&text, variables);
    }
    if let Ok(loss) = Loss::expression(&text) {
        let _ = loss.at(0.25, 1.0);
        let _ = loss.slope_text();
    }
    if let Ok(activation) = Activation::expression(&text) {
        let _ = (activation.value(0.5), activation.slope(-0.5));
    }
    if let Ok(schedule) = Schedule::expression(1e-3, &text) {
        let _ = schedule.rate(Position { epoch: 1, step: 12, epochs: 3, steps_per_epoch: 10 });
        let _ = schedule.check_for(3, 10);
    }
}

fn formula(text: &str, variables: &'static [&'static str]) {
    let Ok(formula) = Expr::parse(text, variables) else { return };
    let values: Vec<f64> = (0..variables.len()).map(|i| 0.5 + i as f64).collect();
    let _ = formula.eval(&values);
    let _ = formula.eval(&values.iter().map(|&x| x as f32).collect::<Vec<f32>>());
    let _ = (formula.wgsl(Width::One), formula.wgsl(Width::Four), formula.kinks());
    let shown = formula.to_string();
    // a text with more blanks, or a shorter word for the same, may be longer than what can be read
    if let Ok(again) = Expr::parse(&shown, variables) {
        assert_eq!(again, formula, "{text:?} is shown as {shown:?}, which is another formula");
    } else {
        assert!(shown.chars().count() > 1000, "{text:?} is shown as {shown:?}, which cannot be read");
    }
    for variable in variables {
        let Ok(slope) = formula.derivative(variable) else { continue };
        let _ = slope.eval(&values);
        let _ = (slope.to_string(), slope.wgsl(Width::Four), slope.kinks());
    }
}
