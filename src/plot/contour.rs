//! Closed contours of a grid of values (marching squares), for filling one level over the other.

use super::canvas::Point;
use std::collections::BTreeMap;

/// A grid of values, rows of `columns`, with a place at every whole number.
pub(super) struct Grid<'a> {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) values: &'a [f64],
}

/// A closed contour; `higher` says whether the values within are above the level or below.
pub(super) struct Contour {
    pub(super) points: Vec<Point>,
    pub(super) area: f64,
    pub(super) higher: bool,
}

/// The sides of a cell.
#[derive(Clone, Copy)]
enum Side {
    Bottom,
    Right,
    Top,
    Left,
}
use Side::*;

impl Grid<'_> {
    /// Below every level outside the grid, so that every contour is closed.
    fn value(&self, x: i64, y: i64) -> f64 {
        let inside = (0..self.columns as i64).contains(&x) && (0..self.rows as i64).contains(&y);
        if inside { self.values[y as usize * self.columns + x as usize] } else { f64::NEG_INFINITY }
    }

    /// All contours of a level. Values at it count as above.
    pub(super) fn contours(&self, level: f64) -> Vec<Contour> {
        let mut next: BTreeMap<(i64, i64, bool), (i64, i64, bool)> = BTreeMap::new();
        for y in -1..self.rows as i64 {
            for x in -1..self.columns as i64 {
                let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| self.value(x, y));
                let kind = corners.iter().enumerate().map(|(i, v)| usize::from(*v >= level) << i).sum::<usize>();
                let edge = |side: Side| match side {
                    Bottom => (x, y, true),
                    Top => (x, y + 1, true),
                    Left => (x, y, false),
                    Right => (x + 1, y, false),
                };
                for (from, to) in segments(kind, corners.iter().sum::<f64>() / 4.0 >= level) {
                    next.insert(edge(*from), edge(*to));
                }
            }
        }
        let mut contours = Vec::new();
        while let Some((start, mut at)) = next.pop_first() {
            let mut points = vec![self.crossing(start, level)];
            while at != start {
                points.push(self.crossing(at, level));
                match next.remove(&at) {
                    Some(to) => at = to,
                    None => break,
                }
            }
            // the shoelace formula: counter-clockwise is positive, and the higher side is at the left
            let twice: f64 =
                (0..points.len()).map(|i| (points[i], points[(i + 1) % points.len()])).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
            contours.push(Contour { points, area: twice.abs() / 2.0, higher: twice > 0.0 });
        }
        contours
    }

    /// Where the level crosses an edge, which starts at (x, y) and goes right (`true`) or up.
    fn crossing(&self, (x, y, right): (i64, i64, bool), level: f64) -> Point {
        let (dx, dy) = if right { (1, 0) } else { (0, 1) };
        let (a, b) = (self.value(x, y), self.value(x + dx, y + dy));
        // at the border, on the grid's own side
        let share = if a.is_infinite() {
            1.0
        } else if b.is_infinite() {
            0.0
        } else {
            ((level - a) / (b - a)).clamp(0.0, 1.0)
        };
        (x as f64 + dx as f64 * share, y as f64 + dy as f64 * share)
    }
}

/// How a level crosses a cell, with the higher side at the left; bit by bit, which corners are above: bottom left, bottom right, top right, top
/// left. Where opposite corners are, the mean decides whether they are joined.
fn segments(kind: usize, joined: bool) -> &'static [(Side, Side)] {
    match kind {
        1 => &[(Bottom, Left)],
        2 => &[(Right, Bottom)],
        3 => &[(Right, Left)],
        4 => &[(Top, Right)],
        5 if joined => &[(Bottom, Right), (Top, Left)],
        5 => &[(Bottom, Left), (Top, Right)],
        6 => &[(Top, Bottom)],
        7 => &[(Top, Left)],
        8 => &[(Left, Top)],
        9 => &[(Bottom, Top)],
        10 if joined => &[(Left, Bottom), (Right, Top)],
        10 => &[(Right, Bottom), (Left, Top)],
        11 => &[(Right, Top)],
        12 => &[(Left, Right)],
        13 => &[(Bottom, Right)],
        14 => &[(Left, Bottom)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contour_of_a_cone_is_a_circle() {
        // the distance to (20, 20): the contour of 10 has area π·10² = 314, low within
        let values: Vec<f64> = (0..41 * 41).map(|i| f64::from(i % 41 - 20).hypot(f64::from(i / 41 - 20))).collect();
        let contours = Grid { columns: 41, rows: 41, values: &values }.contours(10.0);
        let inner: Vec<&Contour> = contours.iter().filter(|c| !c.higher).collect();
        assert_eq!(inner.len(), 1);
        assert!((inner[0].area - 314.16).abs() < 2.0, "{}", inner[0].area);
        assert!(inner[0].points.iter().all(|(x, y)| ((x - 20.0).hypot(y - 20.0) - 10.0).abs() < 0.1));
        // and around all that is above, the border: 40 × 40
        let outer: Vec<&Contour> = contours.iter().filter(|c| c.higher).collect();
        assert_eq!(outer.iter().map(|c| c.area).collect::<Vec<_>>(), [1600.0]);
    }

    #[test]
    fn every_saddle_closes_its_contours() {
        // a chess board: all cells are saddles
        let values: Vec<f64> = (0..49).map(|i| f64::from((i % 7 + i / 7) % 2)).collect();
        for level in [0.4, 0.5, 0.6] {
            let contours = Grid { columns: 7, rows: 7, values: &values }.contours(level);
            assert!(contours.iter().all(|c| c.points.len() >= 3), "level {level}");
            // above minus below: what is within the level, at most the whole board
            let area: f64 = contours.iter().map(|c| if c.higher { c.area } else { -c.area }).sum();
            assert!((0.0..=36.0).contains(&area), "level {level}: {area}");
        }
    }
}
