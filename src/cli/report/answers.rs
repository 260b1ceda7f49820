//! What a report says of the model's answers: confusion of classes; predicted against true numbers, and what is left between them.

use super::super::assemble::{self, Prepared};
use super::super::progress::thousands;
use super::super::run::Run;
use super::HALF;
use super::page::{Section, figure, figures, paragraph};
use crate::data::{Dataset, Targets};
use crate::error::Result;
use crate::export::Answer;
use crate::formula::class_of;
use crate::plot::{Chart, Draw, Series, confusion_matrix, histogram, lines};
use crate::rng::{Purpose, Rng};
use crate::train::Training;

/// Points of a diagram at most.
const POINTS: usize = 1000;
/// Targets that are drawn at most.
const TARGETS: usize = 4;

/// The rows to judge by: those that training never saw, where there are any.
fn judged(data: &Prepared) -> Option<(&'static str, &Dataset)> {
    [("test", &data.test), ("validation", &data.valid)].into_iter().find(|(_, rows)| !rows.is_empty())
}

pub(super) fn section(run: &Run, data: &Prepared, training: &mut Training) -> Result<Section> {
    let section = |title, body| Ok(Section { id: "answers", title, body });
    let Some((set, rows)) = judged(data) else {
        return section("Answers", paragraph("There are no rows that training did not see: set [data] split."));
    };
    let outputs = training.predict(0, rows)?;
    let width = outputs.len() / rows.len();
    match rows.table().targets() {
        Targets::Classes { of, names } => {
            let mut counts = vec![0u64; names.len() * names.len()];
            for (&row, z) in rows.rows().iter().zip(outputs.chunks(width)) {
                counts[of[row as usize] as usize * names.len() + class_of(z)] += 1;
            }
            let right: u64 = (0..names.len()).map(|k| counts[k * names.len() + k]).sum();
            let said = format!("{} of {} rows of the {set} set are right.", thousands(right as f64), thousands(rows.len() as f64));
            section("Confusion", paragraph(&said) + &figure(&confusion_matrix(&format!("{set} set"), names, &counts)))
        }
        Targets::Values { of, names } => {
            let answer = Answer::of(&run.preprocess, &assemble::loss(&run.config, rows.table().targets()));
            let answers: Vec<Vec<f64>> = outputs.chunks(width).map(|row| answer.numbers(row)).collect();
            // a target's deviation stands behind it, where there is one
            let each = answers[0].len() / names.len();
            let answer = |i: usize, k: usize| answers[i][each * k];
            // what is learnt are scaled numbers: they are shown in their own units
            let mut truths: Vec<f32> =
                rows.rows().iter().flat_map(|&row| &of[row as usize * names.len()..][..names.len()]).copied().collect();
            run.preprocess.unscale(&mut truths);
            let truth = |i: usize, k: usize| f64::from(truths[i * names.len() + k]);
            let mut shown = Rng::new(run.config.seed, Purpose::Importance, u64::MAX).permutation(rows.len());
            shown.truncate(POINTS);
            let mut svgs = Vec::new();
            for (k, name) in names.iter().enumerate().take(TARGETS) {
                let points = shown.iter().map(|&i| (truth(i as usize, k), answer(i as usize, k)));
                let ends = (0..rows.len()).map(|i| truth(i, k)).fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(t), b.max(t)));
                let chart = Chart { size: HALF, ..Chart::new(format!("{name}: predicted against true"), "true", "predicted") };
                svgs.push(lines(
                    &chart
                        .series(Series::new("rows", points).drawn(Draw::Points))
                        .series(Series::new("right", [(ends.0, ends.0), (ends.1, ends.1)])),
                ));
                let residuals: Vec<f64> = (0..rows.len()).map(|i| answer(i, k) - truth(i, k)).collect();
                svgs.push(histogram(&format!("{name}: residuals"), "predicted − true", &residuals, 30));
            }
            let mut said = format!("The {} rows of the {set} set", thousands(rows.len() as f64));
            if rows.len() > POINTS {
                said += &format!(" ({POINTS} of them, drawn at random, as points)");
            }
            if names.len() > TARGETS {
                said += &format!("; the first {TARGETS} of {} targets", names.len());
            }
            section("Residuals", paragraph(&(said + ".")) + &figures(&svgs))
        }
    }
}
