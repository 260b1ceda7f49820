//! What a random model is drawn from: the rows of the crate's tables, and widths, depths and numbers around those that people take.

use super::random::{Goal, Inputs, Place, Random, Watched};
use gradus::data::Codes;
use gradus::hyper::{Hyper, Range};
use gradus::kernels::{activation, update};
use gradus::model::{Dist, Fan, Init, Layer, Scheme};
use gradus::optim::{Decays, Optimizer};
use gradus::schedule::{self, Length, Schedule, Warmup};
use gradus::train::{ClassWeights, Looks, Member, OnNonFinite, Remainder};
use gradus::{Activation, Clip, Loss, Precision};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A model with its data and the way it is trained.
pub(crate) fn model() -> impl Strategy<Value = Random> {
    let data = (any::<u32>(), rows(), 0..40usize, inputs(), goal(), any::<bool>(), any::<bool>());
    let net = (palette(), vec(piece(2), 0..6), vec(tail(), 0..2), init(), loss());
    let rule = (optimizer(), option::of(rate_and_schedule()), clip(), class_weights(), precision());
    let batches = (1..96usize, 1..4usize, any::<bool>(), select(vec![Remainder::Keep, Remainder::Drop]), members());
    let course = (on_nonfinite(), looks(), 1..4usize, option::weighted(0.3, watched()), (place(), any::<bool>()), 0.0..1.0f64);
    (data, net, rule, batches, course).prop_map(|(data, net, rule, batches, course)| {
        let (seed, rows, valid, inputs, goal, weighted, units) = data;
        let (palette, pieces, tail, init, loss) = net;
        let (optimizer, schedule, clip, class_weights, precision) = rule;
        let (batch, accumulate, shuffle, remainder, members) = batches;
        let (on_nonfinite, looks, epochs, watched, (place, fused_gather), stop) = course;
        let random = Random {
            seed: u64::from(seed),
            rows,
            valid,
            inputs,
            layers: Piece::layers(&pieces, &palette),
            tail: Piece::layers(&tail, &palette),
            init,
            loss,
            goal,
            weighted,
            units,
            class_weights,
            optimizer,
            schedule,
            clip,
            precision,
            batch,
            accumulate,
            shuffle,
            remainder,
            members,
            on_nonfinite,
            looks,
            epochs,
            watched,
            place,
            fused_gather,
            stop,
        };
        random.made_to_fit()
    })
}

/// Small, as a rule; sometimes some dozens, and now and then up to 300.
fn width() -> impl Strategy<Value = usize> {
    prop_oneof![32 => 1..13usize, 6 => 13..70usize, 1 => 70..301usize]
}

fn rows() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 1..8usize, 6 => 8..60usize, 1 => 60..200usize]
}

fn inputs() -> impl Strategy<Value = Inputs> {
    let column = option::of((1..9usize, 1..7usize));
    let codes = vec(column, 1..7).prop_map(|columns| {
        let code = |(column, drawn): (usize, &Option<(usize, usize)>)| drawn.map(|(count, width)| Codes { column, count, width });
        Inputs::Codes { width: columns.len(), codes: columns.iter().enumerate().filter_map(code).collect() }
    });
    prop_oneof![4 => width().prop_map(Inputs::Numbers), 2 => width().prop_map(Inputs::Bytes), 2 => codes]
}

fn goal() -> impl Strategy<Value = Goal> {
    let count = || prop_oneof![8 => 1..6usize, 1 => 6..40usize];
    prop_oneof![count().prop_map(Goal::Classes), count().prop_map(Goal::Values)]
}

/// A hyper-parameter of some table: what it is unless said, or another number of its range. (There are few of these, because a formula with another
/// number in it is another shader.)
fn number(hyper: &Hyper) -> BoxedStrategy<f64> {
    let usual = if hyper.default.is_nan() { 1.0 } else { hyper.default };
    let others = match hyper.range {
        Range::Any => vec![usual + 0.5, usual - 0.5],
        Range::Positive => vec![0.5 * usual, 2.0 * usual],
        Range::NotNegative => vec![2.0 * usual, usual + 1.0],
        Range::Share => vec![0.0, 0.25, 0.9],
        Range::Inside => vec![0.2, 0.8],
        Range::Factor => vec![0.5, 1.0],
        Range::Count => vec![1.0, 2.0, 3.0],
    };
    prop_oneof![Just(usual), select(others)].boxed()
}

/// The activations of a model: one or two. (Each list of formulas is a shader of its own.)
fn palette() -> impl Strategy<Value = Vec<Activation>> {
    let of_table = select(activation::TABLE.iter().collect::<Vec<_>>()).prop_flat_map(|row| {
        let usual = Just(row.activation()).boxed();
        match row.parameter {
            None => usual,
            Some(hyper) => {
                number(&hyper).prop_map(move |value| row.activation().with_parameter(value).expect("the number is in its range")).boxed()
            }
        }
    });
    let formulas = ["z*sigmoid(1.5*z)", "tanh(z) + 0.1*z"].map(|text| Activation::expression(text).expect("it is an expression"));
    vec(prop_oneof![24 => of_table, 1 => select(formulas.to_vec())], 1..3)
}

