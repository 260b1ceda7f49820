//! Vertical marks: where their labels stand above the axes.

use super::canvas::{Anchor, Drawn, Font, Rect, shorten, width};
use super::lines::Mark;
use super::palette::{INK, Stroke};
use super::panel::Panel;

impl Panel<'_, '_> {
    /// Dashed vertical lines, each up to its label above the axes.
    pub(super) fn marks(&self, marks: &[Mark], size: f64) -> Drawn {
        let place = |m: &Mark| self.x.place(m.x).filter(|x| self.x.holds(*x)).map(|x| self.at((x, self.y.low)).0);
        let labels: Vec<String> = marks.iter().map(|m| shorten(&m.label, 0.45 * self.rect.width(), size)).collect();
        let mut there: Vec<(f64, &str)> = marks.iter().zip(&labels).filter_map(|(m, l)| place(m).map(|x| (x, l.as_str()))).collect();
        there.sort_by(|a, b| a.0.total_cmp(&b.0));
        for ((x, label), (left, row)) in there.iter().zip(label_places(&there, self.rect, size)) {
            let y = self.rect.top - (0.8 + 1.4 * row as f64) * size;
            // the line goes up beside its label, or ends below it
            let over = left < *x && *x < left + width(label, size);
            let end = if over { y + 0.7 * size } else { y - 0.6 * size };
            self.canvas.line(&[(*x, self.rect.bottom), (*x, end)], &Stroke::solid(INK, 1.0).dashed(&[4.0, 3.0]))?;
            self.canvas.text((left + width(label, size) / 2.0, y), label, &Font::new(size).at(Anchor::Middle))?;
        }
        Ok(())
    }
}

/// How many rows of labels there may be above the axes.
pub(super) const MARK_ROWS: usize = 3;

/// Where each label of a mark starts, and in which row above the axes: over its line or at a side of it, so that it covers neither another
/// label nor another line. The marks are in the order of their places.
fn label_places(marks: &[(f64, &str)], rect: Rect, size: f64) -> Vec<(f64, usize)> {
    let mut placed: Vec<(f64, f64, usize)> = Vec::new();
    for (i, (x, label)) in marks.iter().enumerate() {
        let wide = width(label, size);
        let over = (x - wide / 2.0).clamp(rect.left, (rect.right - wide).max(rect.left));
        let candidates = (0..MARK_ROWS).flat_map(|row| [over, x - wide - 3.0, x + 3.0].map(|left| (left, left + wide, row)));
        let fits = |(left, right, row): &(f64, f64, usize)| {
            let hits = |at: f64| (left - 2.0..=right + 2.0).contains(&at);
            let inside = *left >= rect.left && *right <= rect.right;
            // a line yet to get its label reaches at least the first row
            let lines =
                marks.iter().enumerate().filter(|(j, _)| *j != i).any(|(j, (x, _))| hits(*x) && *row <= placed.get(j).map_or(0, |p| p.2));
            let labels = placed.iter().any(|p| p.2 == *row && *left < p.1 + 8.0 && p.0 < right + 8.0);
            let under = placed.iter().any(|p| p.2 < *row && (p.0 - 2.0..=p.1 + 2.0).contains(x));
            inside && !lines && !labels && !under
        };
        placed.push(candidates.into_iter().find(fits).unwrap_or((over, over + wide, MARK_ROWS - 1)));
    }
    placed.into_iter().map(|(left, _, row)| (left, row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_marks_cover_neither_each_other_nor_other_lines() {
        let rect = Rect::new(50.0, 90.0, 650.0, 430.0);
        for marks in [
            &[(300.0, "best, epoch 12")][..],
            &[(300.0, "steepest 3.2e-3"), (307.0, "valley 4.1e-3"), (350.0, "minimum/10 0.02")],
            &[(51.0, "best, epoch 1"), (60.0, "stopped, epoch 2")],
            &[(640.0, "best, epoch 31"), (649.0, "stopped, epoch 32")],
            &[(300.0, "here"), (300.0, "and here")],
        ] {
            let placed = label_places(marks, rect, 12.0);
            let spans: Vec<(f64, f64, usize)> = placed.iter().zip(marks).map(|(p, m)| (p.0, p.0 + width(m.1, 12.0), p.1)).collect();
            for (i, a) in spans.iter().enumerate() {
                assert!(a.0 >= rect.left && a.1 <= rect.right, "{marks:?}: {spans:?}");
                for (j, b) in spans.iter().enumerate().filter(|(j, _)| *j != i) {
                    assert!(a.2 != b.2 || a.1 < b.0 || b.1 < a.0, "labels {i} and {j} of {marks:?}: {spans:?}");
                    // the line of the other reaches its own row
                    assert!(a.2 > b.2 || !(a.0..a.1).contains(&marks[j].0), "label {i} and line {j} of {marks:?}: {spans:?}");
                }
            }
        }
    }
}
