//! Diagrams as SVG text: pure functions from plain numbers to a `String`, the same bytes for the same input.
//!
//! White ground, any sans-serif font, colours that the colour-blind can tell apart (Okabe and Ito 2008), and never colour alone: a dash
//! pattern, a marker or a letter goes with it. A number that is not finite is left out, as is one that a logarithmic axis has no place for;
//! where nothing is left, the diagram says "no data".

mod axis;
mod bars;
mod canvas;
mod confusion;
mod contour;
mod functions;
mod gradient_flow;
mod layout;
mod legend;
mod lines;
mod marks;
mod palette;
mod panel;
mod route;
mod spread;
mod surface;
mod training;
mod workflow;

#[cfg(test)]
mod tests;

pub use bars::{Bar, bars, histogram};
pub use confusion::confusion_matrix;
pub use functions::{Function, functions_with_slopes, losses_side_by_side};
pub use gradient_flow::{gradient_bars, gradient_flow};
pub use lines::{Chart, Draw, Mark, Series, lines};
pub use surface::{Levels, Surface, surface_paths};
pub use training::{LossCurves, Rate, loss_curves, lr_finder, schedules, throughput};
pub use workflow::{Edge, Group, Node, workflow};
