//! Colours, dash patterns and markers: which series looks how.

use plotters::prelude::RGBColor;

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GREY: RGBColor = RGBColor(0x66, 0x66, 0x66);
pub(super) const GRID: RGBColor = RGBColor(0xE2, 0xE2, 0xE2);
pub(super) const FAINT_GRID: RGBColor = RGBColor(0xF1, 0xF1, 0xF1);
pub(super) const BLACK: RGBColor = RGBColor(0, 0, 0);
pub(super) const WHITE: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

pub(super) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const VERMILLION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub(super) const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub(super) const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);

/// Okabe and Ito's colours, those that are farthest apart first; without their yellow, which is too pale for a line on white.
pub(super) const COLOURS: [RGBColor; 7] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK];

/// On and off lengths in pixels: solid, dashed, dotted, dash-dot.
pub(super) const DASHES: [&[f64]; 4] = [&[], &[8.0, 4.0], &[2.0, 3.0], &[9.0, 3.0, 2.0, 3.0]];

/// What is put on a line, or at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

pub(super) const MARKERS: [Marker; 5] = [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Cross];

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: RGBColor,
    pub(super) width: f64,
    pub(super) dash: &'static [f64],
    pub(super) opacity: f64,
    pub(super) marker: Option<Marker>,
}

impl Stroke {
    pub(super) const fn solid(color: RGBColor, width: f64) -> Self {
        Stroke { color, width, dash: DASHES[0], opacity: 1.0, marker: None }
    }

    pub(super) const fn dashed(self, dash: &'static [f64]) -> Self {
        Stroke { dash, ..self }
    }

    /// The look of the series at this place. The first four differ in dash pattern, the next in marker, too: colour is never the only cue.
    pub(super) fn of(index: usize) -> Self {
        // none, then each in turn
        let round = index / DASHES.len() % (MARKERS.len() + 1);
        Stroke {
            marker: round.checked_sub(1).map(|i| MARKERS[i]),
            ..Stroke::solid(COLOURS[index % COLOURS.len()], 1.75).dashed(DASHES[index % DASHES.len()])
        }
    }
}

/// From white to dark blue, for areas (ColorBrewer's Blues).
pub(super) const BLUES: [RGBColor; 6] = [
    RGBColor(0xF7, 0xFB, 0xFF),
    RGBColor(0xD2, 0xE3, 0xF3),
    RGBColor(0x9E, 0xCA, 0xE1),
    RGBColor(0x57, 0xA0, 0xCE),
    RGBColor(0x21, 0x71, 0xB5),
    RGBColor(0x08, 0x30, 0x6B),
];

/// From white to a light grey, for the ground under lines of all colours.
pub(super) const GREYS: [RGBColor; 6] = [
    RGBColor(0xFD, 0xFD, 0xFD),
    RGBColor(0xF2, 0xF2, 0xF2),
    RGBColor(0xE7, 0xE7, 0xE7),
    RGBColor(0xDB, 0xDB, 0xDB),
    RGBColor(0xCF, 0xCF, 0xCF),
    RGBColor(0xC2, 0xC2, 0xC2),
];

/// From light to dark, for lines (viridis turned round, without the yellow that is lost on white).
pub(super) const VIRIDIS: [RGBColor; 6] = [
    RGBColor(0xA2, 0xCF, 0x2B),
    RGBColor(0x4A, 0xB8, 0x6A),
    RGBColor(0x21, 0x91, 0x8C),
    RGBColor(0x2F, 0x6C, 0x8E),
    RGBColor(0x41, 0x44, 0x87),
    RGBColor(0x44, 0x01, 0x54),
];

/// The colour at `t` from 0 to 1 along a ramp.
pub(super) fn ramp(colours: &[RGBColor; 6], t: f64) -> RGBColor {
    let place = if t.is_finite() { t.clamp(0.0, 1.0) * 5.0 } else { 0.0 };
    let below = (place.floor() as usize).min(4);
    mix(colours[below], colours[below + 1], place - below as f64)
}

/// `a` for 0, `b` for 1.
pub(super) fn mix(a: RGBColor, b: RGBColor, share: f64) -> RGBColor {
    let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    RGBColor(channel(a.0, b.0), channel(a.1, b.1), channel(a.2, b.2))
}

/// Relative luminance as WCAG 2.2 defines it: 0 black, 1 white.
pub(super) fn luminance(color: RGBColor) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color.0) + 0.7152 * linear(color.1) + 0.0722 * linear(color.2)
}

/// Black on light, white on dark: whichever has the greater contrast, at least 4.5. A grey, however dark, would not do on middling blues.
pub(super) fn text_on(ground: RGBColor) -> RGBColor {
    let contrast = |text: RGBColor| {
        let (a, b) = (luminance(text), luminance(ground));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    if contrast(BLACK) >= contrast(WHITE) { BLACK } else { WHITE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Lightness, green-red and blue-yellow as someone without the red (1), green (2) or any cones (0: all) sees them: Viénot, Brettel and
    /// Mollon 1999 on linear RGB.
    fn seen(color: RGBColor, kind: usize) -> [f64; 3] {
        let linear = [color.0, color.1, color.2].map(|c| (f64::from(c) / 255.0).powf(2.2));
        let matrix = match kind {
            0 => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            1 => [[0.112, 0.888, 0.0], [0.112, 0.888, 0.0], [0.004, -0.004, 1.0]],
            _ => [[0.293, 0.707, 0.0], [0.293, 0.707, 0.0], [-0.021, 0.021, 1.0]],
        };
        matrix.map(|row| row.iter().zip(linear).map(|(m, c)| m * c).sum::<f64>().max(0.0).powf(1.0 / 2.2) * 255.0)
    }

    #[test]
    fn colours_of_series_stay_apart_for_the_colour_blind() {
        for kind in 0..3 {
            for (i, a) in COLOURS.iter().enumerate() {
                for b in &COLOURS[..i] {
                    let distance = seen(*a, kind).iter().zip(seen(*b, kind)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(distance > 30.0, "{a:?} and {b:?} are {distance:.0} of 441 apart for kind {kind}");
                }
            }
        }
    }

    #[test]
    fn no_two_of_twenty_series_look_alike_without_colour() {
        let looks: BTreeSet<_> = (0..20).map(Stroke::of).map(|s| format!("{:?} {:?}", s.dash, s.marker)).collect();
        assert_eq!(looks.len(), 20);
    }

    #[test]
    fn ramps_only_get_darker() {
        for colours in [&BLUES, &GREYS, &VIRIDIS] {
            let lights: Vec<f64> = (0..=100).map(|i| luminance(ramp(colours, f64::from(i) / 100.0))).collect();
            assert!(lights.windows(2).all(|pair| pair[1] < pair[0] + 1e-3), "{lights:?}");
        }
    }

    #[test]
    fn text_on_any_shade_has_the_contrast_of_wcag_aa() {
        for i in 0..=100 {
            let ground = ramp(&BLUES, f64::from(i) / 100.0);
            assert!(contrast(text_on(ground), ground) >= 4.5, "{i} %: {:.2}", contrast(text_on(ground), ground));
        }
    }
}
