//! The legend: a column at the right of the axes, so that it hides nothing.

use super::canvas::{Canvas, Drawn, Font, Rect, shorten, width};
use super::panel::{Look, point};

const SIZE: f64 = 12.0;
const ROW: f64 = 19.0;
const SAMPLE: f64 = 30.0;
const WIDEST: f64 = 190.0;

/// How much room the column takes.
pub(super) fn room<'a>(names: impl IntoIterator<Item = &'a str>) -> f64 {
    names.into_iter().map(|name| width(name, SIZE)).fold(0.0, f64::max).min(WIDEST) + SAMPLE + 26.0
}

/// How high the column is.
pub(super) fn height(entries: usize) -> f64 {
    entries as f64 * ROW
}

/// Draws the column from the point down.
pub(super) fn draw(canvas: &Canvas, (left, top): (f64, f64), entries: &[(&str, Look)]) -> Drawn {
    for (i, (name, look)) in entries.iter().enumerate() {
        let y = top + (i as f64 + 0.5) * ROW;
        sample(canvas, (left, y), look)?;
        canvas.text((left + SAMPLE + 8.0, y), &shorten(name, WIDEST, SIZE), &Font::new(SIZE))?;
    }
    Ok(())
}

/// A row of samples with their names.
pub(super) fn row(canvas: &Canvas, (left, y): (f64, f64), entries: &[(&str, Look)]) -> Drawn {
    let mut x = left;
    for (name, look) in entries {
        sample(canvas, (x, y), look)?;
        canvas.text((x + SAMPLE + 6.0, y), name, &Font::new(SIZE))?;
        x += SAMPLE + 26.0 + width(name, SIZE);
    }
    Ok(())
}

fn sample(canvas: &Canvas, (left, y): (f64, f64), look: &Look) -> Drawn {
    let middle = left + SAMPLE / 2.0;
    match look {
        Look::Points(stroke) => {
            return [-9.0, 0.0, 9.0].into_iter().try_for_each(|x| point(canvas, (middle + x, y), look, stroke));
        }
        Look::Both(stroke) => point(canvas, (middle, y), look, stroke)?,
        Look::Line(_) => {}
    }
    if let Look::Line(stroke) | Look::Both(stroke) = look {
        canvas.line(&[(left, y), (left + SAMPLE, y)], stroke)?;
        if let Some(marker) = stroke.marker {
            canvas.marker((middle, y), 3.5, marker, stroke.color)?;
        }
    }
    Ok(())
}

/// The page without its title, margins and the legend's column: where the axes go, and where the legend starts.
pub(super) fn beside(page: Rect, room: f64) -> (Rect, (f64, f64)) {
    (Rect { right: page.right - room, ..page }, (page.right - room + 14.0, page.top))
}
