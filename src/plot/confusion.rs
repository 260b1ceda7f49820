//! Which class is taken for which.

use super::axis::short;
use super::canvas::{Anchor, Canvas, Drawn, Font, Rect, page, shorten, width};
use super::lines::{MARGIN, TEXT, TITLE, heading};
use super::palette::{BLUES, GREY, Stroke, ramp, text_on};
use super::panel::no_data;

/// Room for a class's name, in pixels.
const NAME: f64 = 110.0;

/// Counts by true class (down) and predicted class (across): `counts[true · classes + predicted]`, as scikit-learn lays it out. A cell is
/// the darker the larger its share of its row is. The count stands in each cell where there is room for it.
pub fn confusion_matrix(title: &str, classes: &[String], counts: &[u64]) -> String {
    let n = classes.len();
    let cell = (560.0 / n.max(1) as f64).clamp(20.0, 90.0);
    let side = cell * n.max(2) as f64;
    let longest = classes.iter().map(|name| width(name, TEXT)).fold(0.0, f64::max).min(NAME);
    // names across are turned where one is wider than its column
    let turned = classes.iter().any(|name| width(name, TEXT) > cell - 6.0);
    let below = if turned { longest } else { TEXT };
    let left = MARGIN + 24.0 + longest + 8.0;
    let wide = (left + side + 90.0).max(width(title, 17.0).min(560.0) + 2.0 * MARGIN + 24.0);
    let high = TITLE + side + below + 46.0;
    page(title, (wide, high), |canvas| {
        heading(canvas, title, wide)?;
        let grid = Rect::new(left, TITLE, left + side, TITLE + side);
        if n == 0 || counts.len() != n * n {
            return no_data(canvas, grid);
        }
        let grid = Rect { right: left + cell * n as f64, bottom: TITLE + cell * n as f64, ..grid };
        canvas.rect(grid, ramp(&BLUES, 0.0), 1.0)?;
        for (t, row) in counts.chunks(n).enumerate() {
            let sum: f64 = row.iter().map(|c| *c as f64).sum();
            for (p, count) in row.iter().enumerate() {
                let (x, y) = (grid.left + p as f64 * cell, grid.top + t as f64 * cell);
                let ground = ramp(&BLUES, if sum > 0.0 { *count as f64 / sum } else { 0.0 });
                if *count > 0 {
                    canvas.rect(Rect::new(x, y, x + cell, y + cell), ground, 1.0)?;
                }
                let size = (0.34 * cell).clamp(8.0, 15.0);
                let text = if width(&count.to_string(), size) > cell - 3.0 { short(*count as f64) } else { count.to_string() };
                // a zero in a large matrix only makes the others harder to see
                if width(&text, size) <= cell - 2.0 && cell >= 20.0 && (*count > 0 || n <= 12) {
                    canvas.text((x + cell / 2.0, y + cell / 2.0), &text, &Font::new(size).at(Anchor::Middle).color(text_on(ground)))?;
                }
            }
        }
        canvas.frame(grid, &Stroke::solid(GREY, 1.0))?;
        names(canvas, grid, cell, classes, turned)?;
        let across = ((grid.left + grid.right) / 2.0, grid.bottom + below + 26.0);
        canvas.text(across, "predicted class", &Font::new(TEXT + 1.0).at(Anchor::Middle))?;
        let down = (MARGIN + 6.0, (grid.top + grid.bottom) / 2.0);
        canvas.text(down, "true class", &Font::new(TEXT + 1.0).at(Anchor::Middle).turned())?;
        shares(canvas, (grid.right + 22.0, grid.top), grid.height().min(200.0))
    })
}

fn names(canvas: &Canvas, grid: Rect, cell: f64, classes: &[String], turned: bool) -> Drawn {
    for (i, class) in classes.iter().enumerate() {
        let name = shorten(class, NAME, TEXT);
        let along = (i as f64 + 0.5) * cell;
        canvas.text((grid.left - 8.0, grid.top + along), &name, &Font::new(TEXT).at(Anchor::End))?;
        let font = Font::new(TEXT);
        if turned {
            canvas.text((grid.left + along, grid.bottom + 8.0), &name, &font.at(Anchor::End).turned())?;
        } else {
            canvas.text((grid.left + along, grid.bottom + 8.0 + TEXT / 2.0), &name, &font.at(Anchor::Middle))?;
        }
    }
    Ok(())
}

/// What a shade means.
fn shares(canvas: &Canvas, (left, top): (f64, f64), height: f64) -> Drawn {
    let step = height / 50.0;
    for i in 0..50 {
        let y = top + f64::from(i) * step;
        // down to the end, so that no ground shines through between two
        canvas.rect(Rect::new(left, y, left + 12.0, top + height), ramp(&BLUES, 1.0 - (f64::from(i) + 0.5) / 50.0), 1.0)?;
    }
    canvas.frame(Rect::new(left, top, left + 12.0, top + height), &Stroke::solid(GREY, 0.75))?;
    for (share, text) in [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")] {
        canvas.text((left + 18.0, top + (1.0 - share) * height), text, &Font::new(11.0))?;
    }
    canvas.text((left, top + height + 16.0), "of the row", &Font::new(11.0))
}
