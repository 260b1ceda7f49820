//! The trainer's books in a checkpoint: where it is, what each epoch brought, what its schedules and its patience remember.

use super::beats::Beat;
use super::early_stop::{Reason, Watch};
use super::ledger::Ledger;
use super::report::EpochRecord;
use crate::checkpoint::{Checkpoint, Numbers, Tensor};
use crate::error::{Error, Result};
use crate::flow::{Flow, LayerFlow};
use crate::metrics::{self, Confusion, Scores};
use crate::schedule::PlateauState;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Where a training is, between two updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct At {
    /// The epoch, from 0.
    pub(super) epoch: usize,
    /// Steps of it that are done.
    pub(super) step: usize,
    /// Looks at the flow of gradients among them.
    pub(super) looks: usize,
}

impl At {
    /// An error where there is no such place between two updates of its epoch, whose steps these are, with the looks after some of them.
    pub(super) fn check(self, beats: &[Beat], looked_at: &[usize]) -> Result<()> {
        let between = self.step == 0 || (self.step < beats.len() && beats[self.step - 1].part.last);
        match between && self.looks == looked_at.iter().filter(|&&look| look < self.step).count() {
            true => Ok(()),
            false => Err(damaged(&format!("step {} with {} looks is between no two updates of an epoch", self.step, self.looks))),
        }
    }
}

fn damaged(what: &str) -> Error {
    Error::input(format!("the checkpoint's books are damaged: {what}"))
}

/// What changes from epoch to epoch, beside the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Course {
    /// What each member's rates are multiplied by, after rollbacks.
    pub(super) factors: Vec<f64>,
    /// What each member's plateau remembers.
    pub(super) plateaus: Vec<Option<PlateauState>>,
    /// How often an epoch began anew.
    pub(super) rollbacks: usize,
}

#[derive(Serialize, Deserialize)]
struct Books<'a> {
    at: At,
    rollbacks: usize,
    factors: Vec<f64>,
    plateaus: Vec<Option<PlateauBook>>,
    /// Rows that were trained on, the seconds that it took, and those since training began.
    rows: usize,
    seconds: f64,
    elapsed: f64,
    members: Vec<MemberBook<'a>>,
}

#[derive(Serialize, Deserialize)]
struct PlateauBook {
    factor: f64,
    best: Option<f64>,
    bad: usize,
    cooldown: usize,
}

#[derive(Serialize, Deserialize)]
struct MemberBook<'a> {
    best: Option<(f64, usize)>,
    wait: usize,
    stopped: Option<String>,
    epochs: Vec<EpochBook<'a>>,
    flow: Vec<FlowBook<'a>>,
}

#[derive(Serialize, Deserialize)]
struct EpochBook<'a> {
    epoch: usize,
    steps: usize,
    lr: f64,
    train_loss: Exact,
    grad_norm: Exact,
    skipped: usize,
    loss_scale: Option<f64>,
    valid: Option<ScoresBook<'a>>,
    seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct ScoresBook<'a> {
    loss: Exact,
    metrics: Vec<(Cow<'a, str>, Exact)>,
    /// Of the last epoch only: of a thousand classes it is a million numbers.
    confusion: Option<(usize, Vec<u64>)>,
}

#[derive(Serialize, Deserialize)]
struct FlowBook<'a> {
    epoch: usize,
    step: usize,
    share: Exact,
    layers: Vec<LayerBook<'a>>,
}

/// Label, activation, and what was measured.
type LayerBook<'a> = (Cow<'a, str>, Cow<'a, str>, [Exact; 7]);

/// A number that JSON has no word for is its bits, in words: `"NaN"`, `"inf"`, `"-inf"`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Exact {
    Number(f64),
    Word(Unusual),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Unusual {
    NaN,
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    MinusInfinity,
}

impl From<f64> for Exact {
    fn from(value: f64) -> Self {
        match value {
            _ if value.is_nan() => Exact::Word(Unusual::NaN),
            f64::INFINITY => Exact::Word(Unusual::Infinity),
            f64::NEG_INFINITY => Exact::Word(Unusual::MinusInfinity),
            _ => Exact::Number(value),
        }
    }
}

impl From<Exact> for f64 {
    fn from(value: Exact) -> f64 {
        match value {
            Exact::Number(value) => value,
            Exact::Word(Unusual::NaN) => f64::NAN,
            Exact::Word(Unusual::Infinity) => f64::INFINITY,
            Exact::Word(Unusual::MinusInfinity) => f64::NEG_INFINITY,
        }
    }
}

