//! A white page to draw on in pixels, and its SVG text.

use super::palette::{INK, Marker, Stroke, WHITE};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;
pub(super) type Point = (f64, f64);

/// plotters counts in whole units: four of them a pixel keep curves smooth.
const UNITS: f64 = 4.0;
/// plotters divides a font's size by this before it writes it.
const FONT: f64 = 1.24;

pub(super) fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

/// A rectangle in pixels, y down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    pub(super) fn new(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Rect { left, top, right, bottom }
    }

    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// Where a text is relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Size in pixels, colour, and where the text stands; vertically it is centred on its point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
    /// Reads upwards.
    pub(super) turned: bool,
}

impl Font {
    pub(super) const fn new(size: f64) -> Self {
        Font { size, color: INK, anchor: Anchor::Start, bold: false, turned: false }
    }

    pub(super) const fn at(self, anchor: Anchor) -> Self {
        Font { anchor, ..self }
    }

    pub(super) const fn color(self, color: RGBColor) -> Self {
        Font { color, ..self }
    }

    pub(super) const fn bold(self) -> Self {
        Font { bold: true, ..self }
    }

    pub(super) const fn turned(self) -> Self {
        Font { turned: true, ..self }
    }

    pub(super) fn style(&self) -> TextStyle<'_> {
        let weight = if self.bold { FontStyle::Bold } else { FontStyle::Normal };
        let horizontal = match self.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let turn = if self.turned { FontTransform::Rotate270 } else { FontTransform::None };
        let font = FontDesc::new(FontFamily::SansSerif, self.size * UNITS * FONT, weight).transform(turn);
        TextStyle::from(font).color(&self.color).pos(Pos::new(horizontal, VPos::Center))
    }
}

/// The page.
pub(super) struct Canvas<'a> {
    pub(super) area: Area<'a>,
}

impl Canvas<'_> {
    pub(super) fn line(&self, points: &[Point], stroke: &Stroke) -> Drawn {
        if stroke.dash.is_empty() {
            return self.polyline(points, stroke);
        }
        for piece in dashes(points, stroke.dash) {
            self.polyline(&piece, stroke)?;
        }
        Ok(())
    }

    fn polyline(&self, points: &[Point], stroke: &Stroke) -> Drawn {
        let style = stroke.color.mix(stroke.opacity).stroke_width(units(stroke.width).max(1) as u32);
        let mut path: Vec<(i32, i32)> = points.iter().map(whole).collect();
        path.dedup();
        if path.len() < 2 { Ok(()) } else { self.area.draw(&PathElement::new(path, style)) }
    }

    pub(super) fn polygon(&self, points: &[Point], color: RGBColor, opacity: f64) -> Drawn {
        let mut path: Vec<(i32, i32)> = points.iter().map(whole).collect();
        path.dedup();
        if path.len() < 3 { Ok(()) } else { self.area.draw(&Polygon::new(path, color.mix(opacity))) }
    }

    pub(super) fn rect(&self, rect: Rect, color: RGBColor, opacity: f64) -> Drawn {
        let corners = [whole(&(rect.left, rect.top)), whole(&(rect.right, rect.bottom))];
        self.area.draw(&Rectangle::new(corners, color.mix(opacity).filled()))
    }

    pub(super) fn frame(&self, rect: Rect, stroke: &Stroke) -> Drawn {
        let Rect { left, top, right, bottom } = rect;
        self.line(&[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], stroke)
    }

    pub(super) fn dot(&self, at: Point, radius: f64, color: RGBColor, opacity: f64) -> Drawn {
        self.area.draw(&Circle::new(whole(&at), units(radius).max(1), color.mix(opacity).filled()))
    }

    pub(super) fn marker(&self, (x, y): Point, radius: f64, marker: Marker, color: RGBColor) -> Drawn {
        let r = radius;
        match marker {
            Marker::Circle => self.dot((x, y), r, color, 1.0),
            Marker::Square => self.rect(Rect::new(x - 0.9 * r, y - 0.9 * r, x + 0.9 * r, y + 0.9 * r), color, 1.0),
            Marker::Triangle => self.polygon(&[(x, y - 1.2 * r), (x + 1.1 * r, y + 0.8 * r), (x - 1.1 * r, y + 0.8 * r)], color, 1.0),
            Marker::Diamond => self.polygon(&[(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)], color, 1.0),
            Marker::Cross => {
                let stroke = Stroke::solid(color, 0.6 * r);
                self.line(&[(x - r, y - r), (x + r, y + r)], &stroke)?;
                self.line(&[(x - r, y + r), (x + r, y - r)], &stroke)
            }
        }
    }

    pub(super) fn text(&self, at: Point, text: &str, font: &Font) -> Drawn {
        if text.is_empty() {
            return Ok(());
        }
        self.area.draw_text(&clean(text), &font.style(), whole(&at))
    }
}