/// A layer, its activation still open.
#[derive(Debug, Clone)]
enum Piece {
    Activation(bool),
    Residual(Vec<Piece>, Init),
    Layer(Layer),
}

impl Piece {
    fn layers(pieces: &[Piece], palette: &[Activation]) -> Vec<Layer> {
        let layer = |piece: &Piece| match piece {
            Piece::Activation(last) => Layer::Activation(palette[if *last { palette.len() - 1 } else { 0 }].clone()),
            Piece::Residual(body, init) => Layer::Residual { layers: Piece::layers(body, palette), init: *init },
            Piece::Layer(layer) => layer.clone(),
        };
        pieces.iter().map(layer).collect()
    }
}

/// A layer of any kind, residual blocks at most so deep in one another.
fn piece(deep: u32) -> BoxedStrategy<Piece> {
    let dense = (width(), prop::bool::weighted(0.8), init()).prop_map(|(outputs, bias, init)| Layer::Dense { outputs, bias, init });
    let flat = prop_oneof![6 => dense.prop_map(Piece::Layer), 4 => tail()].boxed();
    if deep == 0 {
        return flat;
    }
    let block = (vec(piece(deep - 1), 1..4), init()).prop_map(|(body, init)| Piece::Residual(body, init));
    prop_oneof![8 => flat, 1 => block].boxed()
}

/// A layer that leaves the width as it is.
fn tail() -> impl Strategy<Value = Piece> {
    let epsilon = || select(vec![gradus::model::NORM_EPSILON, 1e-3]);
    let layer = prop_oneof![
        3 => (epsilon(), select(vec![gradus::model::NORM_MOMENTUM, 0.5, 1.0]))
            .prop_map(|(epsilon, momentum)| Layer::BatchNorm { epsilon, momentum }),
        3 => epsilon().prop_map(|epsilon| Layer::LayerNorm { epsilon }),
        3 => select(vec![0.1, 0.5, 0.0]).prop_map(|rate| Layer::Dropout { rate }),
        1 => Just(Layer::Softmax),
    ];
    prop_oneof![1 => any::<bool>().prop_map(Piece::Activation), 1 => layer.prop_map(Piece::Layer)]
}

fn init() -> impl Strategy<Value = Init> {
    let scaled = (
        select(vec![Scheme::Xavier, Scheme::He, Scheme::Lecun]),
        select(vec![Fan::In, Fan::Avg, Fan::Out]),
        select(vec![Dist::Normal, Dist::Uniform]),
        0.5..1.5f64,
    );
    prop_oneof![
        6 => Just(Init::Auto),
        4 => scaled.prop_map(|(scheme, fan, dist, gain)| Init::Scaled { scheme, fan, dist, gain }),
        1 => (0.5..1.5f64).prop_map(|gain| Init::Orthogonal { gain }),
        1 => (0.01..0.3f64).prop_map(|std| Init::Normal { std }),
        1 => (0.01..0.3f64).prop_map(|limit| Init::Uniform { limit }),
        1 => (-0.1..0.1f64).prop_map(|value| Init::Constant { value }),
        1 => Just(Init::Zeros),
    ]
}

fn loss() -> impl Strategy<Value = Loss> {
    let of_table = select(Loss::table()).prop_flat_map(|info| {
        let usual = Loss::named(info.name).expect("it is in the table");
        let smoothing = select(vec![0.0, 0.1]).prop_map(move |share| usual.clone().label_smoothing(share)).boxed();
        match info.parameter {
            None => smoothing,
            Some(hyper) => (smoothing, number(&hyper))
                .prop_map(|(loss, value)| loss.with_parameter(value).expect("the number is in its range"))
                .boxed(),
        }
    });
    let formulas = ["(p - t)^2*(1 + 2*sigmoid(t - p))", "ln(1 + exp(-abs(p - t))) + abs(p - t)"];
    let formulas = formulas.map(|text| Loss::expression(text).expect("it is an expression"));
    prop_oneof![24 => of_table, 1 => select(formulas.to_vec())]
}

/// A rate that is small for the optimizer.
fn share() -> impl Strategy<Value = f64> {
    (-2.0..0.0f64).prop_map(|power| 10f64.powf(power))
}