impl Books<'_> {
    /// An error where they are not those of a training that came to its epoch step by step.
    fn check(&self) -> Result<()> {
        let epochs = self.at.epoch;
        let longest = self.members.iter().map(|member| member.epochs.len()).max().unwrap_or_default();
        if longest != epochs {
            return Err(damaged(&format!("{epochs} epochs were done, but there are records of {longest}")));
        }
        let all_stopped = self.members.iter().all(|member| member.stopped.is_some());
        for (n, member) in self.members.iter().enumerate() {
            let own = member.epochs.len();
            let counted = member.epochs.iter().zip(1..).all(|(record, number)| record.epoch == number);
            let goes_on = own == epochs || member.stopped.is_some();
            let best = member.best.is_none_or(|(value, epoch)| value.is_finite() && epoch < own);
            if !(counted && goes_on && best && member.wait <= own && !(all_stopped && self.at.step > 0)) {
                return Err(damaged(&format!("the epochs of member {n} are not those of a training that did {epochs}")));
            }
        }
        let share = |factor: f64| (0.0..=1.0).contains(&factor);
        let plateau = |book: &PlateauBook| share(book.factor) && book.bad <= epochs;
        match self.factors.iter().all(|&factor| share(factor)) && self.plateaus.iter().flatten().all(plateau) {
            true => Ok(()),
            false => Err(damaged("what the rate is multiplied by is no share of it")),
        }
    }
}

/// The books as a checkpoint holds them: a text, and the losses of all steps.
pub(super) fn write(at: At, course: &Course, ledger: &Ledger<'_>) -> Result<(String, Vec<Tensor>)> {
    let member = |(n, watch): (usize, &Watch)| {
        let epochs = &ledger.histories[n];
        MemberBook {
            best: watch.best,
            wait: watch.wait,
            stopped: ledger.stopped[n].map(|reason| reason.name().to_string()),
            epochs: epochs.iter().map(|record| epoch_book(record, record.epoch == epochs.len())).collect(),
            flow: ledger.flows[n].iter().map(flow_book).collect(),
        }
    };
    let plateau = |state: &PlateauState| {
        let &PlateauState { factor, best, bad, cooldown } = state;
        PlateauBook { factor, best, bad, cooldown }
    };
    let books = Books {
        at,
        rollbacks: course.rollbacks,
        factors: course.factors.clone(),
        plateaus: course.plateaus.iter().map(|state| state.as_ref().map(plateau)).collect(),
        rows: ledger.rows,
        seconds: ledger.seconds,
        elapsed: ledger.elapsed().as_secs_f64(),
        members: ledger.watches.iter().enumerate().map(member).collect(),
    };
    let text = serde_json::to_string(&books).map_err(|e| Error::input(format!("the checkpoint cannot be written: {e}")))?;
    let losses = ledger.step_losses.iter().enumerate().map(|(member, losses)| Tensor {
        name: step_losses(member),
        shape: vec![losses.len()],
        numbers: Numbers::F32(losses.clone()),
    });
    Ok((text, losses.collect()))
}

/// Takes the books of a checkpoint over: where the training is, and how it went so far.
pub(super) fn read(checkpoint: &Checkpoint, ledger: &mut Ledger<'_>) -> Result<(At, Course)> {
    let books: Books<'_> = serde_json::from_str(&checkpoint.state).map_err(|e| damaged(&e.to_string()))?;
    let members = ledger.watches.len();
    if [books.members.len(), books.factors.len(), books.plateaus.len()] != [members; 3] {
        return Err(Error::input(format!("the checkpoint has {} members, the training {members}", books.members.len())));
    }
    books.check()?;
    for (n, book) in books.members.into_iter().enumerate() {
        let Some(Numbers::F32(losses)) = checkpoint.tensor(&step_losses(n)).map(|tensor| &tensor.numbers) else {
            return Err(damaged(&format!("there are no losses of member {n}")));
        };
        ledger.step_losses[n] = losses.clone();
        ledger.watches[n] = Watch { best: book.best, wait: book.wait };
        ledger.stopped[n] = match book.stopped {
            Some(name) => Some(Reason::named(&name).ok_or_else(|| damaged(&format!("a member stopped because of `{name}`")))?),
            None => None,
        };
        ledger.histories[n] = book.epochs.into_iter().map(epoch_record).collect::<Option<_>>().ok_or_else(|| damaged("a metric"))?;
        ledger.flows[n] = book.flow.into_iter().map(flow_of).collect();
    }
    ledger.resume(books.rows, books.seconds, books.elapsed);
    let state = |PlateauBook { factor, best, bad, cooldown }| PlateauState { factor, best, bad, cooldown };
    let plateaus = books.plateaus.into_iter().map(|book| book.map(state)).collect();
    Ok((books.at, Course { factors: books.factors, plateaus, rollbacks: books.rollbacks }))
}