fn whole(point: &Point) -> (i32, i32) {
    (units(point.0), units(point.1))
}

/// The pieces of a line that a dash pattern leaves.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    let mut pieces = Vec::new();
    let Some(mut at) = points.first().copied() else { return pieces };
    let (mut part, mut left, mut piece) = (0, pattern[0], vec![at]);
    for &to in &points[1..] {
        let mut length = (to.0 - at.0).hypot(to.1 - at.1);
        while length > left {
            at = (at.0 + (to.0 - at.0) * left / length, at.1 + (to.1 - at.1) * left / length);
            length -= left;
            if part % 2 == 0 {
                piece.push(at);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![at];
            }
            part = (part + 1) % pattern.len();
            left = pattern[part];
        }
        left -= length;
        at = to;
        if part % 2 == 0 {
            piece.push(at);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

/// Characters that XML 1.0 has no place for become the replacement character; line ends become spaces.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || c == '\u{FFFE}' || c == '\u{FFFF}' => '\u{FFFD}',
            c => c,
        })
        .collect()
}

fn escape(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&apos;")
}

/// About how wide a text is in pixels: the widths of Helvetica by kind of letter, and a tenth more for wider fonts.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.26,
        'f' | 't' | 'r' | 'I' | '(' | ')' | '[' | ']' | ' ' | '-' | '/' => 0.34,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.88,
        'A'..='Z' => 0.69,
        c if c.is_ascii() => 0.56,
        c if (c as u32) < 0x2E80 => 0.66,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size * 1.1
}

/// The text, or as much of it as there is room for, and an ellipsis.
pub(super) fn shorten(text: &str, room: f64, size: f64) -> String {
    if width(text, size) <= room {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) + width("…", size) > room {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

/// A page of this many pixels, with what `draw` puts on it. Writing to a `String` does not fail; if it did, the page would say so.
pub(super) fn page(title: &str, (wide, high): (f64, f64), draw: impl FnOnce(&Canvas) -> Drawn) -> String {
    let mut text = String::new();
    let size = (units(wide) as u32, units(high) as u32);
    let drawn = {
        let canvas = Canvas { area: SVGBackend::with_string(&mut text, size).into_drawing_area() };
        canvas.area.fill(&WHITE).and_then(|()| draw(&canvas)).and_then(|()| canvas.area.present())
    };
    let title = escape(title);
    let head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide:.0}\" height=\"{high:.0}\" viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{title}</title>\n",
        size.0, size.1
    );
    match drawn {
        // plotters' own first line is replaced: it has the size in its units, and no title
        Ok(()) => head + &tidy(text.split_once('\n').map_or("", |(_, rest)| rest)),
        Err(error) => head + &format!("<text x=\"40\" y=\"80\" font-size=\"48\">{}</text>\n</svg>\n", escape(&error.to_string())),
    }
}

/// A text stands on one line with its tags, so that no renderer makes spaces of line ends; full opacity goes without saying.
fn tidy(svg: &str) -> String {
    svg.replace(" opacity=\"1\"", "").replace(" \"/>", "\"/>").replace("\n</text>", "</text>").lines().fold(
        String::with_capacity(svg.len()),
        |mut out, line| {
            out.push_str(line);
            if !line.starts_with("<text") {
                out.push('\n');
            }
            out
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_pattern_goes_round_corners() {
        // 3 on, 2 off along 4 right and 4 down: on 0 to 3, off 3 to 5, on 5 to 8
        let pieces = dashes(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)], &[3.0, 2.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 1.0), (4.0, 4.0)]]);
        assert_eq!(dashes(&[], &[3.0, 2.0]), Vec::<Vec<Point>>::new());
    }

    #[test]
    fn a_long_name_ends_in_an_ellipsis_and_fits() {
        let short = shorten("a very long name of a class", 80.0, 12.0);
        assert!(short.ends_with('…') && short.starts_with("a very") && width(&short, 12.0) <= 80.0, "{short}");
        assert_eq!(shorten("cat", 80.0, 12.0), "cat");
    }
}
