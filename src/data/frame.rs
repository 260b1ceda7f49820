//! Columns as a file has them, before anything is made of them: numbers and words, with gaps.

use std::collections::HashMap;

/// The code of a cell of words that is empty.
pub const GAP: u32 = u32::MAX;

/// Columns of the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    columns: Vec<Column>,
    rows: usize,
}

/// A column with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub cells: Cells,
}

/// What is in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Numbers; an empty cell is NaN.
    Numbers(Vec<f32>),
    /// Words.
    Words {
        /// For each cell the word's number, or [`GAP`] where the cell is empty.
        of: Vec<u32>,
        /// The words.
        words: Vec<String>,
    },
}

impl Cells {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Cells::Numbers(values) => values.len(),
            Cells::Words { of, .. } => of.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Frame {
    /// Columns side by side. Panics when they differ in length, or when there are none.
    pub fn new(columns: Vec<Column>) -> Self {
        let rows = columns.first().expect("a frame has a column").cells.len();
        assert!(columns.iter().all(|column| column.cells.len() == rows), "columns of one frame have one length");
        Frame { columns, rows }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, taken out.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }
}

/// Puts frames of the same columns one below the other.
#[derive(Debug, Default)]
pub(super) struct Stack {
    columns: Vec<Column>,
    /// Of each column of words, the number of each word.
    numbers: Vec<HashMap<String, u32>>,
}

impl Stack {
    /// Adds the rows of a frame. Panics when its columns are not those of the first one.
    pub(super) fn push(&mut self, frame: Frame) {
        if self.columns.is_empty() {
            let number = |column: &Column| match &column.cells {
                Cells::Words { words, .. } => words.iter().cloned().zip(0..).collect(),
                Cells::Numbers(_) => HashMap::new(),
            };
            self.numbers = frame.columns.iter().map(number).collect();
            self.columns = frame.columns;
            return;
        }
        assert_eq!(self.columns.len(), frame.columns.len(), "frames of one file have the same columns");
        for ((own, numbers), more) in self.columns.iter_mut().zip(&mut self.numbers).zip(frame.columns) {
            match (&mut own.cells, more.cells) {
                (Cells::Numbers(own), Cells::Numbers(more)) => own.extend(more),
                (Cells::Words { of, words }, Cells::Words { of: more, words: new }) => {
                    let place: Vec<u32> = new
                        .into_iter()
                        .map(|word| {
                            *numbers.entry(word).or_insert_with_key(|word| {
                                words.push(word.clone());
                                words.len() as u32 - 1
                            })
                        })
                        .collect();
                    of.extend(more.into_iter().map(|code| if code == GAP { GAP } else { place[code as usize] }));
                }
                _ => panic!("column `{}` is of numbers in one part and of words in another", own.name),
            }
        }
    }

    /// All rows; `None` where no frame was added.
    pub(super) fn finish(self) -> Option<Frame> {
        (!self.columns.is_empty()).then(|| Frame::new(self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(of: &[u32], words: &[&str]) -> Cells {
        Cells::Words { of: of.to_vec(), words: words.iter().map(|word| (*word).to_string()).collect() }
    }

    fn frame(numbers: &[f32], words: Cells) -> Frame {
        let column = |name: &str, cells| Column { name: name.into(), cells };
        Frame::new(vec![column("x", Cells::Numbers(numbers.to_vec())), column("kind", words)])
    }

    #[test]
    fn words_keep_their_meaning_when_frames_are_stacked() {
        let mut stack = Stack::default();
        stack.push(frame(&[1.0, 2.0], words(&[0, GAP], &["red"])));
        stack.push(frame(&[3.0, 4.0, 5.0], words(&[0, 1, GAP], &["blue", "red"])));
        let wanted = frame(&[1.0, 2.0, 3.0, 4.0, 5.0], words(&[0, GAP, 1, 0, GAP], &["red", "blue"]));
        assert_eq!(stack.finish(), Some(wanted));
        assert_eq!(Stack::default().finish(), None);
    }
}
