//! `gradus plot`: the diagrams of training, drawn from the library's own tables, from a config, or from a run.

use super::config::Config;
use super::run::{self, Run};
use super::{assemble, say};
use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::exec::Device;
use crate::exec::cpu::Cpu;
use crate::kernel::Kernel as _;
use crate::kernels::activation;
use crate::kernels::running_stats::RunningUpdate;
use crate::loss::{Loss, Takes};
use crate::optim::Optimizer;
use crate::plan::Plan;
use crate::plot::{
    Edge, Function, Group, Levels, LossCurves, Node, Series, Surface, confusion_matrix, functions_with_slopes, gradient_flow, loss_curves,
    losses_side_by_side, schedules, surface_paths, workflow,
};
use crate::schedule::Position;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Losses over the error p − t with their slopes; with a CONFIG, its own loss too
    Losses,
    /// All activations with their slopes; with a CONFIG, its own too
    Activations,
    /// The learning rate over a run, of one or more CONFIGs; nothing is trained
    Schedule,
    /// The ways of all optimizers over Rosenbrock's valley
    Optimizers,
    /// A step of training as a graph of its dispatches, of a CONFIG
    Plan,
    /// Training and validation loss of a RUN, with its best epoch and early stop
    Run,
    /// The flow of gradients of a RUN, layer by layer
    Flow,
    /// The confusion matrix of a RUN on its test set
    Confusion,
}

/// `gradus plot`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  gradus plot activations --out activations.svg\n  gradus plot schedule a.toml b.toml --log --out rates.svg\n  \
                        gradus plot plan digits --out plan.svg\n  gradus plot run runs/digits-1 --out loss.svg"
)]
pub struct Plot {
    /// What is drawn.
    #[arg(value_enum, value_name = "WHAT")]
    pub what: What,
    /// Configs or a run.
    #[arg(value_name = "CONFIG|NAME|RUN", help = "A config or built-in name (several for schedules), or the folder of a run")]
    pub of: Vec<PathBuf>,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = "Set a key of the config. Repeatable")]
    pub sets: Vec<String>,
    /// The file.
    #[arg(long, value_name = "FILE.svg", help = "The file [default: WHAT.svg]")]
    pub out: Option<PathBuf>,
    /// Whether the upright axis is logarithmic.
    #[arg(long, help = "A logarithmic upright axis, for schedules and losses of a run")]
    pub log: bool,
}

