//! The plan of a training step as a graph: what feeds what.

use super::canvas::{Anchor, Canvas, Drawn, Font, Point, Rect, page, shorten, width};
use super::layout::{Sizes, layout};
use super::lines::{MARGIN, TITLE, heading};
use super::palette::{BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Stroke, VERMILLION, WHITE, mix, text_on};
use super::panel::no_data;
use super::route::{around, free, routes};
use plotters::style::RGBColor;
use std::collections::BTreeMap;

/// Which part of a step a node belongs to: its colour, and a letter on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Fetching rows.
    Data,
    /// From layer to layer.
    Forward,
    /// The loss and its slope.
    Loss,
    /// Back through the layers.
    Backward,
    /// The norm of the gradients, and clipping by it.
    Clip,
    /// The optimizer.
    Update,
}

impl Group {
    fn name(self) -> &'static str {
        match self {
            Group::Data => "data",
            Group::Forward => "forward",
            Group::Loss => "loss",
            Group::Backward => "backward",
            Group::Clip => "norm and clip",
            Group::Update => "update",
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Group::Data => "D",
            Group::Forward => "F",
            Group::Loss => "L",
            Group::Backward => "B",
            Group::Clip => "N",
            Group::Update => "U",
        }
    }

    fn color(self) -> RGBColor {
        match self {
            Group::Data => GREY,
            Group::Forward => BLUE,
            Group::Loss => ORANGE,
            Group::Backward => VERMILLION,
            Group::Clip => PURPLE,
            Group::Update => GREEN,
        }
    }
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What edges call it.
    pub id: String,
    /// What is written in it.
    pub title: String,
    /// What is written below that, smaller; may be empty.
    pub subtitle: String,
    /// Its part of the step.
    pub group: Group,
}

impl Node {
    /// A box without a subtitle.
    pub fn new(id: impl Into<String>, title: impl Into<String>, group: Group) -> Self {
        Node { id: id.into(), title: title.into(), subtitle: String::new(), group }
    }

    /// With a second line.
    pub fn subtitle(self, subtitle: impl Into<String>) -> Self {
        Node { subtitle: subtitle.into(), ..self }
    }
}

/// An arrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The id of the node that it leaves.
    pub from: String,
    /// The id of the node that it points to.
    pub to: String,
    /// What is written on it; may be empty.
    pub label: String,
}

impl Edge {
    /// An arrow without a label.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Edge { from: from.into(), to: to.into(), label: String::new() }
    }

    /// With a label.
    pub fn label(self, label: impl Into<String>) -> Self {
        Edge { label: label.into(), ..self }
    }
}

const TAB: f64 = 18.0;
const LABEL: f64 = 10.5;

/// Draws nodes in layers from top to bottom, with an arrow for each edge; several edges between the same two nodes become one with all their
/// labels. An edge that closes a loop points up and is dashed. Edges from or to an id that no node has, and from a node to itself, are left out.
pub fn workflow(title: &str, nodes: &[Node], edges: &[Edge]) -> String {
    let (pairs, labels) = joined(nodes, edges);
    let text = |n: &Node| width(&n.title, 12.5).max(width(&n.subtitle, LABEL));
    let box_wide = (nodes.iter().map(text).fold(0.0, f64::max) + TAB + 22.0).clamp(110.0, 240.0);
    let box_high = if nodes.iter().any(|n| !n.subtitle.is_empty()) { 42.0 } else { 30.0 };
    let labelled = labels.iter().any(|l| !l.is_empty());
    let sizes = Sizes { node: (box_wide, box_high), beside: (28.0, 16.0), between: if labelled { 44.0 } else { 30.0 } };
    let places = layout(nodes.len(), &pairs, &sizes);
    let mut groups: Vec<Group> = nodes.iter().map(|n| n.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let legend_wide: f64 = groups.iter().map(|g| width(g.name(), 12.0) + 46.0).sum();
    let wide = (places.size.0 + 2.0 * MARGIN + 8.0)
        .max(legend_wide + 2.0 * MARGIN)
        .max(width(title, 17.0).min(700.0) * 1.06 + 2.0 * MARGIN)
        .max(360.0);
    let top = TITLE + 32.0;
    let high = top + places.size.1.max(120.0) + MARGIN + 4.0;
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        if nodes.is_empty() {
            return no_data(canvas, Rect::new(MARGIN, TITLE, wide - MARGIN, high - MARGIN));
        }
        legend(canvas, &groups, ((wide - legend_wide) / 2.0, TITLE + 6.0))?;
        let shift = ((wide - places.size.0) / 2.0, top);
        let lines = routes(&places, &pairs, &sizes, shift);
        let boxes: Vec<Rect> = places.nodes.iter().map(|p| around((p.0 + shift.0, p.1 + shift.1), box_wide, box_high)).collect();
        for (line, up) in lines.iter().zip(&places.upwards) {
            arrow(canvas, line, *up)?;
        }
        for (node, rect) in nodes.iter().zip(&boxes) {
            draw_node(canvas, node, *rect)?;
        }
        let mut taken = boxes;
        for (line, label) in lines.iter().zip(&labels).filter(|(_, label)| !label.is_empty()) {
            let half = (width(label, LABEL) / 2.0 + 2.0, LABEL / 2.0 + 1.5);
            let rect = free(line, half, &taken);
            canvas.rect(rect, WHITE, 0.9)?;
            canvas.text(
                ((rect.left + rect.right) / 2.0, (rect.top + rect.bottom) / 2.0),
                label,
                &Font::new(LABEL).at(Anchor::Middle).color(GREY),
            )?;
            taken.push(rect);
        }
        Ok(())
    })
}

