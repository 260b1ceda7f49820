//! The flow of gradients through a net, per layer, and what is wrong with it in plain words.
//!
//! The numbers are summed up on the device in the steps that are looked at ([`kernels::flow`](crate::kernels::flow)) and read back with an
//! epoch's log.

use std::fmt;

/// Numbers that the device sums up for a layer: Σ a, Σ a², Σ δ², elements outside, units outside in all rows, Σ g², Σ w², Σ Δw².
pub const NUMBERS: usize = 8;

/// What a dense layer's weights, errors and activations came to in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerFlow {
    /// "layer 0 (dense 64→256)".
    pub label: String,
    /// The name of the activation behind it.
    pub activation: String,
    /// `‖∇W‖ / √n` over the n weights: the gradient of a typical weight.
    pub gradient: f64,
    /// `‖δ‖ / √n` over rows and outputs, before the activation: the error of a typical unit.
    pub error: f64,
    /// `‖ΔW‖ / ‖W‖`: by which share the step moved the weights.
    pub moved: f64,
    /// The mean of the activations.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The share of units that were off (relu) or flat (sigmoid, tanh) in all rows: dead ones. A batch of fewer than eight rows does not tell: a sound
    /// unit that is on half the time is off in all of them more often than once in 256. There it is 0.
    pub dead: f64,
    /// The share of activations that were so.
    pub saturated: f64,
}

/// The bounds beyond which an activation is off or flat.
pub(crate) fn bounds(activation: &str) -> Option<(f32, f32)> {
    match activation {
        "relu" => Some((0.0, f32::MAX)),
        // where the slope is below 0.01
        "sigmoid" | "softmax" => Some((0.01, 0.99)),
        // where the slope is below 0.04
        "tanh" => Some((-0.98, 0.98)),
        // at a ten-thousandth of where they level off
        "elu" => Some((-0.999, f32::MAX)),
        "selu" => Some((-1.756, f32::MAX)),
        _ => None,
    }
}

impl LayerFlow {
    /// From what the device summed up: see [`NUMBERS`].
    pub(crate) fn of(label: &str, activation: &str, sums: &[f32], rows: usize, width: usize, weights: usize) -> Self {
        let [a, squares, errors, outside, dead, g, w, moved] = std::array::from_fn(|i| f64::from(sums[i]));
        let (cells, weights) = ((rows * width) as f64, weights as f64);
        let mean = a / cells;
        let bounded = if bounds(activation).is_some() { 1.0 } else { 0.0 };
        LayerFlow {
            label: label.to_string(),
            activation: activation.to_string(),
            gradient: (g / weights).sqrt(),
            error: (errors / cells).sqrt(),
            moved: if w > 0.0 { (moved / w).sqrt() } else { 0.0 },
            mean,
            deviation: (squares / cells - mean * mean).max(0.0).sqrt(),
            dead: if rows < TELLING_ROWS { 0.0 } else { bounded * dead / width as f64 },
            saturated: bounded * outside / cells,
        }
    }
}

/// All layers in one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step since training began, from 1.
    pub step: usize,
    /// The step's rate as a share of the one that its schedule is given: small in a warm-up, and where a schedule has come down.
    pub share: f64,
    /// The dense layers, first to last.
    pub layers: Vec<LayerFlow>,
}

/// What is wrong with the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Errors die on their way to the first layers.
    Vanishing,
    /// Errors or activations grow from layer to layer.
    Exploding,
    /// Units of relu are off in all rows.
    Dead,
    /// Activations are where the slope is nearly 0.
    Saturated,
    /// A step moves the weights too far.
    Hasty,
    /// A step hardly moves any weights.
    Stuck,
}

impl Trouble {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Trouble::Vanishing => "vanishing",
            Trouble::Exploding => "exploding",
            Trouble::Dead => "dead",
            Trouble::Saturated => "saturated",
            Trouble::Hasty => "hasty",
            Trouble::Stuck => "stuck",
        }
    }
}

/// A diagnosis in plain words.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// What is wrong.
    pub trouble: Trouble,
    /// Where, by how much, and what cures it.
    pub message: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// How much smaller the first layer's gradients may be than the last's, and how much larger errors may grow on their way.
const VANISHING: f64 = 1e-4;
const EXPLODING: f64 = 1e3;
/// How many rows it takes to call a unit dead that is off in all of them.
const TELLING_ROWS: usize = 8;
/// Which share of a layer may be dead or saturated.
const SHARE: f64 = 0.6;
/// By which share a step should move the weights at most, and at least.
const HASTY: f64 = 0.3;
const STUCK: f64 = 1e-8;
/// A schedule that has come down below this share of its rate wants small steps.
const ANNEALED: f64 = 0.1;

