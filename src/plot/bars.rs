//! Bars: named numbers with their spread, and how numbers are distributed.

use super::axis::{Axis, short};
use super::canvas::{Anchor, Font, Rect, page, shorten, width};
use super::lines::{MARGIN, TEXT, TITLE, heading};
use super::palette::{BLUE, GREY, INK, Stroke};
use super::panel::{Labels, Panel, no_data};

/// A named number.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What stands beside it.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// How far a thin line goes to both sides of its end.
    pub spread: f64,
}

const WIDE: f64 = 560.0;
const ROW: f64 = 22.0;

/// A bar a row, the first at the top, from 0 to its value, with its spread as a thin line; the value is written at the right. One that is not finite
/// has no bar.
///
/// ```
/// use gradus::plot::{Bar, bars};
/// let svg = bars("what a feature is worth", "drop in accuracy", &[Bar { name: "petal width".into(), value: 0.3, spread: 0.02 }]);
/// assert!(svg.starts_with("<svg") && svg.contains("petal width"));
/// ```
pub fn bars(title: &str, x_label: &str, bars: &[Bar]) -> String {
    let high = TITLE + ROW * bars.len().max(3) as f64 + 56.0;
    page(title, (WIDE, high), |canvas| {
        heading(canvas, title, WIDE)?;
        let names = bars.iter().map(|bar| width(&bar.name, TEXT)).fold(0.0, f64::max).min(170.0);
        let rect = Rect::new(MARGIN + names + 6.0, TITLE, WIDE - 66.0, high - MARGIN);
        let ends = bars.iter().flat_map(|bar| [0.0, bar.value - bar.spread, bar.value + bar.spread]);
        let there = bars.iter().any(|bar| bar.value.is_finite());
        let Some(x) = Axis::around(ends, false, 0.03, 5).filter(|_| there) else {
            return no_data(canvas, Rect { left: MARGIN, right: WIDE - MARGIN, ..rect });
        };
        let y = Axis { ticks: Vec::new(), ..Axis::new(0.0, bars.len() as f64, false, 1) };
        let panel = Panel::draw(canvas, rect, x, y, Labels { x: x_label, y: "", size: TEXT })?;
        panel.zero_lines()?;
        for (i, Bar { name, value, spread }) in bars.iter().enumerate() {
            let at = |x: f64| panel.at((x, (bars.len() - i) as f64 - 0.5));
            let (start, middle) = at(0.0);
            canvas.text((panel.rect.left - 8.0, middle), &shorten(name, 170.0, TEXT), &Font::new(TEXT).at(Anchor::End))?;
            let written = if value.is_finite() { short(*value) } else { "not finite".into() };
            canvas.text((panel.rect.right + 6.0, middle), &written, &Font::new(TEXT - 1.0).color(GREY))?;
            if !panel.x.holds(*value) {
                continue;
            }
            let (end, _) = at(*value);
            let bar = Rect::new(start.min(end), middle - 0.32 * ROW, start.max(end), middle + 0.32 * ROW);
            if bar.width() > 0.0 {
                canvas.rect(bar, BLUE, 0.75)?;
            }
            if *spread > 0.0 && panel.x.holds(value - spread) && panel.x.holds(value + spread) {
                canvas.line(&[at(value - spread), at(value + spread)], &Stroke::solid(INK, 1.25))?;
            }
        }
        Ok(())
    })
}

/// How often numbers fall into each of so many ranges of the same width, with a line at 0 where 0 is among them. What is not finite is left out.
pub fn histogram(title: &str, x_label: &str, values: &[f64], ranges: usize) -> String {
    let (wide, high) = (WIDE, 350.0);
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        let rect = Rect::new(MARGIN, TITLE, wide - 1.5 * MARGIN, high - MARGIN);
        let Some(x) = Axis::around(values.iter().copied(), false, 0.0, 6) else { return no_data(canvas, rect) };
        let (low, step) = (x.low, (x.high - x.low) / ranges.max(1) as f64);
        let mut counts = vec![0u64; ranges.max(1)];
        for place in values.iter().filter_map(|v| x.place(*v)) {
            counts[(((place - low) / step) as usize).min(ranges.max(1) - 1)] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or_default() as f64;
        let y = Axis::new(0.0, 1.05 * most, false, 5);
        let panel = Panel::draw(canvas, rect, x, y, Labels { x: x_label, y: "rows", size: TEXT })?;
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (left, top) = panel.at((low + i as f64 * step, *count as f64));
            let (right, bottom) = panel.at((low + (i + 1) as f64 * step, 0.0));
            canvas.rect(Rect::new(left + 0.5, top, right - 0.5, bottom), BLUE, 0.75)?;
        }
        panel.zero_lines()
    })
}
