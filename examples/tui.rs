//! The screen of `gradus train --tui` as a picture: trains on the digits, draws the screen of the middle of the training, and writes it as SVG.
//!
//! `cargo run --release --example tui -- docs/tui.svg`; without a file it goes to the folder for temporary files.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::cli::tui::{History, draw};
use gradus::train::{Event, Stop};
use gradus::{Adam, Dataset, Device, Loss, Model, Schedule, Trainer};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::fmt::Write as _;

const COLUMNS: u16 = 100;
const LINES: u16 = 28;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (train, valid) = Dataset::digits().split(0.8);
    let model = Model::input(64).dense(256).relu().dense(128).relu().dense(10);
    let trainer = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).schedule(Schedule::cosine(1e-3).warmup(0.05));
    let mut training = trainer.batch(32).seed(7).build(Device::Cpu)?;
    let mut history = History::new(format!("digits · {}", training.device()), 40);
    let (mut middle, mut seconds) = (history.clone(), 0.0);
    training.fit_with(&train, &valid, Stop::after(40), |event| {
        history.on(event);
        if let Event::Epoch { records, .. } = event
            && records[0].epoch == 26
        {
            (middle, seconds) = (history.clone(), records[0].seconds);
        }
    })?;

    let mut terminal = Terminal::new(TestBackend::new(COLUMNS, LINES))?;
    terminal.draw(|frame| draw(frame, &middle, seconds))?;
    let svg = picture(terminal.backend());
    let path = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("gradus-tui.svg"), Into::into);
    std::fs::write(&path, svg)?;
    println!("drawn: {}", path.display());
    Ok(())
}

/// The cells of a terminal as SVG: a rectangle for each ground, a text for each run of one colour, stretched to its cells.
fn picture(backend: &TestBackend) -> String {
    let (wide, high) = (8.4, 17.0);
    let (w, h) = (f64::from(COLUMNS) * wide + 20.0, f64::from(LINES) * high + 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\" role=\"img\">\n\
         <title>gradus train digits --tui</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n"
    );
    for (line, cells) in backend.buffer().content().chunks(usize::from(COLUMNS)).enumerate() {
        let y = 10.0 + line as f64 * high;
        let mut column = 0;
        for run in cells.chunk_by(|a, b| (a.fg, a.bg) == (b.fg, b.bg)) {
            let x = 10.0 + column as f64 * wide;
            let long = run.len() as f64 * wide;
            if let Some(ground) = colour(run[0].bg) {
                let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"{high}\" fill=\"{ground}\"/>");
            }
            let text: String = run.iter().map(|cell| cell.symbol()).collect();
            if !text.trim().is_empty() {
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                let ink = colour(run[0].fg).unwrap_or("#d6d9df");
                let base = y + 0.76 * high;
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{base:.1}\" textLength=\"{long:.1}\" fill=\"{ink}\">{text}</text>",
                    text = text.replace(' ', "\u{a0}")
                );
            }
            column += run.len();
        }
    }
    svg + "</g>\n</svg>\n"
}

/// The colours that the screen uses; `None` for the terminal's own.
fn colour(color: Color) -> Option<&'static str> {
    match color {
        Color::Black => Some("#262a33"),
        Color::Blue => Some("#3b78d8"),
        Color::Cyan => Some("#4cc3d9"),
        Color::Yellow => Some("#e5c04b"),
        Color::Green => Some("#6cc06c"),
        Color::Magenta => Some("#c586d6"),
        Color::DarkGray => Some("#6b7280"),
        _ => None,
    }
}
