//! What a report says of the features: what each is worth to the model.

use super::super::assemble::Prepared;
use super::super::progress::{number, thousands};
use super::super::run::Run;
use super::page::{Section, figure, paragraph};
use crate::data::Feature;
use crate::error::Result;
use crate::importance::{Group, permutation};
use crate::plot::{Bar, bars};
use crate::rng::{Purpose, Rng};
use crate::train::Training;

/// Beyond so many features none is shuffled: it takes long, and of images single pixels say little.
const FEATURES: usize = 256;
/// Rows times features at most, but no less than so many rows.
const CELLS: usize = 100_000;
const ROWS: usize = 200;
const REPEATS: usize = 5;
/// Features that are drawn.
const SHOWN: usize = 20;

pub(super) fn section(run: &Run, data: &Prepared, training: &mut Training) -> Result<Section> {
    let section = |body| Ok(Section { id: "importance", title: "Importance of features", body });
    let (set, rows) = if data.valid.is_empty() { ("test", &data.test) } else { ("validation", &data.valid) };
    let width = data.train.table().width();
    if rows.len() < 2 {
        return section(paragraph("There are not enough rows that training did not see: set [data] split."));
    }
    if width > FEATURES {
        return section(paragraph(&format!(
            "The {} features were not shuffled one by one: a report does that for {FEATURES} at most.",
            thousands(width as f64)
        )));
    }
    let most = (CELLS / width).max(ROWS);
    let mut part = rows.clone();
    if rows.len() > most {
        let chosen = Rng::new(run.config.seed, Purpose::Importance, u64::MAX).permutation(rows.len());
        part = rows.view(chosen[..most].iter().map(|&i| rows.rows()[i as usize]).collect());
    }
    let found = permutation(training, &part, &groups(run), REPEATS, run.config.seed)?;
    let mut sorted: Vec<_> = found.groups.iter().collect();
    sorted.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
    let score = if found.score == "r2" { "R²" } else { found.score };
    let bar = |of: &&crate::importance::Importance| Bar { name: of.name.clone(), value: of.mean(), spread: of.deviation() };
    let shown: Vec<Bar> = sorted.iter().take(SHOWN).map(bar).collect();
    let mut said = format!(
        "By how much {score} drops (from {}) when a feature's values are shuffled among {} rows of the {set} set: the mean of {REPEATS} shufflings, \
         and as a line their deviation. A feature that others make up for is worth little, though the model may use it.",
        number(found.whole),
        thousands(part.len() as f64),
    );
    if part.len() < rows.len() {
        said += &format!(" ({} rows were left out to save time.)", thousands((rows.len() - part.len()) as f64));
    }
    if sorted.len() > SHOWN {
        said += &format!(" Of {} features those {SHOWN} that are worth most.", sorted.len());
    }
    section(paragraph(&said) + &figure(&bars("worth of each feature", &format!("drop in {score}"), &shown)))
}

/// The columns of the file: what became of one of them is shuffled together.
fn groups(run: &Run) -> Vec<Group> {
    let mut from = 0;
    let group = |feature: &Feature| {
        let columns = from..from + feature.coding.inputs();
        from = columns.end;
        Group { name: feature.column.clone(), columns }
    };
    run.preprocess.features.iter().map(group).collect()
}
