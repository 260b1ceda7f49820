//! Back-propagation against central differences in f64: every activation, every loss, every way that layers can follow each other.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

use gradus::data::Codes;
use gradus::exec::Executor as _;
use gradus::exec::cpu::Cpu;
use gradus::kernel::{Part, Row, Step};
use gradus::kernels::activation;
use gradus::model::{Compiled, Init, Layer, Spec};
use gradus::plan::padded;
use gradus::rng::{Purpose, Rng};
use gradus::{Activation, Clip, Loss, Model, Sgd};

/// Half the distance of the two losses that a difference is taken of. What a central difference leaves out is of the order of its
/// square (1e-10), what rounding adds of the order of 2⁻⁵³ / STEP (1e-11).
const STEP: f64 = 1e-5;
/// How far gradient and difference may be apart, relative to the gradient or to 1. Right ones are 1e-9 apart at most; a kink of relu
/// within ±STEP of a sum would show as some 1e-2: another seed is the remedy then.
const ALLOWED: f64 = 1e-8;
/// Rows of a full batch.
const BATCH: usize = 16;
/// Rows of the data set, more than a batch, so that the order of the rows matters.
const ROWS: usize = 24;

/// A net with data, compiled for so many members with weights of their own.
struct Net {
    compiled: Compiled,
    cpu: Cpu<f64>,
    members: usize,
}

impl Net {
    fn new(model: &Model, loss: &Loss, members: usize, bytes: bool) -> Self {
        let optimizer = Sgd::new();
        let classes = (loss.name() == "cross_entropy").then_some(model.outputs());
        let spec = Spec {
            optimizer: Some(&optimizer),
            members,
            data_rows: ROWS,
            byte_scale: bytes.then_some(1.0 / 128.0),
            classes,
            ..Spec::new(model, loss, BATCH)
        };
        let compiled = model.compile(&spec).unwrap();
        let mut cpu = Cpu::<f64>::new(compiled.plan.clone());
        let mut rng = Rng::new(5, Purpose::Synthetic, 0);
        match bytes {
            true => {
                let mut words = vec![0u32; ROWS * padded(model.inputs()) / 4];
                for row in 0..ROWS {
                    for column in 0..model.inputs() {
                        let at = row * padded(model.inputs()) + column;
                        words[at / 4] |= (rng.below(256) as u32) << (8 * (at % 4));
                    }
                }
                cpu.write_words(compiled.features[0], 0, &words).unwrap();
            }
            false => {
                let codes = match model.layers().first() {
                    Some(Layer::Embedding { codes }) => codes.as_slice(),
                    _ => &[],
                };
                for row in 0..ROWS {
                    for column in 0..model.inputs() {
                        let value = match codes.iter().find(|codes| codes.column == column) {
                            Some(codes) => rng.below(codes.count as u64) as f64,
                            None => rng.normal(),
                        };
                        cpu.set(compiled.features[0], row * padded(model.inputs()) + column, value);
                    }
                }
            }
        }
        if let Some(of) = compiled.classes {
            (0..ROWS).for_each(|row| cpu.write_words(of, row, &[rng.below(model.outputs() as u64) as u32]).unwrap());
            cpu.write(compiled.class_weights, 0, &vec![1.0; model.outputs()]).unwrap();
        }
        if let Some(of) = compiled.values {
            let len = compiled.plan.buffer(of).len;
            (0..len).for_each(|at| cpu.set(of, at, rng.normal()));
        }
        if let Some(seeds) = compiled.seeds {
            cpu.write_words(seeds, 0, &(0..members as u32).map(|m| 77 + m).collect::<Vec<_>>()).unwrap();
        }
        for member in 0..members {
            let order: Vec<u32> = (0..BATCH).map(|_| rng.below(ROWS as u64) as u32).collect();
            cpu.write_words(compiled.order, member * BATCH, &order).unwrap();
            let mut rng = Rng::new(7, Purpose::Init, member as u64);
            for at in compiled.places() {
                cpu.set(compiled.params[0], member * compiled.arena + at, 0.6 * rng.normal());
            }
        }
        Net { compiled, cpu, members }
    }

