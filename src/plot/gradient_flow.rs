//! How large the gradients of each layer are: over time, and now.

use super::axis::{Axis, place, short};
use super::canvas::{Anchor, Font, Rect, page, shorten, width};
use super::lines::{Chart, MARGIN, Series, TEXT, TITLE, heading, lines_with};
use super::palette::{DASHES, GREY, Stroke, VIRIDIS, ramp};
use super::panel::{Labels, Look, Panel, no_data};

/// The colour of a layer: light for the first, dark for the last.
fn shade(layer: usize, layers: usize) -> plotters::style::RGBColor {
    ramp(&VIRIDIS, if layers > 1 { layer as f64 / (layers - 1) as f64 } else { 1.0 })
}

/// One line a layer over time (`x_label`: "epoch", "step"), on a logarithmic axis, from light (the first layer) to dark (the last).
///
/// Lines that drop from layer to layer are gradients that vanish, lines that rise gradients that explode (Glorot and Bengio 2010).
pub fn gradient_flow(title: &str, x_label: &str, layers: &[Series]) -> String {
    let looks: Vec<Look> =
        (0..layers.len()).map(|i| Look::Line(Stroke::solid(shade(i, layers.len()), 1.9).dashed(DASHES[i % DASHES.len()]))).collect();
    lines_with(&Chart { series: layers.to_vec(), log_y: true, ..Chart::new(title, x_label, "size of the gradient") }, &looks)
}

/// The norm of each layer's gradient now: a bar a layer on a logarithmic axis, the first layer at the top. One that is zero or not finite
/// has no bar; its value is written there.
pub fn gradient_bars(title: &str, layers: &[(String, f64)]) -> String {
    let row = if layers.len() > 40 { 16.0 } else { 24.0 };
    let (wide, high) = (720.0, TITLE + row * layers.len().max(4) as f64 + 60.0);
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        let names = layers.iter().map(|(name, _)| width(name, TEXT)).fold(0.0, f64::max).min(200.0);
        let rect = Rect::new(MARGIN + names + 6.0, TITLE, wide - 70.0, high - MARGIN);
        let seen = layers.iter().map(|(_, norm)| *norm);
        let Some(around) = Axis::around(seen, true, 0.0, 7) else {
            return no_data(canvas, Rect { left: MARGIN, right: wide - MARGIN, ..rect });
        };
        // bars start at a power of ten below the smallest
        let low = (around.low - 0.3).floor();
        let x = Axis::new(low, around.high + 0.03 * (around.high - low), true, 7);
        let y = Axis { ticks: Vec::new(), ..Axis::new(0.0, layers.len() as f64, false, 1) };
        let panel = Panel::draw(canvas, rect, x, y, Labels { x: "norm of the gradient", y: "", size: TEXT })?;
        for (i, (name, norm)) in layers.iter().enumerate() {
            let middle = panel.at((panel.x.low, (layers.len() - i) as f64 - 0.5));
            canvas.text((panel.rect.left - 8.0, middle.1), &shorten(name, 200.0, TEXT), &Font::new(TEXT).at(Anchor::End))?;
            let end = match place(*norm, true) {
                Some(norm) => panel.at((norm, 0.0)).0,
                None => panel.rect.left,
            };
            let bar = Rect::new(panel.rect.left, middle.1 - 0.34 * row, end, middle.1 + 0.34 * row);
            if bar.width() > 0.0 {
                canvas.rect(bar, shade(i, layers.len()), 1.0)?;
            }
            let written = if norm.is_finite() { short(*norm) } else { "not finite".into() };
            canvas.text((end + 6.0, middle.1), &written, &Font::new(TEXT - 1.0).color(GREY))?;
        }
        Ok(())
    })
}