/// Where the training of a checkpoint is: the epoch, from 1, and how many of its steps are done. `None` where its books can not be read.
pub fn place(checkpoint: &Checkpoint) -> Option<(usize, usize)> {
    #[derive(Deserialize)]
    struct Place {
        at: At,
    }
    serde_json::from_str::<Place>(&checkpoint.state).ok().map(|Place { at }| (at.epoch + 1, at.step))
}

fn step_losses(member: usize) -> String {
    format!("losses of steps.{member}")
}

fn epoch_book(record: &EpochRecord, last: bool) -> EpochBook<'_> {
    let scores = |scores: &Scores| ScoresBook {
        loss: scores.loss.into(),
        metrics: scores.metrics.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
        confusion: scores.confusion.as_ref().filter(|_| last).map(|counts| (counts.classes(), counts.counts().to_vec())),
    };
    EpochBook {
        epoch: record.epoch,
        steps: record.steps,
        lr: record.lr,
        train_loss: record.train_loss.into(),
        grad_norm: record.grad_norm.into(),
        skipped: record.skipped,
        loss_scale: record.loss_scale,
        valid: record.valid.as_ref().map(scores),
        seconds: record.seconds,
    }
}

/// `None` where there is a metric that this version does not know, or counts that are no square.
fn epoch_record(book: EpochBook<'_>) -> Option<EpochRecord> {
    let scores = |book: ScoresBook<'_>| {
        let known = |(name, value): (Cow<'_, str>, Exact)| Some((metrics::named(&name)?.name, value.into()));
        let square = |(classes, counts): (usize, Vec<u64>)| {
            (classes.checked_mul(classes) == Some(counts.len())).then(|| Confusion::new(classes, counts))
        };
        Some(Scores {
            loss: book.loss.into(),
            metrics: book.metrics.into_iter().map(known).collect::<Option<_>>()?,
            confusion: match book.confusion {
                Some(counts) => Some(square(counts)?),
                None => None,
            },
        })
    };
    Some(EpochRecord {
        epoch: book.epoch,
        steps: book.steps,
        lr: book.lr,
        train_loss: book.train_loss.into(),
        grad_norm: book.grad_norm.into(),
        skipped: book.skipped,
        loss_scale: book.loss_scale,
        valid: match book.valid {
            Some(valid) => Some(scores(valid)?),
            None => None,
        },
        seconds: book.seconds,
    })
}

fn flow_book(flow: &Flow) -> FlowBook<'_> {
    FlowBook { epoch: flow.epoch, step: flow.step, share: flow.share.into(), layers: flow.layers.iter().map(layer_book).collect() }
}

fn layer_book(layer: &LayerFlow) -> LayerBook<'_> {
    let LayerFlow { label, activation, gradient, error, moved, mean, deviation, dead, saturated } = layer;
    let numbers = [gradient, error, moved, mean, deviation, dead, saturated].map(|&number| number.into());
    (label.into(), activation.into(), numbers)
}