    fn table(&self, rows: usize) -> Vec<u32> {
        let mut table = Step::table(self.members);
        // a rate of 0: the weights stay
        let rates = vec![[0.0, 1.0, 1.0, rows as f32]; self.members];
        Step::push(&mut table, &Row { rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &rates });
        table
    }

    /// The arena of gradients after a step of training with so many live rows.
    fn gradients(&mut self, rows: usize) -> Vec<f64> {
        let before = self.cpu.values(self.compiled.params[0]);
        let table = self.table(rows);
        self.cpu.run(self.compiled.train.unwrap(), &table).unwrap();
        let learned = |values: Vec<f64>| self.compiled.places().into_iter().map(|at| values[at]).collect::<Vec<_>>();
        assert_eq!(learned(self.cpu.values(self.compiled.params[0])), learned(before), "a rate of 0 changes nothing");
        self.cpu.values(self.compiled.grads[0])
    }

    /// The mean loss of each member.
    fn losses(&mut self, rows: usize) -> Vec<f64> {
        let table = self.table(rows);
        // of training: there dropout drops, and batches have statistics of their own
        self.cpu.run(self.compiled.train.unwrap(), &table).unwrap();
        let log = self.cpu.values(self.compiled.log);
        log.chunks(4).take(self.members).map(|sums| sums[0] / rows as f64).collect()
    }

    /// The worst error over all parameters of all members.
    fn check(&mut self, name: &str, rows: usize) -> f64 {
        let (arena, places, base) = (self.compiled.arena, self.compiled.places(), self.losses(rows));
        let gradients = self.gradients(rows);
        let mut worst = 0.0f64;
        for member in 0..self.members {
            let own = &gradients[member * arena..][..arena];
            assert!(own.iter().any(|&g| g != 0.0), "{name}: all gradients are 0");
            let padding = (0..arena).filter(|at| !places.contains(at));
            assert!(padding.into_iter().all(|at| own[at] == 0.0), "{name}: the padding of the gradients is not 0");
            for &at in &places {
                let weight = self.cpu.values(self.compiled.params[0])[member * arena + at];
                let mut shifted = |by: f64| {
                    self.cpu.set(self.compiled.params[0], member * arena + at, weight + by);
                    self.losses(rows)
                };
                let (up, down) = (shifted(STEP), shifted(-STEP));
                self.cpu.set(self.compiled.params[0], member * arena + at, weight);
                for other in (0..self.members).filter(|&m| m != member) {
                    assert_eq!(
                        (up[other], down[other]),
                        (base[other], base[other]),
                        "{name}: member {member}'s weight moves member {other}"
                    );
                }
                let (difference, gradient) = ((up[member] - down[member]) / (2.0 * STEP), own[at]);
                let error = (difference - gradient).abs() / gradient.abs().max(1.0);
                let place = self.compiled.name(at);
                assert!(
                    error <= ALLOWED,
                    "{name}, {rows} rows, member {member}, {place}: gradient {gradient:e}, difference {difference:e}, {error:e} apart"
                );
                worst = worst.max(error);
            }
        }
        worst
    }
}

/// Where in an arena the parameters are.
trait Places {
    fn places(&self) -> Vec<usize>;
    fn name(&self, at: usize) -> String;
}

impl Places for Compiled {
    fn places(&self) -> Vec<usize> {
        let numbers: Vec<usize> = (0..self.arena).collect();
        self.tensors.iter().filter(|tensor| tensor.role.is_learned()).flat_map(|tensor| tensor.unpack(&numbers)).collect()
    }

    fn name(&self, at: usize) -> String {
        let tensor = self.tensors.iter().rfind(|tensor| tensor.offset <= at).expect("the first tensor is at 0");
        format!("{}[{}]", tensor.name, at - tensor.offset)
    }
}

/// Full, remainder, full, one row: alone and as one of three.
fn check(name: &str, model: &Model, loss: &Loss, bytes: bool) {
    for members in [1, 3] {
        let mut net = Net::new(model, loss, members, bytes);
        let worst = [BATCH, 5, BATCH, 1].map(|rows| net.check(name, rows)).into_iter().fold(0.0, f64::max);
        println!("{name}, members {members}: at most {worst:.1e} apart");
    }
}

