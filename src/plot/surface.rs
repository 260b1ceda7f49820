//! Paths of optimizers over a function of two variables.

use super::axis::{Axis, place, short};
use super::canvas::{Anchor, Canvas, Drawn, Font, Point, Rect, page};
use super::contour::Grid;
use super::legend;
use super::lines::{MARGIN, Series, TEXT, TITLE, heading};
use super::palette::{GREY, GREYS, INK, Marker, Stroke, WHITE, mix, ramp, text_on};
use super::panel::{Labels, Look, Panel, no_data};

/// A function of two variables as a grid of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// The x of the first and of the last column.
    pub x: (f64, f64),
    /// The y of the first and of the last row.
    pub y: (f64, f64),
    /// How many columns there are, at least 2.
    pub columns: usize,
    /// Row after row, from the lowest y up. What is not finite counts as the highest value.
    pub values: Vec<f64>,
}

impl Surface {
    /// The function at 161 × 121 places.
    pub fn sampled(x: (f64, f64), y: (f64, f64), value: impl Fn(f64, f64) -> f64) -> Self {
        let (columns, rows) = (161, 121);
        let at = |range: (f64, f64), i: usize, n: usize| range.0 + (range.1 - range.0) * i as f64 / (n - 1) as f64;
        let values =
            (0..rows).flat_map(|j| (0..columns).map(move |i| (i, j))).map(|(i, j)| value(at(x, i, columns), at(y, j, rows))).collect();
        Surface { x_label: "x".into(), y_label: "y".into(), x, y, columns, values }
    }
}

/// At which values the contours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Levels {
    /// About so many, evenly.
    Linear(usize),
    /// About so many, evenly by logarithm, over at most six powers of ten below the highest value: for narrow valleys.
    Log(usize),
}

/// Filled contours of a function with paths over it, each from a ring to a square with the path's number. `minimum` is marked with a cross.
pub fn surface_paths(title: &str, surface: &Surface, levels: Levels, paths: &[Series], minimum: Option<(f64, f64)>) -> String {
    let (wide, high) = (860.0, 560.0);
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        let strokes: Vec<Stroke> = (0..paths.len()).map(|i| Stroke { width: if i == 0 { 3.2 } else { 2.0 }, ..Stroke::of(i) }).collect();
        let names: Vec<String> = paths.iter().enumerate().map(|(i, path)| format!("{}  {}", i + 1, path.name)).collect();
        let entries: Vec<(&str, Look)> = names.iter().map(String::as_str).zip(strokes.iter().map(|s| Look::Line(*s))).collect();
        let room = legend::room(entries.iter().map(|e| e.0).chain(["minimum"]));
        let (rect, (left, top)) = legend::beside(Rect::new(MARGIN, TITLE, wide - MARGIN, high - MARGIN), room);
        let grid = Heights::new(surface, levels);
        let Some(heights) = grid else { return no_data(canvas, rect) };
        let axis = |range: (f64, f64), ticks| Axis::new(range.0.min(range.1), range.0.max(range.1), false, ticks);
        let labels = Labels { x: &surface.x_label, y: &surface.y_label, size: TEXT };
        let panel = Panel::draw(canvas, rect, axis(surface.x, 7), axis(surface.y, 7), labels)?;
        heights.fill(canvas, &panel, surface)?;
        canvas.frame(panel.rect, &Stroke::solid(GREY, 1.0))?;
        draw_paths(canvas, &panel, paths, &strokes)?;
        if let Some(at) = minimum.and_then(|m| inside(&panel, m)) {
            canvas.marker(at, 6.0, Marker::Cross, INK)?;
        }
        legend::draw(canvas, (left, top), &entries)?;
        let mut y = top + legend::height(entries.len()) + 8.0;
        if !paths.is_empty() {
            ring(canvas, (left + 15.0, y), INK)?;
            canvas.text((left + 38.0, y), "start", &Font::new(TEXT))?;
            canvas.marker((left + 15.0, y + 19.0), 4.5, Marker::Square, INK)?;
            canvas.text((left + 38.0, y + 19.0), "end", &Font::new(TEXT))?;
            y += 38.0;
        }
        if minimum.is_some() {
            canvas.marker((left + 15.0, y), 5.0, Marker::Cross, INK)?;
            canvas.text((left + 38.0, y), "minimum", &Font::new(TEXT))?;
            y += 19.0;
        }
        heights.scale(canvas, Rect::new(left + 6.0, y + 14.0, left + 24.0, panel.rect.bottom))
    })
}

fn inside(panel: &Panel, (x, y): Point) -> Option<Point> {
    panel.x.place(x).zip(panel.y.place(y)).filter(|(x, y)| panel.x.holds(*x) && panel.y.holds(*y)).map(|at| panel.at(at))
}

fn ring(canvas: &Canvas, at: Point, color: plotters::style::RGBColor) -> Drawn {
    canvas.dot(at, 5.5, color, 1.0)?;
    canvas.dot(at, 3.5, WHITE, 1.0)
}

