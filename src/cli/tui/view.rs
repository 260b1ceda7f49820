//! The screen, drawn from a history: as much of it as there is room for.

use super::History;
use crate::cli::progress::thousands;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Clear, Dataset, Gauge, GraphType, Paragraph, Wrap};

const TRAIN: Color = Color::Cyan;
const VALID: Color = Color::Yellow;
const OTHER: Color = Color::Green;

/// Draws a training so far; `seconds` are those since it began.
pub fn draw(frame: &mut Frame<'_>, history: &History, seconds: f64) {
    let area = frame.area();
    // messages get two lines where the charts can spare them
    let said = if area.height >= 18 { 2 } else { u16::from(area.height >= 4) };
    let [head, bar, charts, messages, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(area.height >= 2)),
        Constraint::Min(0),
        Constraint::Length(said),
        Constraint::Length(u16::from(area.height >= 3)),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(history.title.as_str().bold()), head);
    frame.render_widget(progress(history, seconds), bar);
    if charts.width >= 40 && charts.height >= 6 {
        all_charts(frame, history, charts);
    } else {
        frame.render_widget(Paragraph::new(numbers(history)), charts);
    }
    let newest = history.messages.last().map_or("", String::as_str);
    frame.render_widget(Paragraph::new(newest.fg(Color::Yellow)).wrap(Wrap { trim: true }), messages);
    let hint = if history.stopping { "stopping after this step; again: at once" } else { "q stop and keep   s save weights   ? help" };
    frame.render_widget(Paragraph::new(hint.dim()), keys);
    if history.help {
        help(frame, area);
    }
}

fn progress(history: &History, seconds: f64) -> Gauge<'static> {
    let share = history.share();
    let left = if share > 0.0 { format!("{} left", time(seconds * (1.0 - share) / share)) } else { "starting".to_string() };
    let epoch = (history.done + 1).min(history.epochs);
    let speed =
        if history.samples_per_second > 0.0 { format!("  {} samples/s", thousands(history.samples_per_second)) } else { String::new() };
    let label = format!("epoch {epoch}/{}  {}  {left}{speed}", history.epochs, time(seconds));
    Gauge::default().ratio(share).label(label).gauge_style(Style::new().fg(Color::Blue).bg(Color::Black))
}

