//! What must be the same for a training to go on from a checkpoint to the bits that it would have had.

use super::Trainer;
use super::early_stop::Stop;
use crate::checkpoint::NOTE;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::DeviceInfo;
use crate::model::{Layer, Model};
use crate::optim::Optimizer;
use crate::schedule::{Position, Schedule};
use std::collections::BTreeMap;

/// What may be another without harm to the weights: the training goes on, but no longer to the bits that it would have had.
const SAFE: [&str; 7] = ["device", "gradus", "epochs", "early stopping", "schedule", "optimizer's numbers", "clip"];

/// The name under which a caller may say what the data are; they are hashed where nobody has.
pub(super) const DATA: &str = "data";

/// What a training is, by name. `told` is what the caller knows of it.
pub(super) fn of(
    trainer: &Trainer,
    stop: &Stop,
    device: &DeviceInfo,
    [train, valid]: [&Dataset; 2],
    told: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let updates = trainer.sizes(train.len()).len().div_ceil(trainer.accumulate);
    let weights: usize = trainer.model.tensors().0.iter().map(|tensor| tensor.len()).sum();
    let loss = &trainer.loss;
    let mut all = BTreeMap::from(
        [
            ("gradus", env!("CARGO_PKG_VERSION").to_string()),
            ("device", device.to_string()),
            ("model", format!("{}, {weights} numbers", model(&trainer.model))),
            ("loss", format!("{} {:?} smoothing {}", loss.name(), loss.parameter(), loss.smoothing())),
            ("optimizer", format!("{}, average {:?}", trainer.optimizer.name(), trainer.optimizer.averaging())),
            ("optimizer's numbers", numbers(&trainer.optimizer)),
            ("clip", format!("{:?}", trainer.clip)),
            ("batch", trainer.batch.to_string()),
            ("accumulate", trainer.accumulate.to_string()),
            ("shuffle", trainer.shuffle.to_string()),
            ("remainder", format!("{:?}", trainer.remainder)),
            ("class weights", format!("{:?}", trainer.class_weights)),
            ("on_nonfinite", format!("{:?}", trainer.on_nonfinite)),
            ("precision", trainer.precision.name().to_string()),
            ("looks", format!("{:?}", trainer.looks)),
            ("seeds", format!("{:?}", trainer.seeds())),
            ("schedule", trainer.members.iter().map(|member| rates(&trainer.schedule_of(member), stop.epochs, updates)).collect()),
            ("epochs", stop.epochs.to_string()),
            ("early stopping", format!("{:?} {:?}", stop.early, stop.at)),
            ("rows", format!("{} to train, {} to validate", train.len(), valid.len())),
        ]
        .map(|(name, value)| (name.to_string(), value)),
    );
    if !told.contains_key(DATA) {
        all.insert(DATA.to_string(), format!("{} {}", train.hash(), valid.hash()));
    }
    all.extend(told.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// An error when a training is not the one of a checkpoint: it names what differs. With `force`, what is safe to differ may.
pub(super) fn check(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, force: bool) -> Result<()> {
    let none = String::from("nothing");
    let names = is.keys().chain(was.keys().filter(|name| !is.contains_key(*name))).filter(|name| !name.starts_with(NOTE));
    let differ = names.filter(|name| was.get(*name) != is.get(*name) && !(force && SAFE.contains(&name.as_str())));
    let shown = |name: &String| format!("{name} was {}, is {}", was.get(name).unwrap_or(&none), is.get(name).unwrap_or(&none));
    let (safe, others): (Vec<&String>, Vec<&String>) = differ.partition(|name| SAFE.contains(&name.as_str()));
    match (others.is_empty(), safe.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(Error::input(format!(
            "the checkpoint is of another training: {}: to go on even so, not to the same bits, force it",
            safe.into_iter().map(shown).collect::<Vec<_>>().join("; ")
        ))),
        (false, _) => Err(Error::input(format!(
            "the checkpoint is of another training, which can not go on as this one: {}: begin anew",
            others.into_iter().map(shown).collect::<Vec<_>>().join("; ")
        ))),
    }
}

fn numbers(optimizer: &Optimizer) -> String {
    let keys = optimizer.info().keys.iter().map(|key| format!(" {} {:?}", key.name, optimizer.get(key.name)));
    format!(
        "lr {}{} l2 {} decay {} {:?}",
        optimizer.rate(),
        keys.collect::<String>(),
        optimizer.l2_rate(),
        optimizer.weight_decay_rate(),
        optimizer.decaying()
    )
}

/// A schedule by its name and some of its rates.
fn rates(schedule: &Schedule, epochs: usize, steps_per_epoch: usize) -> String {
    let at = |eighth: usize| {
        let step = (epochs * steps_per_epoch - 1) * eighth / 8;
        schedule.rate(Position { epoch: step / steps_per_epoch, step, epochs, steps_per_epoch })
    };
    format!("{} {:?};", schedule.shape().name(), [0, 1, 2, 4, 6, 8].map(at))
}

fn model(model: &Model) -> String {
    format!("{} inputs{}", model.inputs(), layers(model.layers()))
}

fn layers(all: &[Layer]) -> String {
    let layer = |layer: &Layer| match layer {
        Layer::Dense { outputs, bias, .. } => format!(", dense {outputs}{}", if *bias { "" } else { " without bias" }),
        Layer::Activation(activation) => match activation.parameter() {
            Some(parameter) => format!(", {} {parameter}", activation.name()),
            None => format!(", {}", activation.name()),
        },
        Layer::Residual { layers: body, .. } => format!(", residual ({})", layers(body).trim_start_matches(", ")),
        // plain numbers all
        other => format!(", {other:?}"),
    };
    all.iter().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values_and_only_what_is_safe_can_be_forced() {
        let of = |all: &[(&str, &str)]| all.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<BTreeMap<_, _>>();
        let was = of(&[("batch", "32"), ("epochs", "5"), ("seeds", "[7]")]);
        let refused = |is: &[(&str, &str)], force| check(&was, &of(is), force).map_err(|e| e.to_string());
        assert_eq!(refused(&[("batch", "32"), ("epochs", "5"), ("seeds", "[7]")], false), Ok(()));
        let longer = [("batch", "32"), ("epochs", "9"), ("seeds", "[7]")];
        assert!(refused(&longer, false).unwrap_err().contains("epochs was 5, is 9: to go on even so"));
        assert_eq!(refused(&longer, true), Ok(()));
        let other = [("batch", "64"), ("epochs", "9"), ("loss", "mse")];
        for force in [false, true] {
            let told = refused(&other, force).unwrap_err();
            assert!(told.contains("batch was 32, is 64; loss was nothing, is mse; seeds was [7], is nothing: begin anew"), "{told}");
        }
    }
}
