//! The curve of a sweep as text: a sketch for a terminal, and CSV.

use super::{Curve, suggest};
use std::fmt::Write as _;

/// What stands left of the sketch: a number and the axis.
const LABEL: usize = 9;

/// The curve in plain characters, `width` × `height` of them for the plot (at least 20 × 4) and a margin: the loss over ln rate, `.` for each
/// step and `*` for the smoothed loss, and under the axis a line for each suggestion. A loss that explodes goes along the top row.
pub fn sketch(curve: &Curve, width: usize, height: usize) -> String {
    let (width, height) = (width.max(20), height.max(4));
    let (Some(&first), Some(&last)) = (curve.rates.first(), curve.rates.last()) else {
        return "there is no finite loss to draw\n".to_owned();
    };
    let low = curve.losses.iter().copied().fold(f64::INFINITY, f64::min);
    // up to its minimum the average is what one wants to see; of the explosion, that it is there
    let minimum = curve.smoothed.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let high = curve.smoothed[..=minimum].iter().copied().fold(low, f64::max);
    let high = high + (high - low) / 4.0;
    let share = |value: f64, from: f64, to: f64| if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.5 };
    let column = |rate: f64| (share(rate.ln(), first.ln(), last.ln()) * (width - 1) as f64).round() as usize;
    let row = |loss: f64| ((1.0 - share(loss, low, high)) * (height - 1) as f64).round() as usize;

    let mut cells = vec![vec![' '; width]; height];
    for (mark, losses) in [('.', &curve.losses), ('*', &curve.smoothed)] {
        for (&rate, &loss) in curve.rates.iter().zip(losses) {
            cells[row(loss)][column(rate)] = mark;
        }
    }
    let mut lines = Vec::new();
    for (i, cells) in cells.iter().enumerate() {
        let label = match i {
            0 => number(high),
            _ if i + 1 == height => number(low),
            _ => String::new(),
        };
        lines.push(format!("{label:>LABEL$} |{}", cells.iter().collect::<String>()));
    }
    lines.push(format!("{:>LABEL$} +{}", "loss", "-".repeat(width)));
    let (left, right) = (format!("{first:.0e}"), format!("{last:.0e}"));
    lines.push(format!("{:>LABEL$}  {left}{right:>rest$}", "rate", rest = width - left.len()));
    if let Ok(suggestion) = suggest(curve) {
        let named =
            [("steepest", Some(suggestion.steepest)), ("valley", suggestion.valley), ("minimum/10", Some(suggestion.minimum_tenth))];
        for (name, rate) in named {
            let Some(rate) = rate else { continue };
            let (at, text) = (column(rate), format!("{name} {rate:.1e}"));
            // on the side where there is room
            lines.push(match at > width / 2 {
                true => format!("{:LABEL$}  {:>at$} ^", "", text, at = at.saturating_sub(1)),
                false => format!("{:LABEL$}  {:at$}^ {text}", "", ""),
            });
        }
    }
    lines.iter().fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

/// In at most eight characters.
fn number(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (1e-2..1e4).contains(&size) => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// A line for each step: `lr,loss,smoothed`. Numbers are written so that reading gives back the same ones.
pub fn csv(curve: &Curve) -> String {
    let mut out = "lr,loss,smoothed\n".to_owned();
    for ((rate, loss), smoothed) in curve.rates.iter().zip(&curve.losses).zip(&curve.smoothed) {
        // writing to a string can not fail
        let _ = writeln!(out, "{rate:?},{loss:?},{smoothed:?}");
    }
    out
}