fn flow_of(book: FlowBook<'_>) -> Flow {
    let layer = |(label, activation, numbers): LayerBook<'_>| {
        let [gradient, error, moved, mean, deviation, dead, saturated] = numbers.map(f64::from);
        let (label, activation) = (label.into_owned(), activation.into_owned());
        LayerFlow { label, activation, gradient, error, moved, mean, deviation, dead, saturated }
    };
    Flow { epoch: book.epoch, step: book.step, share: book.share.into(), layers: book.layers.into_iter().map(layer).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit_also_those_that_json_has_no_word_for() {
        for value in [0.1 + 0.2, -0.0, 5e-324, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 123_456_789.123_456_79] {
            let text = serde_json::to_string(&Exact::from(value)).unwrap();
            let back = f64::from(serde_json::from_str::<Exact>(&text).unwrap());
            assert_eq!((back.is_nan(), back.to_bits()), (value.is_nan(), value.to_bits()), "{text}");
        }
    }

    #[test]
    fn books_of_no_training_are_refused() {
        let record = |epoch: u32| {
            format!(
                "{{\"epoch\":{epoch},\"steps\":8,\"lr\":0.1,\"train_loss\":1,\"grad_norm\":1,\"skipped\":0,\"loss_scale\":null,\"valid\":null,\"seconds\":1}}"
            )
        };
        let books = |at: &str, factor: &str, member: &str| {
            let text = format!(
                "{{\"at\":{at},\"rollbacks\":0,\"factors\":[{factor}],\"plateaus\":[null],\"rows\":8,\"seconds\":1,\"elapsed\":1,\"members\":[{{{member},\"flow\":[]}}]}}"
            );
            serde_json::from_str::<Books>(&text).unwrap_or_else(|e| panic!("{e}: {text}")).check().map_err(|e| e.to_string())
        };
        let at = |epoch: u64, step: u64| format!("{{\"epoch\":{epoch},\"step\":{step},\"looks\":0}}");
        let member = |best: &str, wait: u32, stopped: &str, epochs: &[u32]| {
            let epochs: Vec<String> = epochs.iter().map(|&epoch| record(epoch)).collect();
            format!("\"best\":{best},\"wait\":{wait},\"stopped\":{stopped},\"epochs\":[{}]", epochs.join(","))
        };
        let two = member("[0.5,1]", 0, "null", &[1, 2]);
        assert_eq!(books(&at(2, 3), "0.5", &two), Ok(()));
        let cases = [
            (at(u64::MAX, 0), "1", two.clone(), "18446744073709551615 epochs were done, but there are records of 2"),
            (at(2, 0), "1", member("null", 0, "null", &[1, 3]), "the epochs of member 0"),
            (at(2, 0), "1", member("[0.5,2]", 0, "null", &[1, 2]), "the epochs of member 0"),
            (at(2, 0), "1", member("null", u32::MAX, "null", &[1, 2]), "the epochs of member 0"),
            (at(2, 1), "1", member("null", 0, "\"patience\"", &[1, 2]), "the epochs of member 0"),
            (at(2, 0), "-1", two.clone(), "what the rate is multiplied by"),
            (at(2, 0), "1e300", two, "what the rate is multiplied by"),
        ];
        for (at, factor, member, wanted) in cases {
            let told = books(&at, factor, &member).unwrap_err();
            assert!(told.starts_with("the checkpoint's books are damaged: ") && told.contains(wanted), "`{told}` does not say `{wanted}`");
        }
    }

    #[test]
    fn a_place_is_between_two_updates_with_the_looks_before_it() {
        let beat =
            |last| Beat { rows: 1, start: 0, part: crate::kernel::Part { first: true, last }, update: 0, weights: vec![], totals: vec![] };
        let beats = [beat(false), beat(true), beat(false), beat(true)];
        let good = |step, looks| At { epoch: 0, step, looks }.check(&beats, &[1, 3]).is_ok();
        assert!(good(0, 0) && good(2, 1));
        assert!(![(0, 1), (1, 0), (2, 0), (3, 1), (4, 2), (5, 2), (usize::MAX, 2)].into_iter().any(|(step, looks)| good(step, looks)));
    }

    #[test]
    fn a_record_comes_back_and_the_counts_of_the_last_one_with_it() {
        let record = EpochRecord {
            epoch: 3,
            steps: 12,
            lr: 0.1,
            train_loss: f64::NAN,
            grad_norm: f64::INFINITY,
            skipped: 2,
            loss_scale: Some(65536.0),
            valid: Some(Scores { loss: 0.5, metrics: vec![("accuracy", 0.25)], confusion: Some(Confusion::new(2, vec![1, 2, 3, 4])) }),
            seconds: 1.5,
        };
        let through = |last| {
            let text = serde_json::to_string(&epoch_book(&record, last)).unwrap();
            epoch_record(serde_json::from_str(&text).unwrap()).unwrap()
        };
        let back = through(true);
        assert!(back.train_loss.is_nan() && back.grad_norm == f64::INFINITY);
        assert_eq!((back.epoch, back.steps, back.lr, back.skipped, back.loss_scale), (3, 12, 0.1, 2, Some(65536.0)));
        assert_eq!(back.valid, record.valid);
        assert_eq!(through(false).valid.unwrap().confusion, None);
        let unknown = EpochRecord { valid: Some(Scores { loss: 0.5, metrics: vec![("charm", 0.25)], confusion: None }), ..record };
        assert!(epoch_record(epoch_book(&unknown, true)).is_none());
    }
}
