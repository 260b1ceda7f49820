//! One pair of axes with curves on it: what every diagram with axes is made of.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Font, Point, Rect, shorten, units, width};
use super::palette::{FAINT_GRID, GREY, GRID, Stroke};
use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::style::{Color, RGBColor, ShapeStyle};
use std::ops::Range;

/// Points in the order in which they are joined, and how they look.
pub(super) struct Curve<'a> {
    pub(super) points: &'a [Point],
    pub(super) look: Look,
}

/// How a curve looks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Line(Stroke),
    /// The stroke's marker at each point, or a faint dot.
    Points(Stroke),
    /// A line, and a point at each value.
    Both(Stroke),
}

/// What is written round the axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) size: f64,
}

/// An axis as plotters sees it.
struct Scale(Axis);

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * (place - self.0.low) / (self.0.high - self.0.low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let ticks = self.0.ticks.iter().map(|tick| tick.0);
        let points: Vec<f64> = if hint.weight().allow_light_points() { self.0.minor.clone() } else { ticks.collect() };
        points.into_iter().filter(|place| self.0.holds(*place)).collect()
    }

    fn range(&self) -> Range<f64> {
        self.0.low..self.0.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, place: &f64) -> String {
        self.0.ticks.iter().find(|tick| tick.0 == *place).map_or(String::new(), |tick| tick.1.clone())
    }
}

