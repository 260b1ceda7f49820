//! Functions with their slopes: activations in small panels, losses side by side.

use super::axis::{Axis, place};
use super::canvas::{Anchor, Canvas, Drawn, Font, Rect, page, shorten};
use super::legend;
use super::lines::{MARGIN, TEXT, TITLE, heading};
use super::palette::{BLUE, DASHES, Stroke, VERMILLION};
use super::panel::{Curve, Labels, Look, Panel, no_data};

/// A function and its slope, as points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// x and f(x).
    pub values: Vec<(f64, f64)>,
    /// x and f'(x).
    pub slopes: Vec<(f64, f64)>,
}

impl Function {
    /// Both at 241 places from `low` to `high`.
    pub fn sampled(name: impl Into<String>, (low, high): (f64, f64), value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Self {
        let places = || (0..=240).map(move |i| low + (high - low) * f64::from(i) / 240.0);
        Function { name: name.into(), values: places().map(|x| (x, value(x))).collect(), slopes: places().map(|x| (x, slope(x))).collect() }
    }
}

const VALUE: Look = Look::Line(Stroke::solid(BLUE, 1.9));
const SLOPE: Look = Look::Line(Stroke::solid(VERMILLION, 1.6).dashed(DASHES[1]));

/// A small panel for each function (activation, loss) of a number z: the function solid, its slope dashed, the name above it.
pub fn functions_with_slopes(title: &str, functions: &[Function]) -> String {
    let columns = ((functions.len() as f64).sqrt().ceil() as usize).clamp(2, 4);
    let rows = functions.len().div_ceil(columns).max(1);
    let (cell_wide, cell_high) = (225.0, 205.0);
    let size = (columns as f64 * cell_wide + 2.0 * MARGIN, TITLE + 26.0 + rows as f64 * cell_high + MARGIN);
    page(title, size, |canvas| {
        heading(canvas, title, size.0)?;
        legend::row(canvas, (size.0 / 2.0 - 120.0, TITLE + 6.0), &[("function of z", VALUE), ("slope", SLOPE)])?;
        if functions.is_empty() {
            return no_data(canvas, Rect::new(MARGIN, TITLE + 26.0, size.0 - MARGIN, size.1 - MARGIN));
        }
        for (i, function) in functions.iter().enumerate() {
            let (left, top) = (MARGIN + (i % columns) as f64 * cell_wide, TITLE + 26.0 + (i / columns) as f64 * cell_high);
            let cell = Rect::new(left + 4.0, top + 26.0, left + cell_wide - 10.0, top + cell_high - 6.0);
            let curves = [(&function.values[..], VALUE), (&function.slopes[..], SLOPE)];
            let name = shorten(&function.name, cell.width(), 13.0);
            panel(canvas, cell, &name, &curves, Labels { x: "z", y: "", size: 10.0 })?;
        }
        Ok(())
    })
}

/// Losses and, in a second panel, their slopes: a row of two panels for each kind of them, over what its first word says (the error `p − t`, the
/// margin).
pub fn losses_side_by_side(title: &str, kinds: &[(&str, Vec<Function>)]) -> String {
    let most = kinds.iter().map(|kind| kind.1.len()).max().unwrap_or(0);
    let row = 340.0_f64.max(legend::height(most) + 40.0);
    let (wide, high) = (980.0, TITLE + 14.0 + row * kinds.len().max(1) as f64);
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        if kinds.is_empty() {
            return no_data(canvas, Rect::new(MARGIN, TITLE, wide - MARGIN, high - MARGIN));
        }
        let room = legend::room(kinds.iter().flat_map(|kind| &kind.1).map(|loss| loss.name.as_str()));
        for (i, (x, losses)) in kinds.iter().enumerate() {
            let top = TITLE + 22.0 + i as f64 * row;
            let looks: Vec<Look> = (0..losses.len()).map(|i| Look::Line(Stroke::of(i))).collect();
            let entries: Vec<(&str, Look)> = losses.iter().map(|l| l.name.as_str()).zip(looks.iter().copied()).collect();
            let (rect, legend_at) = legend::beside(Rect::new(MARGIN, top, wide - MARGIN, top + row - 40.0), room);
            legend::draw(canvas, legend_at, &entries)?;
            let middle = (rect.left + rect.right) / 2.0;
            let sides = [Rect { right: middle - 10.0, ..rect }, Rect { left: middle + 10.0, ..rect }];
            for (side, name, y) in [(sides[0], "loss", "loss"), (sides[1], "slope", "slope by p")] {
                let points = losses.iter().map(|loss| if name == "loss" { &loss.values[..] } else { &loss.slopes[..] });
                let curves: Vec<(&[(f64, f64)], Look)> = points.zip(looks.iter().copied()).collect();
                panel(canvas, side, name, &curves, Labels { x, y, size: TEXT })?;
            }
        }
        Ok(())
    })
}

/// Axes round the curves, with lines through zero and a name above.
fn panel(canvas: &Canvas, rect: Rect, name: &str, curves: &[(&[(f64, f64)], Look)], labels: Labels) -> Drawn {
    canvas.text(((rect.left + rect.right) / 2.0 + 10.0, rect.top - 11.0), name, &Font::new(13.0).at(Anchor::Middle).bold())?;
    let there = || curves.iter().flat_map(|c| c.0).filter(|p| place(p.0, false).and(place(p.1, false)).is_some());
    let x = Axis::around(there().map(|p| p.0), false, 0.0, (rect.width() / 60.0) as usize);
    let y = Axis::around(there().map(|p| p.1), false, 0.06, (rect.height() / 40.0) as usize);
    let Some((x, y)) = x.zip(y) else { return no_data(canvas, rect) };
    let panel = Panel::draw(canvas, rect, x, y, labels)?;
    panel.zero_lines()?;
    curves.iter().rev().try_for_each(|(points, look)| panel.curve(&Curve { points, look: *look }))
}