fn optimizer() -> impl Strategy<Value = Optimizer> {
    let row = select(update::TABLE.iter().collect::<Vec<_>>()).prop_flat_map(|row| {
        let usual = Optimizer::named(row.name).expect("it is in the table");
        let keys: Vec<_> = row.keys.iter().map(number).collect();
        (keys, share()).prop_map(move |(values, share)| {
            let keys = row.keys.iter().zip(values);
            keys.fold(usual.lr(share * row.lr), |optimizer, (key, value)| optimizer.set(key.name, value))
        })
    });
    let decay = || prop_oneof![3 => Just(0.0), 1 => 1e-4..1e-1f64];
    let rest =
        (decay(), option::weighted(0.25, decay()), select(vec![Decays::Weights, Decays::All]), option::weighted(0.25, 0.5..0.999f64));
    (row, rest).prop_map(|(optimizer, (l2, decay, decays, average))| {
        let optimizer = optimizer.l2(l2).decays(decays);
        let optimizer = decay.map_or(optimizer, |decay| optimizer.weight_decay(decay));
        average.map_or(optimizer, |decay| optimizer.average(decay))
    })
}

/// A schedule of rate 1, for the optimizer's to be put in its place.
fn rate_and_schedule() -> impl Strategy<Value = Schedule> {
    let row = || {
        select(schedule::TABLE.iter().collect::<Vec<_>>()).prop_flat_map(|row| {
            let keys: Vec<_> = row.keys.iter().map(number).collect();
            let words: Vec<_> = row.words.iter().map(|word| select(word.options)).collect();
            (keys, words).prop_map(move |(values, words)| {
                let schedule = Schedule::new(1.0, schedule::Shape::of(row));
                // what it falls to is a rate, too
                let value = |key: &Hyper, value: f64| if key.name == "min" { 1e-7 * value } else { value };
                let schedule = row.keys.iter().zip(values).fold(schedule, |s, (key, drawn)| s.with(key.name, value(key, drawn)));
                row.words.iter().zip(words).fold(schedule, |s, (word, drawn)| s.with(word.name, drawn))
            })
        })
    };
    let formula = Just(Schedule::expression(1.0, "lr*0.5^(epoch//2)/(1 + step)").expect("it is an expression"));
    // of a plateau there is one for the whole run
    let phases = (row(), row()).prop_map(|(first, second)| {
        let phase = |schedule: Schedule| if schedule.shape().name() == "plateau" { Schedule::fixed(1.0) } else { schedule };
        Schedule::phases([(phase(first), Length::Count(1)), (phase(second), Length::Rest)])
    });
    let warmup = prop_oneof![
        2 => Just(Warmup::None),
        1 => (0.0..0.5f64).prop_map(Warmup::Share),
        1 => (1..4usize).prop_map(Warmup::Count),
    ];
    let shape =
        prop_oneof![(row(), warmup).prop_map(|(schedule, warmup)| schedule.warmup_of(warmup)).boxed(), formula.boxed(), phases.boxed()];
    (shape, any::<bool>()).prop_map(|(schedule, by_step)| if by_step { schedule.by_step() } else { schedule })
}

fn clip() -> impl Strategy<Value = Clip> {
    let bound = || option::of((-3.0..1.0f64).prop_map(|power| 10f64.powf(power)));
    (bound(), bound()).prop_map(|(value, norm)| Clip::new(value, norm))
}

fn class_weights() -> impl Strategy<Value = ClassWeights> {
    prop_oneof![
        3 => Just(ClassWeights::None),
        1 => Just(ClassWeights::Balanced),
        1 => vec(0.1..4.0f64, 40).prop_map(ClassWeights::Given),
        1 => (0.1..4.0f64).prop_map(|weight| ClassWeights::Named(vec![(Goal::class(1), weight)])),
    ]
}

fn precision() -> impl Strategy<Value = Precision> {
    prop_oneof![4 => Just(Precision::Full), 1 => Just(Precision::Mixed)]
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let member = || (any::<u32>(), option::of(share())).prop_map(|(seed, lr)| Member { seed: u64::from(seed), lr });
    prop_oneof![3 => vec(member(), 1..2), 2 => vec(member(), 2..5)]
}

fn on_nonfinite() -> impl Strategy<Value = OnNonFinite> {
    select(vec![OnNonFinite::Error, OnNonFinite::Skip, OnNonFinite::Rollback])
}

fn looks() -> impl Strategy<Value = Looks> {
    prop_oneof![Just(Looks::Never), Just(Looks::EachEpoch), (1..4usize).prop_map(Looks::Every)]
}

/// What early stopping watches, its patience, and whether the best weights come back.
fn watched() -> impl Strategy<Value = Watched> {
    (0..8usize, 1..3usize, any::<bool>()).prop_map(|(metric, patience, restore_best)| Watched { metric, patience, restore_best })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => Just(Place::Plain),
        1 => (64..256usize).prop_map(Place::Parts),
        1 => Just(Place::Streamed),
        1 => (0.3..1.0f64).prop_map(Place::Cut),
    ]
}
