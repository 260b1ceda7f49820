//! Rows that an exported model is checked by: within what it was trained on and a little beyond, unknown words and gaps among them.

use super::{Answer, Trained};
use crate::data::{Cells, Coding, Column, Dataset, Frame, GAP};
use crate::error::Result;
use crate::exec::Device;
use crate::train::Trainer;

/// How many rows.
const ROWS: usize = 8;
/// The row in which everything that may be missing is.
const GAPS: usize = 6;
/// The row whose words nobody knows.
const UNKNOWN: usize = 7;
/// Such a word.
const NO_WORD: &str = "no such word";

/// Rows and what the model makes of them.
pub(super) struct Sample {
    /// For each row, the numbers in the columns of numbers; a gap is NaN.
    pub(super) numbers: Vec<Vec<f32>>,
    /// For each row, the words in the columns of words; a gap is empty.
    pub(super) words: Vec<Vec<String>>,
    /// For each row, the numbers of those words; -1 for gaps and unknown words.
    pub(super) codes: Vec<Vec<i32>>,
    /// For each row, the probabilities of the classes, or the numbers.
    pub(super) answers: Vec<Vec<f64>>,
}

impl Sample {
    /// The same rows of the same model, always.
    pub(super) fn of(trained: &Trained<'_>) -> Result<Self> {
        let mut columns = Vec::new();
        let (mut numbers, mut words, mut codes) = (vec![Vec::new(); ROWS], vec![Vec::new(); ROWS], vec![Vec::new(); ROWS]);
        for (c, feature) in trained.preprocess.features.iter().enumerate() {
            let cells = match &feature.coding {
                Coding::Number { fill, shift, scale } => {
                    // a few spreads around the middle, another place for each row and column
                    let cell = |r: usize| match fill {
                        Some(_) if r == GAPS => f32::NAN,
                        _ => shift + (((r * 7 + c * 5) % 13) as f32 / 4.0 - 1.5) / scale,
                    };
                    let cells: Vec<f32> = (0..ROWS).map(cell).collect();
                    numbers.iter_mut().zip(&cells).for_each(|(row, &cell)| row.push(cell));
                    Cells::Numbers(cells)
                }
                Coding::OneHot { words: known, .. } | Coding::Embed { words: known, .. } => {
                    let code = |r: usize| match r {
                        GAPS => GAP,
                        UNKNOWN => known.len() as u32,
                        r => ((r + c) % known.len().max(1)) as u32,
                    };
                    let all: Vec<String> = known.iter().cloned().chain([NO_WORD.to_string()]).collect();
                    let of: Vec<u32> = (0..ROWS).map(code).collect();
                    words.iter_mut().zip(&of).for_each(|(row, &code)| row.push(all.get(code as usize).cloned().unwrap_or_default()));
                    let known = |code: u32| if (code as usize) < known.len() { code as i32 } else { -1 };
                    codes.iter_mut().zip(&of).for_each(|(row, &code)| row.push(known(code)));
                    Cells::Words { of, words: all }
                }
            };
            columns.push(Column { name: feature.column.clone(), cells });
        }
        let table = trained.preprocess.apply(Frame::new(columns))?;
        let trainer = Trainer::new(trained.model.clone(), trained.loss.clone()).weights(trained.weights.clone());
        let outputs = trainer.build_on(Device::Cpu.open()?)?.predict(0, &Dataset::new(table))?;
        let answer = Answer::of(trained.preprocess, trained.loss);
        let answers = outputs.chunks(outputs.len() / ROWS).map(|row| answer.numbers(row)).collect();
        Ok(Sample { numbers, words, codes, answers })
    }
}
