//! Lines and points over a pair of axes: the diagram that most others are.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawn, Font, Rect, page, shorten, width};
use super::legend;
use super::marks::MARK_ROWS;
use super::palette::{MARKERS, Stroke};
use super::panel::{Curve, Labels, Look, Panel, no_data};

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Draw {
    /// Joined by a line.
    #[default]
    Line,
    /// A marker at each point.
    Points,
    /// A line, and a dot at each value.
    Both,
}

/// A name and its points, in the order in which they are joined.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// x and y. One that is not finite makes a gap.
    pub points: Vec<(f64, f64)>,
    /// As a line, as points, or both.
    pub draw: Draw,
}

impl Series {
    /// A line through these points.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Series { name: name.into(), points: points.into_iter().collect(), draw: Draw::Line }
    }

    /// A line through values at 1, 2, 3 and so on.
    pub fn counted(name: impl Into<String>, values: &[f64]) -> Self {
        Series::new(name, values.iter().enumerate().map(|(i, v)| ((i + 1) as f64, *v)))
    }

    /// The same points, drawn so.
    pub fn drawn(self, draw: Draw) -> Self {
        Series { draw, ..self }
    }
}

/// A vertical line with a label above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What is written there.
    pub label: String,
}

impl Mark {
    /// A mark at `x`.
    pub fn new(x: f64, label: impl Into<String>) -> Self {
        Mark { x, label: label.into() }
    }
}

/// What [`lines`] draws.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// Above the diagram.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// The lines; with two or more there is a legend at the right.
    pub series: Vec<Series>,
    /// Vertical lines with a label.
    pub marks: Vec<Mark>,
    /// A logarithmic x axis: zero and below are left out.
    pub log_x: bool,
    /// Whether a logarithmic x axis has its ticks at powers of two.
    pub powers_of_two: bool,
    /// A logarithmic y axis: zero and below are left out.
    pub log_y: bool,
    /// Where the y axis ends, for lines that leave through the top; by default all values have room.
    pub highest: Option<f64>,
    /// Width and height of the page in pixels; 800 by 480 unless given. A long legend makes it higher.
    pub size: Option<(f64, f64)>,
}

impl Chart {
    /// Axes without lines.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Self {
        Chart { title: title.into(), x_label: x_label.into(), y_label: y_label.into(), ..Chart::default() }
    }

    /// With one more series.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// With one more mark.
    pub fn mark(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 480.0;
pub(super) const MARGIN: f64 = 16.0;
pub(super) const TITLE: f64 = 46.0;
pub(super) const TEXT: f64 = 12.0;

/// Draws series over a pair of axes.
///
/// ```
/// use gradus::plot::{Chart, Mark, Series, lines};
/// let chart = Chart::new("a < b", "epoch", "loss")
///     .series(Series::counted("training", &[1.0, 0.5, f64::NAN, 0.2]))
///     .mark(Mark::new(2.0, "best, epoch 2"));
/// let svg = lines(&chart);
/// assert!(svg.starts_with("<svg") && svg.contains("<title>a &lt; b</title>"));
/// ```
pub fn lines(chart: &Chart) -> String {
    let looks: Vec<Look> = chart.series.iter().enumerate().map(|(i, s)| look(s.draw, i)).collect();
    lines_with(chart, &looks)
}

fn look(draw: Draw, index: usize) -> Look {
    match draw {
        Draw::Line => Look::Line(Stroke::of(index)),
        Draw::Points => Look::Points(Stroke { marker: Some(MARKERS[index % MARKERS.len()]), ..Stroke::of(index) }),
        Draw::Both => Look::Both(Stroke::of(index)),
    }
}

/// [`lines`] with looks of one's own, one a series.
pub(super) fn lines_with(chart: &Chart, looks: &[Look]) -> String {
    // labels of marks that are near each other go into rows above each other
    let rows = chart.marks.len().min(MARK_ROWS) as f64;
    let entries: Vec<(&str, Look)> = chart.series.iter().map(|s| s.name.as_str()).zip(looks.iter().copied()).collect();
    let with_legend = entries.len() > 1;
    let top = TITLE + rows * 1.4 * TEXT;
    let (wide, high) = chart.size.unwrap_or((WIDTH, HEIGHT));
    let high = high.max(if with_legend { top + legend::height(entries.len()) + 2.0 * MARGIN } else { 0.0 });
    page(&chart.title, (wide, high), |canvas| {
        heading(canvas, &chart.title, wide)?;
        let inner = Rect::new(MARGIN, top, wide - 1.5 * MARGIN, high - MARGIN);
        let room = if with_legend { legend::room(entries.iter().map(|e| e.0)) } else { 0.0 };
        let (rect, legend_at) = legend::beside(inner, room);
        if with_legend {
            legend::draw(canvas, legend_at, &entries)?;
        }
        axes_with_lines(canvas, rect, chart, looks)
    })
}

/// Axes round all series, with them and the marks.
fn axes_with_lines(canvas: &Canvas, rect: Rect, chart: &Chart, looks: &[Look]) -> Drawn {
    let labels = Labels { x: &chart.x_label, y: &chart.y_label, size: TEXT };
    let Some((x, y)) = axes(chart, rect) else { return no_data(canvas, rect) };
    let panel = Panel::draw(canvas, rect, x, y, labels)?;
    for (series, look) in chart.series.iter().zip(looks) {
        panel.curve(&Curve { points: &series.points, look: *look })?;
    }
    panel.marks(&chart.marks, TEXT)
}

/// The axes that hold all points that have a place on both.
pub(super) fn axes(chart: &Chart, rect: Rect) -> Option<(Axis, Axis)> {
    let there = |p: &&(f64, f64)| super::axis::place(p.0, chart.log_x).and(super::axis::place(p.1, chart.log_y)).is_some();
    let all = || chart.series.iter().flat_map(|s| &s.points).filter(there);
    let x = Axis::around(all().map(|p| p.0), chart.log_x, 0.02, (rect.width() / if chart.log_x { 60.0 } else { 100.0 }) as usize)?;
    let x = if chart.log_x && chart.powers_of_two { x.binary((rect.width() / 60.0) as usize) } else { x };
    let highest = chart.highest.unwrap_or(f64::INFINITY);
    let y =
        Axis::around(all().map(|p| p.1.min(highest)), chart.log_y, 0.05, (rect.height() / if chart.log_y { 40.0 } else { 60.0 }) as usize)?;
    Some((x, y))
}

/// The title, in the middle above everything.
pub(super) fn heading(canvas: &Canvas, title: &str, wide: f64) -> Drawn {
    let font = Font::new(17.0).at(Anchor::Middle).bold();
    // bold is a little wider
    let room = (wide - 2.0 * MARGIN) / 1.06;
    let size = if width(title, 17.0) > room { 14.0 } else { 17.0 };
    canvas.text((wide / 2.0, 24.0), &shorten(title, room, size), &Font { size, ..font })
}
