//! The ways of the edges of a layered graph, and the places of their labels.

use super::canvas::{Point, Rect};
use super::layout::{Layout, Sizes};

/// A rectangle round its middle.
pub(super) fn around((x, y): Point, wide: f64, high: f64) -> Rect {
    Rect::new(x - wide / 2.0, y - high / 2.0, x + wide / 2.0, y + high / 2.0)
}

/// Each edge as a smooth line in the direction of its arrow. Edges leave and reach a box side by side, in the order of where they go.
pub(super) fn routes(places: &Layout, pairs: &[(usize, usize)], sizes: &Sizes, shift: Point) -> Vec<Vec<Point>> {
    let mut lines: Vec<Vec<Point>> = places.routes.iter().map(|r| r.iter().map(|p| (p.0 + shift.0, p.1 + shift.1)).collect()).collect();
    let half = sizes.node.1 / 2.0;
    let ends: Vec<(usize, usize)> = pairs.iter().zip(&places.upwards).map(|(&(a, b), up)| if *up { (b, a) } else { (a, b) }).collect();
    let mut ports = lines.clone();
    for node in 0..places.nodes.len() {
        for lower in [false, true] {
            let neighbour = |line: &Vec<Point>| if lower { line[line.len() - 2].0 } else { line[1].0 };
            let mut here: Vec<usize> = (0..lines.len()).filter(|e| node == if lower { ends[*e].1 } else { ends[*e].0 }).collect();
            here.sort_by(|a, b| neighbour(&lines[*a]).total_cmp(&neighbour(&lines[*b])));
            let step = (0.7 * sizes.node.0 / here.len().max(1) as f64).min(22.0);
            for (i, edge) in here.iter().enumerate() {
                let line = &mut ports[*edge];
                let at = if lower { line.len() - 1 } else { 0 };
                line[at].0 += (i as f64 - (here.len() - 1) as f64 / 2.0) * step;
            }
        }
    }
    for ((line, ports), up) in lines.iter_mut().zip(ports).zip(&places.upwards) {
        let last = ports.len() - 1;
        let mut smooth: Vec<Point> = Vec::new();
        for (i, (x, y)) in ports.iter().copied().enumerate() {
            // a line that passes a layer goes straight down beside its boxes
            if i > 0 {
                let from = smooth.last().copied().unwrap_or((x, y));
                bend(&mut smooth, from, (x, y - half));
            }
            if i < last {
                smooth.push((x, y + half));
            }
        }
        if *up {
            smooth.reverse();
        }
        *line = smooth;
    }
    lines
}

/// A cubic Bézier curve that leaves and arrives vertically.
fn bend(line: &mut Vec<Point>, from: Point, to: Point) {
    if (from.0 - to.0).abs() < 0.5 {
        line.push((from.0, to.1));
        return;
    }
    let middle = (from.1 + to.1) / 2.0;
    for i in 1..=14 {
        let t = f64::from(i) / 14.0;
        let u = 1.0 - t;
        let (a, b, c, d) = (u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t);
        line.push(((a + b) * from.0 + (c + d) * to.0, a * from.1 + (b + c) * middle + d * to.1));
    }
}

/// A place for a label on its line: the first that covers nothing, or the middle.
pub(super) fn free(line: &[Point], half: (f64, f64), taken: &[Rect]) -> Rect {
    let length: f64 = line.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum();
    let at = |share: f64| {
        let mut left = share * length;
        for pair in line.windows(2) {
            let step = (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1);
            if left <= step && step > 0.0 {
                return (pair[0].0 + (pair[1].0 - pair[0].0) * left / step, pair[0].1 + (pair[1].1 - pair[0].1) * left / step);
            }
            left -= step;
        }
        line.last().copied().unwrap_or_default()
    };
    let rect = |share: f64| around(at(share), 2.0 * half.0, 2.0 * half.1);
    let clear = |r: &Rect| {
        taken.iter().all(|t| r.right + 3.0 < t.left || t.right + 3.0 < r.left || r.bottom + 3.0 < t.top || t.bottom + 3.0 < r.top)
    };
    let shares = (0..20).flat_map(|i| [0.5 + 0.024 * f64::from(i), 0.5 - 0.024 * f64::from(i)]);
    shares.map(rect).find(clear).unwrap_or_else(|| rect(0.5))
}