fn every_activation() -> impl Iterator<Item = Activation> {
    activation::TABLE.iter().map(|row| Activation::named(row.name).unwrap())
}

#[test]
fn gradients_are_right_with_every_activation_and_every_loss() {
    for activation in every_activation() {
        let model = Model::input(5).dense(7).activation(activation.clone()).dense(6).activation(activation.clone()).dense(3);
        for loss in [Loss::cross_entropy(), Loss::mse()] {
            check(&format!("{} with {}", activation.name(), loss.name()), &model, &loss, false);
        }
    }
    for loss in Loss::table().iter().filter_map(|info| Loss::named(info.name)) {
        let model = Model::input(5).dense(7).tanh().dense(4);
        check(&format!("tanh with {}", loss.name()), &model, &loss, false);
    }
    let leaky = Activation::named("leaky_relu").unwrap().with_parameter(0.25).unwrap();
    check("leaky_relu of slope 0.25", &Model::input(5).dense(7).activation(leaky).dense(3), &Loss::cross_entropy(), false);
}

#[test]
fn gradients_are_right_with_every_activation_on_its_own() {
    for activation in every_activation() {
        let name = activation.name();
        let first = Model::input(5).activation(activation.clone()).dense(6).tanh().dense(3);
        check(&format!("{name} on the input"), &first, &Loss::cross_entropy(), false);
        let row = Model::input(5).dense(6).tanh().activation(activation.clone()).dense(3);
        check(&format!("tanh, then {name}"), &row, &Loss::cross_entropy(), false);
        let row = Model::input(5).dense(6).activation(activation.clone()).tanh().sigmoid().dense(3);
        check(&format!("{name}, then tanh, then sigmoid"), &row, &Loss::cross_entropy(), false);
        let last = Model::input(5).dense(6).tanh().dense(3).activation(activation.clone());
        check(&format!("{name} at the output"), &last, &Loss::mse(), false);
        let last = Model::input(5).dense(6).tanh().dense(3).sigmoid().activation(activation.clone());
        check(&format!("sigmoid, then {name} at the output"), &last, &Loss::mse(), false);
    }
}

#[test]
fn gradients_are_right_without_a_bias() {
    let bare = |outputs| Layer::Dense { outputs, bias: false, init: Init::Auto };
    let model = Model::input(5).layer(bare(7)).tanh().dense(6).relu().layer(bare(3));
    check("without a bias in two layers", &model, &Loss::cross_entropy(), false);
    check("one layer without a bias", &Model::input(5).layer(bare(3)), &Loss::mse(), false);
}

#[test]
fn gradients_are_right_for_widths_around_the_padding() {
    for (inputs, hidden, outputs) in [(1, 1, 1), (4, 8, 4), (3, 5, 2), (17, 33, 9)] {
        let model = Model::input(inputs).dense(hidden).tanh().dense(outputs);
        check(&format!("{inputs}-{hidden}-{outputs}"), &model, &Loss::mse(), false);
    }
    check("two classes", &Model::input(2).dense(9).tanh().dense(2), &Loss::cross_entropy(), false);
}

#[test]
fn gradients_are_right_for_features_as_bytes() {
    check("bytes", &Model::input(6).dense(7).tanh().dense(3), &Loss::cross_entropy(), true);
}

fn codes(column: usize, count: usize, width: usize) -> Codes {
    Codes { column, count, width }
}