/// Edges as pairs of places in `nodes`, each once, with their labels.
fn joined(nodes: &[Node], edges: &[Edge]) -> (Vec<(usize, usize)>, Vec<String>) {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        places.entry(&node.id).or_insert(i);
    }
    let (mut pairs, mut labels): (Vec<(usize, usize)>, Vec<String>) = Default::default();
    for edge in edges {
        let pair = places.get(edge.from.as_str()).copied().zip(places.get(edge.to.as_str()).copied());
        let Some(pair) = pair.filter(|(from, to)| from != to) else { continue };
        match pairs.iter().position(|p| *p == pair) {
            Some(i) if edge.label.is_empty() || labels[i] == edge.label => {}
            Some(i) if labels[i].is_empty() => labels[i].clone_from(&edge.label),
            Some(i) => labels[i] = format!("{}, {}", labels[i], edge.label),
            None => {
                pairs.push(pair);
                labels.push(edge.label.clone());
            }
        }
    }
    (pairs, labels)
}

fn arrow(canvas: &Canvas, line: &[Point], up: bool) -> Drawn {
    let [.., before, tip] = line else { return Ok(()) };
    let stroke = Stroke::solid(mix(GREY, WHITE, 0.15), 1.25);
    canvas.line(line, &if up { stroke.dashed(&[5.0, 3.0]) } else { stroke })?;
    // lines arrive vertically
    let back = if before.1 < tip.1 { tip.1 - 7.0 } else { tip.1 + 7.0 };
    canvas.polygon(&[*tip, (tip.0 - 3.5, back), (tip.0 + 3.5, back)], GREY, 1.0)
}

/// A box with round corners: a tab in the group's colour with its letter, and the texts.
fn draw_node(canvas: &Canvas, node: &Node, rect: Rect) -> Drawn {
    let color = node.group.color();
    let outline = rounded(rect, 7.0);
    canvas.polygon(&outline, WHITE, 1.0)?;
    canvas.polygon(&outline, color, 0.12)?;
    tab(canvas, rect, node.group)?;
    let closed: Vec<Point> = outline.iter().chain(outline.first()).copied().collect();
    canvas.line(&closed, &Stroke::solid(color, 1.25))?;
    let middle = (rect.left + TAB + rect.right) / 2.0;
    let room = rect.width() - TAB - 10.0;
    let y = (rect.top + rect.bottom) / 2.0;
    let title = Font::new(12.5).at(Anchor::Middle);
    if node.subtitle.is_empty() {
        return canvas.text((middle, y), &shorten(&node.title, room, 12.5), &title);
    }
    canvas.text((middle, y - 8.0), &shorten(&node.title, room, 12.5), &title)?;
    canvas.text((middle, y + 9.0), &shorten(&node.subtitle, room, LABEL), &Font::new(LABEL).at(Anchor::Middle).color(mix(GREY, INK, 0.3)))
}

fn tab(canvas: &Canvas, rect: Rect, group: Group) -> Drawn {
    let right = rect.left + TAB;
    let mut left_half: Vec<Point> = rounded(rect, 7.0).into_iter().filter(|p| p.0 < right).collect();
    // the outline starts at the top right: what is left of it goes from the bottom left corner up to the top left one
    left_half.push((right, rect.top));
    left_half.push((right, rect.bottom));
    canvas.polygon(&left_half, group.color(), 1.0)?;
    let font = Font::new(11.0).at(Anchor::Middle).bold().color(text_on(group.color()));
    canvas.text((rect.left + TAB / 2.0, (rect.top + rect.bottom) / 2.0), group.letter(), &font)
}

/// The corners of a rectangle as quarter circles, clockwise on the page from the top right.
fn rounded(rect: Rect, radius: f64) -> Vec<Point> {
    let corners = [
        (rect.right - radius, rect.top + radius, -90.0),
        (rect.right - radius, rect.bottom - radius, 0.0),
        (rect.left + radius, rect.bottom - radius, 90.0),
        (rect.left + radius, rect.top + radius, 180.0_f64),
    ];
    corners
        .iter()
        .flat_map(|(x, y, from)| {
            (0..=5).map(move |i| (from + 18.0 * f64::from(i)).to_radians()).map(move |a| (x + radius * a.cos(), y + radius * a.sin()))
        })
        .collect()
}

fn legend(canvas: &Canvas, groups: &[Group], (left, y): Point) -> Drawn {
    let mut x = left;
    for group in groups {
        canvas.polygon(&rounded(Rect::new(x, y - 9.0, x + TAB, y + 9.0), 5.0), group.color(), 1.0)?;
        let font = Font::new(11.0).at(Anchor::Middle).bold().color(text_on(group.color()));
        canvas.text((x + TAB / 2.0, y), group.letter(), &font)?;
        canvas.text((x + TAB + 6.0, y), group.name(), &Font::new(12.0))?;
        x += width(group.name(), 12.0) + 46.0;
    }
    Ok(())
}