impl Flow {
    /// What is wrong, worst first; nothing when all is well.
    ///
    /// - vanishing: the typical gradient of a layer is below 10⁻⁴ of that of the last;
    /// - exploding: the typical error of a layer is above 10³ of the last's, or the activations' deviation of the last hidden layer above 10³
    ///   of the first's;
    /// - dead, saturated: above 60 % of a layer;
    /// - hasty: a step moves a layer's weights by more than 30 %; stuck: those of no layer by 10⁻⁸ although there are
    ///   gradients, and the schedule has not come down below a tenth of its rate, where small steps are what is wanted.
    pub fn diagnose(&self) -> Vec<Diagnosis> {
        let mut found = Vec::new();
        let mut say = |trouble, message: String| found.push(Diagnosis { trouble, message });
        let (Some(first), Some(last)) = (self.layers.first(), self.layers.last()) else { return found };
        let hidden = &self.layers[..self.layers.len() - 1];

        let least = hidden.iter().min_by(|a, b| a.gradient.total_cmp(&b.gradient));
        if let Some(least) = least.filter(|least| least.gradient < VANISHING * last.gradient) {
            say(
                Trouble::Vanishing,
                format!(
                    "the gradients of {} are {:.0e} of those of {}: vanishing; He or Xavier initialisation, batch_norm or residual blocks cure this{}",
                    least.label,
                    least.gradient / last.gradient,
                    last.label,
                    if ["sigmoid", "tanh"].contains(&least.activation.as_str()) { ", and so does relu" } else { "" },
                ),
            );
        }
        let most = hidden.iter().max_by(|a, b| a.error.total_cmp(&b.error));
        let grown = hidden.last().map_or(0.0, |end| end.deviation / first.deviation.max(f64::MIN_POSITIVE));
        if let Some(most) = most.filter(|most| most.error > EXPLODING * last.error) {
            say(
                Trouble::Exploding,
                format!(
                    "the errors of {} are {:.0e} times those of {}: exploding; smaller initial weights (init = \"auto\"), [clip] norm = 1.0 or \
                     batch_norm cure this",
                    most.label,
                    most.error / last.error,
                    last.label
                ),
            );
        } else if grown > EXPLODING && first.deviation > 0.0 {
            say(
                Trouble::Exploding,
                format!(
                    "the activations grow by {grown:.0e} from {} to the output: exploding; smaller initial weights (init = \"auto\"), batch_norm \
                     or layer_norm cure this",
                    first.label
                ),
            );
        }
        for layer in hidden {
            let LayerFlow { label, activation, dead, saturated, .. } = layer;
            if activation == "relu" && *dead > SHARE {
                say(
                    Trouble::Dead,
                    format!(
                        "{:.0} % of the units of {label} are dead (relu is 0 in all rows): a lower learning rate, leaky_relu or He initialisation \
                         cure this",
                        100.0 * dead
                    ),
                );
            } else if activation != "relu" && *saturated > SHARE {
                say(
                    Trouble::Saturated,
                    format!(
                        "{:.0} % of the activations of {label} are saturated ({activation} is flat there): smaller initial weights, scaled features or \
                         batch_norm before it cure this",
                        100.0 * saturated
                    ),
                );
            }
        }
        if let Some(layer) = self.layers.iter().filter(|layer| layer.moved > HASTY).max_by(|a, b| a.moved.total_cmp(&b.moved)) {
            say(
                Trouble::Hasty,
                format!(
                    "one step moves the weights of {} by {:.0} %: lower the learning rate, or let it warm up",
                    layer.label,
                    100.0 * layer.moved
                ),
            );
        }
        // where one layer alone stands, its gradients have vanished, and a higher rate is no cure; a movement below the rounding of f32 is none at all
        let most = self.layers.iter().map(|layer| layer.moved).fold(0.0, f64::max);
        let pulled = self.layers.iter().any(|layer| layer.gradient > 0.0 && layer.gradient.is_finite());
        if most < STUCK && pulled && self.share >= ANNEALED {
            let by = if most > 0.0 { format!("by more than {most:.0e} of themselves") } else { "at all".to_string() };
            say(Trouble::Stuck, format!("one step moves no layer's weights {by}: raise the learning rate"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(n: usize, activation: &str) -> LayerFlow {
        LayerFlow {
            label: format!("layer {n} (dense 8→8)"),
            activation: activation.to_string(),
            gradient: 1e-3,
            error: 1e-2,
            moved: 1e-3,
            mean: 0.3,
            deviation: 0.5,
            dead: 0.05,
            saturated: 0.4,
        }
    }

    fn flow(change: impl Fn(usize, &mut LayerFlow)) -> Vec<Trouble> {
        let mut layers: Vec<_> = (0..4).map(|n| layer(2 * n, "relu")).collect();
        layers.iter_mut().enumerate().for_each(|(n, layer)| change(n, layer));
        Flow { epoch: 1, step: 1, share: 1.0, layers }.diagnose().into_iter().map(|d| d.trouble).collect()
    }

    #[test]
    fn a_healthy_flow_is_not_spoken_of() {
        assert_eq!(flow(|_, _| {}), []);
        // gradients that fall by a factor of ten a layer are usual
        assert_eq!(flow(|n, layer| layer.gradient *= 10f64.powi(n as i32 - 3)), []);
    }

    #[test]
    fn every_trouble_has_its_sign() {
        assert_eq!(flow(|n, layer| layer.gradient *= 1e-2f64.powi(3 - n as i32)), [Trouble::Vanishing]);
        assert_eq!(flow(|n, layer| layer.error *= 20f64.powi(3 - n as i32)), [Trouble::Exploding]);
        assert_eq!(flow(|n, layer| layer.deviation *= 50f64.powi(n as i32)), [Trouble::Exploding]);
        assert_eq!(flow(|n, layer| layer.dead = if n == 1 { 0.7 } else { 0.0 }), [Trouble::Dead]);
        let flat = |n: usize, layer: &mut LayerFlow| {
            layer.activation = "tanh".into();
            layer.saturated = if n == 2 { 0.7 } else { 0.1 };
        };
        assert_eq!(flow(flat), [Trouble::Saturated]);
        assert_eq!(flow(|n, layer| layer.moved = if n == 0 { 0.5 } else { 0.01 }), [Trouble::Hasty]);
        assert_eq!(flow(|_, layer| layer.moved = 1e-9), [Trouble::Stuck]);
        assert_eq!(flow(|_, layer| layer.moved = 0.0), [Trouble::Stuck]);
    }

    #[test]
    fn what_is_just_within_a_bound_is_not_spoken_of() {
        // of four layers the first is nearly too small or too large, by a hundredth of the bound
        assert_eq!(flow(|n, layer| layer.gradient = if n == 0 { 1.01e-4 } else { 1.0 }), []);
        assert_eq!(flow(|n, layer| layer.error = if n == 0 { 0.99e3 } else { 1.0 }), []);
        // activations grow over the hidden layers, of which the third is the last
        assert_eq!(flow(|n, layer| layer.deviation = if n == 2 { 0.99e3 } else { 1.0 }), []);
        assert_eq!(flow(|_, layer| layer.dead = 0.59), []);
        let flat = |_: usize, layer: &mut LayerFlow| (layer.activation, layer.saturated) = ("tanh".into(), 0.59);
        assert_eq!(flow(flat), []);
        assert_eq!(flow(|_, layer| layer.moved = 0.29), []);
        assert_eq!(flow(|n, layer| layer.moved = if n == 2 { 1.01e-8 } else { 0.0 }), []);
        // where there is no gradient, or the step was not applied, nothing is to move
        assert_eq!(flow(|_, layer| (layer.moved, layer.gradient) = (0.0, 0.0)), []);
        assert_eq!(flow(|_, layer| (layer.moved, layer.gradient) = (0.0, f64::INFINITY)), []);
    }

    #[test]
    fn small_steps_at_the_end_of_a_schedule_are_wanted() {
        let at = |share: f64| {
            let layers = (0..4).map(|n| LayerFlow { moved: 1e-9, ..layer(2 * n, "relu") }).collect();
            Flow { epoch: 9, step: 99, share, layers }.diagnose().into_iter().map(|d| d.trouble).collect::<Vec<_>>()
        };
        assert_eq!((at(0.1), at(0.099)), (vec![Trouble::Stuck], vec![]));
    }

    #[test]
    fn a_diagnosis_names_layers_numbers_and_cures() {
        let mut layers: Vec<_> = (0..4).map(|n| layer(2 * n, "sigmoid")).collect();
        layers[0].gradient = 1e-10;
        let said = Flow { epoch: 1, step: 1, share: 1.0, layers }.diagnose();
        assert!(
            said[0].message.starts_with("the gradients of layer 0 (dense 8→8) are 1e-7 of those of layer 6 (dense 8→8): vanishing"),
            "{}",
            said[0]
        );
        assert!(said[0].message.contains("batch_norm or residual blocks") && said[0].message.ends_with("and so does relu"), "{}", said[0]);
    }

    #[test]
    fn numbers_are_made_of_the_sums() {
        // two rows of two units: a = 0, 2, 0, 4 of relu: mean 1.5, Σa² = 20, variance 5 − 2.25; unit 0 is off in both,
        // which of two rows says nothing
        let flow = LayerFlow::of("l", "relu", &[6.0, 20.0, 16.0, 2.0, 1.0, 9.0, 4.0, 1.0], 2, 2, 9);
        assert_eq!((flow.mean, flow.deviation, flow.error), (1.5, 2.75f64.sqrt(), 2.0));
        assert_eq!((flow.dead, flow.saturated, flow.gradient, flow.moved), (0.0, 0.5, 1.0, 0.5));
        // the same over eight rows
        let flow = LayerFlow::of("l", "relu", &[24.0, 80.0, 64.0, 8.0, 1.0, 9.0, 4.0, 1.0], 8, 2, 9);
        assert_eq!((flow.dead, flow.saturated), (0.5, 0.5));
    }
}