pub(super) fn plot(args: &Plot) -> Result<ExitCode> {
    let svg = match args.what {
        What::Losses => losses(args)?,
        What::Activations => activations(args)?,
        What::Schedule => schedule(args)?,
        What::Optimizers => optimizers(),
        What::Plan => plan(args)?,
        What::Run => curves(args)?,
        What::Flow => flow(args)?,
        What::Confusion => confusion(args)?,
    };
    let name = args.what.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default();
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.svg")));
    std::fs::write(&path, svg).map_err(|e| Error::io(&path, e))?;
    say(&format!("drawn: {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// The one config or run that a diagram is of.
fn one(args: &Plot, kind: &str) -> Result<PathBuf> {
    match args.of.as_slice() {
        [one] => Ok(one.clone()),
        found => Err(Error::input(format!("this diagram is of one {kind} (got {}): name it behind the diagram's name", found.len()))),
    }
}

/// The training of a config, on the CPU path, if one was named.
fn training(args: &Plot) -> Result<Option<(Config, crate::train::Training, Dataset)>> {
    if args.of.is_empty() {
        return Ok(None);
    }
    let config = Config::open(one(args, "config")?, &args.sets)?;
    let data = assemble::prepare(&config)?;
    let training = assemble::trainer(&config, &data)?.build(Device::Cpu)?;
    Ok(Some((config, training, data.train)))
}

fn losses(args: &Plot) -> Result<String> {
    let own = training(args)?.map(|(_, training, _)| training.loss().clone()).filter(Loss::is_custom);
    // numbers with a target of 0, so that the prediction is the error; classes with a target of 1, so that it is the margin of the right class
    let of = |numbers: bool| -> Vec<Function> {
        let named = Loss::table().into_iter().filter_map(|info| Loss::named(info.name));
        let all = named.chain(own.clone()).filter(|loss| loss.formula().is_some() && (loss.takes() == Takes::Numbers) == numbers);
        let target = if numbers { 0.0 } else { 1.0 };
        all.map(|loss| {
            let at = |p: f64| loss.at(p, target).unwrap_or((f64::NAN, f64::NAN));
            Function::sampled(loss.name(), (-2.0, 2.0), |p| at(p).0, |p| at(p).1)
        })
        .collect()
    };
    let kinds = [("error p − t, of a target of 0", of(true)), ("margin: output p for a row of the class", of(false))];
    Ok(losses_side_by_side("losses of numbers (above) and of classes (below), and their slopes", &kinds))
}

fn activations(args: &Plot) -> Result<String> {
    let own = training(args)?.map(|(_, training, _)| training.model().custom_activations()).unwrap_or_default();
    let all: Vec<_> = activation::TABLE.iter().map(activation::ActivationInfo::activation).chain(own).collect();
    let of = |activation: &crate::Activation| {
        Function::sampled(activation.name(), (-4.0, 4.0), |z| activation.value(z), |z| activation.slope(z))
    };
    Ok(functions_with_slopes("activations (solid) and their slopes (dashed)", &all.iter().map(of).collect::<Vec<_>>()))
}

fn schedule(args: &Plot) -> Result<String> {
    if args.of.is_empty() {
        return Err(Error::input("schedules are drawn of configs: name one or more, as in `gradus plot schedule digits`"));
    }
    let mut all = Vec::new();
    for path in &args.of {
        let config = Config::open(path, &args.sets)?;
        let data = assemble::prepare(&config)?;
        let training = assemble::trainer(&config, &data)?.build(Device::Cpu)?;
        let (schedule, steps_per_epoch) = (training.schedule(), training.updates(&data.train));
        let epochs = assemble::stop(&config).epochs;
        let at = |step: usize| Position { epoch: step / steps_per_epoch, step, epochs, steps_per_epoch };
        let rates = (0..epochs * steps_per_epoch).map(|step| (step as f64, schedule.rate(at(step))));
        all.push(Series::new(config.name(), rates));
    }
    Ok(schedules("learning-rate schedules", "step", &all, args.log))
}

fn optimizers() -> String {
    // Rosenbrock 1960, from its usual start
    let value = |x: f64, y: f64| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
    let gradient = |w: &[f64]| vec![-2.0 * (1.0 - w[0]) - 400.0 * w[0] * (w[1] - w[0] * w[0]), 200.0 * (w[1] - w[0] * w[0])];
    let tuned = |optimizer: Optimizer| match optimizer.name() {
        "sgd" => optimizer.lr(1e-3),
        // another rate for each of the two, else one hides the other
        "momentum" => optimizer.lr(3e-4),
        "nesterov" => optimizer.lr(2e-4),
        "adagrad" => optimizer.lr(0.3),
        "lion" => optimizer.lr(0.01),
        _ => optimizer.lr(0.02).weight_decay(0.0),
    };
    let path = |optimizer: Optimizer| {
        let optimizer = tuned(optimizer);
        let points = optimizer.path(&[-1.2, 1.0], 400, gradient);
        Series::new(format!("{} {}", optimizer.name(), optimizer.rate()), points.into_iter().map(|w| (w[0], w[1])))
    };
    // one of each kind: AdamW without decay is Adam
    let paths: Vec<Series> = Optimizer::all().filter(|optimizer| optimizer.name() != "adamw").map(path).collect();
    let surface = Surface::sampled((-1.6, 1.4), (-0.5, 1.6), value);
    surface_paths("400 steps of each optimizer in Rosenbrock's valley", &surface, Levels::Log(10), &paths, Some((1.0, 1.0)))
}

fn plan(args: &Plot) -> Result<String> {
    let Some((config, training, train)) = training(args)? else {
        return Err(Error::input("a plan is drawn of a config: name one, as in `gradus plot plan digits`"));
    };
    let first = training.first_step(&train)?;
    let plan = &first.compiled.plan;
    let writes = Cpu::<f32>::new(plan.clone()).trace(first.program, &first.table)?;
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let mut writers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut behind_loss = false;
    let dispatches = &plan.program(first.program).dispatches;
    for (n, dispatch) in dispatches.iter().enumerate() {
        let group = match dispatch.label.as_str() {
            "batch" => Group::Data,
            "loss" => Group::Loss,
            "clip" | "norm" | "sums" | "accumulate" => Group::Clip,
            "update" | "average" => Group::Update,
            _ if dispatch.kernel.name == RunningUpdate::NAME => Group::Update,
            _ if behind_loss => Group::Backward,
            _ => Group::Forward,
        };
        behind_loss |= group == Group::Loss;
        nodes.push(Node::new(n.to_string(), dispatch.kernel.name, group).subtitle(dispatch.label.clone()));
        let mut from: BTreeMap<usize, String> = BTreeMap::new();
        for (buf, written) in dispatch.args.iter().zip(&writes[n]) {
            // the table of steps is moved on by one dispatch and read by all: no edge says anything there
            if *buf != Plan::STEPS && !written {
                let name = &plan.buffer(*buf).name;
                // on the way back a layer reads its own gradients only
                let own = |writer: usize| name != GRADS || group != Group::Backward || dispatches[writer].label == dispatch.label;
                for &writer in writers.get(&buf.number()).into_iter().flatten().filter(|&&writer| own(writer)) {
                    from.entry(writer).or_insert_with(|| name.clone());
                }
            }
        }
        edges.extend(from.into_iter().map(|(writer, name)| Edge::new(writer.to_string(), n.to_string()).label(brief(&name))));
        for (buf, written) in dispatch.args.iter().zip(&writes[n]) {
            if *written {
                let all = writers.entry(buf.number()).or_default();
                // a layer writes its part of an arena; what is written otherwise is written anew
                let part = plan.buffer(*buf).name == GRADS || dispatch.kernel.name == RunningUpdate::NAME;
                if !part {
                    all.clear();
                }
                all.push(n);
            }
        }
    }
    Ok(workflow(&format!("a step of training: {}", config.name()), &nodes, &edges))
}

/// The arena of gradients.
const GRADS: &str = "grads";

/// What a buffer is called on an edge.
fn brief(name: &str) -> &str {
    match name {
        name if name.starts_with("output of") => "a",
        name if name.starts_with("error") || name.starts_with("sum of errors") => "δ",
        name if name.starts_with("statistics") => "stats",
        "slope of the loss" => "δ",
        name => name,
    }
}

/// The columns of a csv file that this crate wrote.
pub(super) fn columns(path: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| Error::input(format!("{}: {e}: train again", path.display())))?;
    let wrong = |e: csv::Error| Error::input(format!("{}: {e}: train again", path.display()));
    let header = reader.headers().map_err(wrong)?.clone();
    let mut found: BTreeMap<String, Vec<String>> = header.iter().map(|name| (name.to_string(), Vec::new())).collect();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        for (name, cell) in header.iter().zip(row.iter()) {
            if let Some(column) = found.get_mut(name) {
                column.push(cell.to_string());
            }
        }
    }
    Ok(found)
}

pub(super) fn numbers(columns: &BTreeMap<String, Vec<String>>, name: &str) -> Vec<f64> {
    columns.get(name).map(|cells| cells.iter().map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()).unwrap_or_default()
}

fn curves(args: &Plot) -> Result<String> {
    let folder = one(args, "run")?;
    let run = run::open(&folder)?;
    let metrics = columns(&folder.join("metrics.csv"))?;
    let (training, validation) = (numbers(&metrics, "train_loss"), numbers(&metrics, "val_loss"));
    let result = &run.manifest["result"];
    let best = result["best_epoch"].as_u64().map(|epoch| epoch as usize).filter(|&epoch| epoch < training.len());
    let stopped = (result["stopped"] != "max_epochs").then_some(training.len());
    let title = format!("loss of {}", folder.display());
    Ok(loss_curves(&LossCurves { title: &title, training: &training, validation: &validation, best, stopped, log_y: args.log }))
}

fn flow(args: &Plot) -> Result<String> {
    let folder = one(args, "run")?;
    run::open(&folder)?;
    let path = folder.join("flow.csv");
    if !path.is_file() {
        return Err(Error::input(format!("{} has no flow.csv: it was trained with [train] diagnose = \"off\"", folder.display())));
    }
    Ok(gradient_flow(&format!("typical gradient of each layer: {}", folder.display()), "step", &flow_series(&columns(&path)?)))
}

/// The typical gradient of each layer over the steps, from the columns of flow.csv.
pub(super) fn flow_series(table: &BTreeMap<String, Vec<String>>) -> Vec<Series> {
    let (steps, gradients) = (numbers(table, "step"), numbers(table, "gradient"));
    let mut layers: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for ((layer, step), gradient) in table.get("layer").into_iter().flatten().zip(steps).zip(gradients) {
        match layers.iter_mut().find(|(name, _)| name == layer) {
            Some((_, points)) => points.push((step, gradient)),
            None => layers.push((layer.clone(), vec![(step, gradient)])),
        }
    }
    layers.into_iter().map(|(name, points)| Series::new(name, points)).collect()
}

fn confusion(args: &Plot) -> Result<String> {
    let folder = one(args, "run")?;
    let run: Run = run::open(&folder)?;
    let data = assemble::prepare(&run.config)?.test;
    let Targets::Classes { of, names } = data.table().targets().clone() else {
        return Err(Error::input("a confusion matrix is of classes, and this run is a regression"));
    };
    if data.is_empty() {
        return Err(Error::input("the run has no test set: train with [data] split.test above 0"));
    }
    let mut training = assemble::trained(&run)?.build(Device::Cpu)?;
    let outputs = training.model().outputs();
    let predicted = training.predict(0, &data)?;
    let mut counts = vec![0u64; names.len() * names.len()];
    for (row, z) in data.rows().iter().zip(predicted.chunks(outputs)) {
        let class = match z {
            [z] => usize::from(*z > 0.0),
            z => (1..z.len()).fold(0, |best, j| if z[j] > z[best] { j } else { best }),
        };
        counts[of[*row as usize] as usize * names.len() + class] += 1;
    }
    Ok(confusion_matrix(&format!("confusion on the test set: {}", folder.display()), &names, &counts))
}