/// The lines over wider white ones, which set them off from the ground; earlier paths are wider, so that one under another shows.
fn draw_paths(canvas: &Canvas, panel: &Panel, paths: &[Series], strokes: &[Stroke]) -> Drawn {
    let lines: Vec<Vec<Vec<Point>>> = paths.iter().map(|path| panel.stretches(&path.points)).collect();
    for line in lines.iter().flatten() {
        canvas.line(line, &Stroke { opacity: 0.6, ..Stroke::solid(WHITE, 5.0) })?;
    }
    for (lines, stroke) in lines.iter().zip(strokes) {
        lines.iter().try_for_each(|line| canvas.line(line, stroke))?;
    }
    let finite = |p: &&Point| place(p.0, false).and(place(p.1, false)).is_some();
    for (i, (path, stroke)) in paths.iter().zip(strokes).enumerate() {
        if let Some(at) = path.points.iter().find(finite).and_then(|p| inside(panel, *p)) {
            ring(canvas, at, stroke.color)?;
        }
        if let Some(at) = path.points.iter().rfind(finite).and_then(|p| inside(panel, *p)) {
            canvas.marker(at, 8.0, Marker::Square, WHITE)?;
            canvas.marker(at, 7.0, Marker::Square, stroke.color)?;
            canvas.text(at, &(i + 1).to_string(), &Font::new(10.0).at(Anchor::Middle).bold().color(text_on(stroke.color)))?;
        }
    }
    Ok(())
}

/// The values in the measure of the levels, and the levels, lowest first.
struct Heights {
    values: Vec<f64>,
    levels: Vec<f64>,
    labels: Vec<String>,
}

impl Heights {
    fn new(surface: &Surface, levels: Levels) -> Option<Heights> {
        let ranges = [surface.x, surface.y];
        let ranged = ranges.iter().all(|r| place(r.0, false).and(place(r.1, false)).is_some() && r.0 != r.1);
        let whole =
            surface.columns >= 2 && surface.values.len().is_multiple_of(surface.columns) && surface.values.len() / surface.columns >= 2;
        let log = matches!(levels, Levels::Log(_));
        let there: Vec<f64> = surface.values.iter().filter_map(|v| place(*v, log)).collect();
        if there.is_empty() || !ranged || !whole {
            return None;
        }
        let highest = there.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut lowest = there.iter().copied().fold(f64::INFINITY, f64::min);
        let levels: Vec<f64> = match levels {
            Levels::Linear(count) => Axis::new(lowest, highest, false, count).ticks.into_iter().map(|t| t.0).collect(),
            Levels::Log(count) => {
                lowest = lowest.max(highest - 6.0);
                let factors: &[f64] = match count as f64 / (highest - lowest).max(1e-9) {
                    many if many > 2.5 => &[1.0, 2.0, 5.0],
                    some if some > 1.5 => &[1.0, 3.0],
                    _ => &[1.0],
                };
                (lowest.floor() as i64..=highest.ceil() as i64).flat_map(|p| factors.iter().map(move |f| p as f64 + f.log10())).collect()
            }
        };
        let levels: Vec<f64> = levels.into_iter().filter(|l| (lowest..highest).contains(l) && *l > lowest).collect();
        let measure = |v: &f64| match place(*v, log) {
            Some(v) => v.max(lowest - 1.0),
            // zero and below, on a logarithmic scale
            None if log && *v <= 0.0 => lowest - 1.0,
            None => highest,
        };
        let labels = levels.iter().map(|l| short(if log { 10f64.powf(*l) } else { *l })).collect();
        Some(Heights { values: surface.values.iter().map(measure).collect(), levels, labels })
    }

    /// The shade between level `band − 1` and level `band`: grey and light, so that paths of any colour stand out.
    fn shade(&self, band: usize) -> plotters::style::RGBColor {
        ramp(&GREYS, band as f64 / self.levels.len().max(1) as f64)
    }

    /// Larger areas first: contours do not cross, so what lies within another is painted over it.
    fn fill(&self, canvas: &Canvas, panel: &Panel, surface: &Surface) -> Drawn {
        let rows = self.values.len() / surface.columns;
        let grid = Grid { columns: surface.columns, rows, values: &self.values };
        let mut contours: Vec<(usize, super::contour::Contour)> =
            self.levels.iter().enumerate().flat_map(|(i, level)| grid.contours(*level).into_iter().map(move |c| (i, c))).collect();
        contours.sort_by(|a, b| b.1.area.total_cmp(&a.1.area).then(a.0.cmp(&b.0)));
        canvas.rect(panel.rect, self.shade(0), 1.0)?;
        let on = |range: (f64, f64), at: f64, n: usize| range.0 + (range.1 - range.0) * at / (n - 1) as f64;
        for (level, contour) in &contours {
            let points: Vec<Point> =
                contour.points.iter().map(|(x, y)| panel.at((on(surface.x, *x, surface.columns), on(surface.y, *y, rows)))).collect();
            canvas.polygon(&points, self.shade(level + usize::from(contour.higher)), 1.0)?;
            let closed: Vec<Point> = points.iter().chain(points.first()).copied().collect();
            canvas.line(&closed, &Stroke { opacity: 0.5, ..Stroke::solid(mix(self.shade(level + 1), INK, 0.35), 0.5) })?;
        }
        Ok(())
    }

    /// What a shade means: one box a band, the level where two meet.
    fn scale(&self, canvas: &Canvas, rect: Rect) -> Drawn {
        let bands = self.levels.len() + 1;
        let high = (rect.height() / bands as f64).min(22.0);
        let bottom = (rect.top + high * bands as f64).min(rect.bottom);
        for band in 0..bands {
            let y = bottom - (band + 1) as f64 * high;
            canvas.rect(Rect::new(rect.left, y, rect.right, y + high), self.shade(band), 1.0)?;
        }
        canvas.frame(Rect::new(rect.left, bottom - high * bands as f64, rect.right, bottom), &Stroke::solid(GREY, 0.75))?;
        let every = (14.0 / high).ceil().max(1.0) as usize;
        for (i, label) in self.labels.iter().enumerate().step_by(every) {
            canvas.text((rect.right + 6.0, bottom - (i + 1) as f64 * high), label, &Font::new(11.0))?;
        }
        Ok(())
    }
}