/// `75 s` as `1:15`.
fn time(seconds: f64) -> String {
    let whole = seconds.clamp(0.0, 1e9) as u64;
    match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

fn all_charts(frame: &mut Frame<'_>, history: &History, area: Rect) {
    let low = area.height < 14;
    let [above, below] = Layout::vertical(if low { [100, 0] } else { [58, 42] }.map(Constraint::Percentage)).areas(area);
    let [loss, metric] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(above);
    chart(frame, loss, "loss", &[("train", TRAIN, &history.train), ("valid", VALID, &history.valid)]);
    match &history.metric {
        Some((name, values)) => chart(frame, metric, &format!("validation {name}"), &[("", OTHER, values)]),
        None => chart(frame, metric, "norm of the gradients", &[("", OTHER, &history.norms)]),
    }
    if low {
        return;
    }
    let [rate, flow] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(below);
    chart(frame, rate, "learning rate", &[("", Color::Magenta, &history.rates)]);
    bars(frame, flow, history);
}

/// Lines over the epochs; on a logarithmic scale where they span much. The latest values are in the title.
fn chart(frame: &mut Frame<'_>, area: Rect, title: &str, series: &[(&str, Color, &[f64])]) {
    let finite = |values: &&[f64]| values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<_>>();
    let all: Vec<f64> = series.iter().flat_map(|(_, _, values)| finite(values)).collect();
    let (least, most) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let log = least > 0.0 && most > 20.0 * least;
    let scale = |v: f64| if log { v.log10() } else { v };
    let mut head = vec![Span::from(format!(" {title}"))];
    for (name, color, values) in series.iter().filter(|(_, _, values)| !values.is_empty()) {
        let gap = if name.is_empty() { "" } else { " " };
        head.push(Span::styled(format!("  {name}{gap}{}", short(values[values.len() - 1])), Style::new().fg(*color)));
    }
    head.push(Span::from(" "));
    let block = Block::bordered().border_style(Style::new().fg(Color::DarkGray)).title(Line::from(head));
    if all.is_empty() {
        frame.render_widget(block, area);
        return;
    }
    let (mut low, mut high) = (scale(least), scale(most));
    if high - low <= 1e-9 * high.abs().max(low.abs()) {
        let room = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        (low, high) = (low - room, high + room);
    }
    let points: Vec<Vec<(f64, f64)>> = series
        .iter()
        .map(|(_, _, values)| (1..).map(f64::from).zip(values.iter().map(|v| scale(*v))).filter(|(_, y)| y.is_finite()).collect())
        .collect();
    let lines = series.iter().zip(&points).map(|((_, color, _), points)| {
        let marker = if points.len() == 1 { Marker::Dot } else { Marker::Braille };
        Dataset::default().marker(marker).graph_type(GraphType::Line).style(Style::new().fg(*color)).data(points)
    });
    let longest = series.iter().map(|(_, _, values)| values.len()).max().unwrap_or(1).max(2);
    let real = |y: f64| short(if log { 10f64.powf(y) } else { y });
    let grey = Style::new().fg(Color::DarkGray);
    let x = Axis::default().bounds([1.0, longest as f64]).labels(["1".to_string(), longest.to_string()]).style(grey);
    let y = Axis::default().bounds([low, high]).labels([real(low), real(0.5 * (low + high)), real(high)]).style(grey);
    frame.render_widget(Chart::new(lines.collect()).block(block).x_axis(x).y_axis(y).legend_position(None), area);
}

/// The typical gradient of each layer as a bar on a logarithmic scale, the first layer at the top; of more layers than there are lines the first ones.
fn bars(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let block = Block::bordered().border_style(Style::new().fg(Color::DarkGray)).title(" gradients by layer ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let sizes = history.flow.iter().map(|(_, size)| size.log10()).filter(|size| size.is_finite());
    let (least, most) = sizes.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), size| (a.min(size), b.max(size)));
    let names = history.flow.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().min(usize::from(inner.width) / 2);
    let room = usize::from(inner.width).saturating_sub(names + 10) as f64;
    let line = |(name, size): &(String, f64)| {
        let name: String = name.chars().take(names).collect();
        let share = (size.log10() - least + 1.0) / (most - least + 1.0);
        let long = if share.is_finite() { (share.clamp(0.0, 1.0) * room).round() as usize } else { 0 };
        Line::from(vec![
            Span::from(format!("{name:names$} ")),
            Span::styled("█".repeat(long), Style::new().fg(OTHER)),
            Span::from(format!(" {size:.1e}")),
        ])
    };
    frame.render_widget(Paragraph::new(history.flow.iter().take(usize::from(inner.height)).map(line).collect::<Vec<_>>()), inner);
}

/// What stands where there is no room for charts.
fn numbers(history: &History) -> Vec<Line<'static>> {
    let latest = |name: &str, values: &[f64]| values.last().map(|value| Line::from(format!("{name} {}", short(*value))));
    let metric = history.metric.as_ref().and_then(|(name, values)| latest(&format!("val_{name}"), values));
    let all = [latest("loss", &history.train), latest("val_loss", &history.valid), metric, latest("lr", &history.rates)];
    all.into_iter().flatten().collect()
}

/// A number in few letters.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(1e-3..1e4).contains(&size) => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

const KEYS: [&str; 7] = [
    "q, Esc, Ctrl-C   stop after this step and keep",
    "                 what is there; again: at once,",
    "                 from the last checkpoint",
    "s                save the weights after this epoch",
    "                 into the run folder",
    "?                this help, and away again",
    "",
];

fn help(frame: &mut Frame<'_>, area: Rect) {
    let (wide, high) = (56.min(area.width), (KEYS.len() as u16 + 1).min(area.height));
    let at = Rect::new(area.x + (area.width - wide) / 2, area.y + (area.height - high) / 2, wide, high);
    frame.render_widget(Clear, at);
    let lines: Vec<Line<'_>> = KEYS.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), at);
}
