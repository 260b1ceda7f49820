//! What a report says of the device: whether it computes what the reference computes, on a batch of the run's own plan.

use super::super::assemble::{self, Prepared};
use super::super::progress::thousands;
use super::super::run::Run;
use super::page::{Section, paragraph, table, warning};
use crate::data::Dataset;
use crate::error::Result;
use crate::exec::OpenDevice;
use crate::importance::excerpt;
use crate::parity::lockstep;

/// Beyond so many parameters the reference in f64 takes too long for a report.
const PARAMETERS: usize = 1_000_000;
const ROWS: usize = 256;

pub(super) fn section(run: &Run, data: &Prepared, device: &OpenDevice) -> Result<Section> {
    let section = |body| Ok(Section { id: "parity", title: "Parity", body });
    let parameters: usize = run.weights.iter().map(|(_, _, values)| values.len()).sum();
    if parameters > PARAMETERS {
        return section(paragraph(&format!(
            "Not compared: {} parameters are more than the {} that a report compares. `gradus parity --plan CONFIG` does it.",
            thousands(parameters as f64),
            thousands(PARAMETERS as f64)
        )));
    }
    let batch = run.config.train.batch.min(ROWS).min(data.train.len());
    let rows = Dataset::new(excerpt(data.train.table(), &data.train.rows()[..batch])?);
    // from the weights that the seed draws: where a trained net has nearly no loss left, roundings of it are large beside it
    let mut config = run.config.clone();
    config.model.from = None;
    let trainer = assemble::trainer(&config, data)?.batch(batch);
    let mut first = trainer.build_on(device.clone())?.first_step(&rows)?;
    let found = lockstep(&mut *first.executor, first.program, &first.table)?;
    let different = found.iter().filter(|row| !row.passes()).count();
    let worst = found.iter().max_by(|a, b| a.worst.total_cmp(&b.worst));
    let mut body = paragraph(&format!(
        "A first step of training, from drawn weights, on {batch} rows of the run: {} dispatches on {}, each compared with its reference in f64, \
         which starts from the same buffers. An error counts relative to the largest number of its buffer; 1e-5 is allowed.",
        found.len(),
        device.info()
    ));
    if different > 0 {
        body += &warning(&format!(
            "{different} dispatches differ: this device does not compute what the reference does. Train with --device cpu."
        ));
    } else if let Some(worst) = worst {
        body += &paragraph(&format!("All agree; the worst error is {:.1e}, in {} ({}).", worst.worst, worst.kernel, worst.label));
    }
    let row = |row: &crate::parity::LockstepRow| vec![row.kernel.to_string(), row.label.clone(), format!("{:.1e}", row.worst)];
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    section(body + "<details><summary>Each dispatch</summary>\n" + &table(&["kernel", "for", "worst error"], &rows) + "</details>\n")
}