/// A drawn pair of axes.
pub(super) struct Panel<'a, 'b> {
    pub(super) canvas: &'a Canvas<'b>,
    /// Within the axes.
    pub(super) rect: Rect,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl<'a, 'b> Panel<'a, 'b> {
    /// Draws grid, ticks and labels within `rect`.
    pub(super) fn draw(canvas: &'a Canvas<'b>, rect: Rect, x: Axis, y: Axis, labels: Labels) -> Drawn<Panel<'a, 'b>> {
        let size = labels.size;
        let tick = 4.0;
        let widest = y.ticks.iter().map(|(_, label)| width(label, size)).fold(1.7 * size, f64::max);
        let left = widest + 2.0 * tick + if labels.y.is_empty() { 2.0 } else { 1.7 * size };
        let below = 1.1 * size + 2.0 * tick + if labels.x.is_empty() { 2.0 } else { 1.5 * size };
        let inner = Rect::new(rect.left + left, rect.top, rect.right, rect.bottom - below);

        let area = canvas.area.clone().shrink((units(rect.left), units(rect.top)), (units(rect.width()), units(rect.height())));
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(units(below))
            .y_label_area_size(units(left))
            .build_cartesian_2d(Scale(x.clone()), Scale(y.clone()))?;
        let line = |color: RGBColor, width: f64| -> ShapeStyle { color.stroke_width(units(width).max(1) as u32) };
        chart
            .configure_mesh()
            .bold_line_style(line(GRID, 1.0))
            .light_line_style(line(FAINT_GRID, 0.75))
            .axis_style(line(GREY, 1.0))
            .label_style(Font::new(size).style())
            .set_all_tick_mark_size(units(tick))
            .draw()?;
        let middle = Font::new(size + 1.0).at(Anchor::Middle);
        let [below, beside] = [(labels.x, inner.width()), (labels.y, inner.height())].map(|(label, room)| shorten(label, room, size + 1.0));
        canvas.text(((inner.left + inner.right) / 2.0, rect.bottom - 0.6 * size), &below, &middle)?;
        canvas.text((rect.left + 0.6 * size, (inner.top + inner.bottom) / 2.0), &beside, &middle.turned())?;
        Ok(Panel { canvas, rect: inner, x, y })
    }

    /// From the axes' measure to the page.
    pub(super) fn at(&self, (x, y): Point) -> Point {
        let Rect { left, top, right, bottom } = self.rect;
        let share = |axis: &Axis, v: f64| (v - axis.low) / (axis.high - axis.low);
        (left + share(&self.x, x) * (right - left), bottom - share(&self.y, y) * (bottom - top))
    }

    /// The stretches of a curve that have a place on the axes, cut off at their ends, on the page.
    pub(super) fn stretches(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let mut stretches: Vec<Vec<Point>> = Vec::new();
        let mut before: Option<Point> = None;
        for &(x, y) in points {
            let now = self.x.place(x).zip(self.y.place(y));
            let piece = match (before, now) {
                (Some(from), Some(to)) => self.cut(from, to),
                (None, Some(only)) => self.cut(only, only),
                _ => None,
            };
            if let Some((from, to)) = piece.map(|(from, to)| (self.at(from), self.at(to))) {
                match stretches.last_mut() {
                    Some(last) if before.is_some() && last.last() == Some(&from) => last.push(to),
                    _ => stretches.push(vec![from, to]),
                }
            }
            before = now;
        }
        stretches
    }

    /// The part of a segment within the axes (Liang and Barsky 1984).
    fn cut(&self, from: Point, to: Point) -> Option<(Point, Point)> {
        let (mut start, mut end) = (0.0, 1.0);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        for (step, room) in [(-dx, from.0 - self.x.low), (dx, self.x.high - from.0), (-dy, from.1 - self.y.low), (dy, self.y.high - from.1)]
        {
            if step == 0.0 && room < 0.0 {
                return None;
            }
            let t = room / step;
            if step < 0.0 {
                start = f64::max(start, t);
            } else if step > 0.0 {
                end = f64::min(end, t);
            }
        }
        let on = |t: f64| {
            if t == 0.0 {
                from
            } else if t == 1.0 {
                to
            } else {
                (from.0 + t * dx, from.1 + t * dy)
            }
        };
        (start <= end).then(|| (on(start), on(end)))
    }

    pub(super) fn curve(&self, curve: &Curve) -> Drawn {
        if let Look::Points(stroke) | Look::Both(stroke) = curve.look {
            for &(x, y) in curve.points {
                let there = self.x.place(x).zip(self.y.place(y)).filter(|(x, y)| self.x.holds(*x) && self.y.holds(*y));
                if let Some(at) = there.map(|at| self.at(at)) {
                    point(self.canvas, at, &curve.look, &stroke)?;
                }
            }
        }
        if let Look::Line(stroke) | Look::Both(stroke) = curve.look {
            for stretch in self.stretches(curve.points) {
                let line = thin(&stretch);
                match line.as_slice() {
                    [only] => self.canvas.dot(*only, 2.5, stroke.color, stroke.opacity)?,
                    line => self.canvas.line(line, &stroke)?,
                }
                self.markers(&line, &stroke)?;
            }
        }
        Ok(())
    }

    /// A marker about every 70 pixels, at points of the line.
    fn markers(&self, line: &[Point], stroke: &Stroke) -> Drawn {
        let Some(marker) = stroke.marker else { return Ok(()) };
        let mut last = f64::NEG_INFINITY;
        for &at in line {
            if (at.0 - last).abs() >= 70.0 {
                self.canvas.marker(at, 3.5, marker, stroke.color)?;
                last = at.0;
            }
        }
        Ok(())
    }

    /// Lines through zero, a little darker than the grid.
    pub(super) fn zero_lines(&self) -> Drawn {
        let Rect { left, top, right, bottom } = self.rect;
        let stroke = Stroke::solid(GREY, 0.75);
        if !self.x.log && self.x.holds(0.0) {
            let x = self.at((0.0, self.y.low)).0;
            self.canvas.line(&[(x, top), (x, bottom)], &stroke)?;
        }
        if !self.y.log && self.y.holds(0.0) {
            let y = self.at((self.x.low, 0.0)).1;
            self.canvas.line(&[(left, y), (right, y)], &stroke)?;
        }
        Ok(())
    }
}

/// One of the points of a curve that has them.
pub(super) fn point(canvas: &Canvas, at: Point, look: &Look, stroke: &Stroke) -> Drawn {
    match (look, stroke.marker) {
        (Look::Points(_), Some(marker)) => canvas.marker(at, 3.5, marker, stroke.color),
        (Look::Points(_), None) => canvas.dot(at, 2.0, stroke.color, 0.4),
        _ => canvas.dot(at, 3.0, stroke.color, 1.0),
    }
}

/// Points on top of each other become one; where there are very many, each column of a pixel keeps its first, lowest, highest and last.
fn thin(line: &[Point]) -> Vec<Point> {
    let mut kept: Vec<Point> = line.to_vec();
    kept.dedup();
    if kept.len() <= 3000 {
        return kept;
    }
    kept.chunk_by(|a, b| a.0.floor() == b.0.floor())
        .flat_map(|column| {
            let by_height = |a: &(usize, &Point), b: &(usize, &Point)| a.1.1.total_cmp(&b.1.1);
            let lowest = column.iter().enumerate().min_by(by_height).map_or(0, |(i, _)| i);
            let highest = column.iter().enumerate().max_by(by_height).map_or(0, |(i, _)| i);
            let mut keep = vec![0, lowest, highest, column.len() - 1];
            keep.sort_unstable();
            keep.dedup();
            keep.into_iter().map(|i| column[i]).collect::<Vec<_>>()
        })
        .collect()
}

/// "no data" in the middle of an empty frame.
pub(super) fn no_data(canvas: &Canvas, rect: Rect) -> Drawn {
    canvas.frame(rect, &Stroke::solid(GRID, 1.0))?;
    let middle = ((rect.left + rect.right) / 2.0, (rect.top + rect.bottom) / 2.0);
    canvas.text(middle, "no data", &Font::new(16.0).at(Anchor::Middle).color(GREY))
}