#[test]
fn gradients_are_right_through_normalisation_dropout_embeddings_and_residuals() {
    let loss = Loss::cross_entropy();
    let models = [
        ("batch norm", Model::input(5).dense(7).batch_norm().tanh().dense(3)),
        ("batch norm on the input", Model::input(5).batch_norm().dense(6).tanh().dense(3)),
        ("layer norm", Model::input(5).dense(7).layer_norm().tanh().dense(3)),
        ("layer norm at both ends", Model::input(5).layer_norm().dense(6).tanh().dense(3).layer_norm()),
        ("dropout", Model::input(5).dropout(0.2).dense(9).tanh().dropout(0.4).dense(3)),
        ("embedding", Model::input(4).embedding([codes(0, 4, 3), codes(2, 9, 5), codes(3, 2, 1)]).dense(7).tanh().dense(3)),
        ("embedding before a norm", Model::input(3).embedding([codes(1, 5, 4)]).layer_norm().residual(|f| f.dense(6).tanh()).dense(3)),
        ("residual", Model::input(5).dense(6).residual(|f| f.tanh().dense(6)).tanh().dense(3)),
        ("residual with projection", Model::input(5).dense(6).tanh().residual(|f| f.dense(9).tanh()).dense(3)),
        ("residual in residual", Model::input(5).dense(6).residual(|f| f.tanh().dense(6).residual(|f| f.dense(6).tanh())).dense(3)),
        ("residual that is all of a residual", Model::input(5).dense(6).residual(|f| f.residual(|f| f.residual(|f| f.tanh()))).dense(3)),
        ("residual on the input", Model::input(4).residual(|f| f.dense(4).tanh()).dense(3)),
        ("all of it", Model::input(5).dense(6).residual(|f| f.batch_norm().sigmoid().dropout(0.3).dense(6).layer_norm()).tanh().dense(3)),
    ];
    for (name, model) in models {
        // a batch of one row has no variance: `check` tries one, so normalisation by the batch has a check of its own
        let batches: &[usize] = if model.has_batch_norm() { &[BATCH, 5, BATCH, 2] } else { &[BATCH, 5, BATCH, 1] };
        for members in [1, 3] {
            let mut net = Net::new(&model, &loss, members, false);
            let worst = batches.iter().map(|&rows| net.check(name, rows)).fold(0.0, f64::max);
            println!("{name}, members {members}: at most {worst:.1e} apart");
        }
    }
    check("softmax at the output", &Model::input(5).dense(6).tanh().dense(3).softmax(), &Loss::mse(), false);
}

#[test]
fn a_users_own_formulas_have_right_gradients() {
    let activation = Activation::expression("z*sigmoid(1.5*z) + 0.1*sin(z)").unwrap();
    let model = Model::input(5).dense(7).activation(activation.clone()).dense(6).activation(activation).dense(3);
    let loss = Loss::expression("(p - t)^2*(1 + 2*sigmoid(t - p))").unwrap();
    check("expressions", &model, &loss, false);
}

#[test]
fn gradients_are_right_where_they_change_as_fast_as_behind_a_norm_of_what_hardly_varies() {
    // the outputs of a layer that is nearly zero are within a thousandth of each other: behind their normalisation a weight moves them all
    let flat = Layer::Dense { outputs: 3, bias: false, init: Init::Normal { std: 3e-3 } };
    let model = Model::input(2).dense(1).layer(flat).layer_norm().tanh().dense(2);
    let (train, _) = gradus::Dataset::moons(40, 1).split(0.5);
    let training = gradus::Trainer::new(model, Loss::cross_entropy()).batch(20).build(gradus::Device::Cpu).unwrap();
    for tensor in training.gradcheck(&train, 6).unwrap() {
        assert!(tensor.passes() && tensor.compared > 0, "{tensor:?}");
    }
}

#[test]
fn a_models_gradients_can_be_checked_on_its_own_data() {
    let (train, _) = gradus::Dataset::digits().split(0.5);
    let model = Model::input(64).dense(20).batch_norm().relu().dropout(0.2).residual(|f| f.dense(20).tanh()).dense(10);
    let training = gradus::Trainer::new(model, Loss::cross_entropy()).batch(32).clip(Clip::Value(1e-3)).build(gradus::Device::Cpu).unwrap();
    let found = training.gradcheck(&train, 12).unwrap();
    let names: Vec<_> = found.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "1.weight", "1.bias", "4.body.0.weight", "4.body.0.bias", "5.weight", "5.bias"]);
    for tensor in &found {
        println!("{tensor:?}");
        assert!(tensor.passes() && tensor.compared + tensor.kinks >= 10, "{tensor:?}");
    }
}
