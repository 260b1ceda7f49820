//! The arguments of the binary: its commands, their options and their help.

use super::bench::Bench;
use super::compare::Compare;
use super::gradcheck::Gradcheck;
use super::lr_find::LrFind;
use super::plot::Plot;
use super::profile::json_file;
use super::report::Report;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The command line as a whole.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "gradus",
    version,
    about = "Trains neural networks on any GPU (Vulkan, Metal, DX12) or on the CPU",
    after_help = "Begin with:\n  gradus train digits              train on real data that is built in\n  \
                  gradus check my.toml             see what a config would do\n  \
                  gradus devices                   see what it would run on\n\n\
                  Exit codes: 0 good, 1 the answer is bad (parity), 2 usage or input, 3 not finite, 4 no such device, 130 interrupted"
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Train a model and keep it in a run folder
    Train(Train),
    /// Write a config with comments for a data file, to stdout
    New(New),
    /// See what is in a data file: types, gaps, classes, and what will be in the way
    Inspect(Inspect),
    /// Judge a trained model on its test set, or on new data
    Eval(Eval),
    /// Predict with a trained model
    Predict(Predict),
    /// Write a trained model for other tools: ONNX, safetensors, NumPy, WGSL, Rust
    Export(Export),
    /// List the adapters, their limits, and which one `auto` takes
    Devices(Devices),
    /// Say why a GPU is not found, and the remedy
    Doctor(Doctor),
    /// Write completions for a shell, to stdout
    Completions(Completions),
    /// Write man pages into a folder
    Man(Man),
    /// Compare every kernel on the GPU with its reference on the CPU
    Parity(Parity),
    /// See what a config would do: shapes, parameters, memory, dispatches; nothing is trained
    Check(Check),
    /// Find the learning rate to begin with, from one short sweep
    LrFind(LrFind),
    /// Compare back-propagation with finite differences in f64, tensor by tensor
    Gradcheck(Gradcheck),
    /// Measure samples a second over batch sizes, and the time to a target
    Bench(Bench),
    /// Draw losses, activations, schedules, a plan or a run into an SVG file
    Plot(Plot),
    /// Write the report of a run anew: one HTML file
    Report(Report),
    /// Show two runs side by side: configs, results, curves
    Compare(Compare),
}

const CONFIG: &str = "A TOML file, a data file with --target, or a built-in data set: digits, iris, spirals, moons, sine, friedman";
const TARGET: &str = "The column to predict, by its name or its index from 0: the same as --set data.target=NAME";
const SET: &str = "Set a key of the config, as in optimizer.lr=3e-4; `default` undoes one. Repeatable";
const DEVICE: &str = "auto, cpu, vulkan, metal, dx12, or part of an adapter's name [default: the config's, else auto]";

/// `gradus train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus train digits\n  \
                        gradus train iris.csv --target species\n  \
                        gradus train iris.toml --set optimizer.lr=3e-4 --set train.epochs=5\n  \
                        gradus train iris.toml --set clip=default --device cpu --out runs/plain --overwrite\n  \
                        gradus train digits --profile        where the time goes; open trace.json in ui.perfetto.dev\n  \
                        gradus train --resume runs/digits-1  go on with a run that was stopped")]
pub struct Train {
    /// The config: a file, or the name of a built-in data set.
    #[arg(value_name = "CONFIG|NAME", required_unless_present = "resume", help = CONFIG)]
    pub config: Option<PathBuf>,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = SET)]
    pub sets: Vec<String>,
    /// The column to predict.
    #[arg(long, value_name = "NAME", help = TARGET)]
    pub target: Option<String>,
    /// The device, instead of the config's.
    #[arg(long, value_name = "D", help = DEVICE)]
    pub device: Option<String>,
    /// The run folder, instead of the config's.
    #[arg(long, value_name = "DIR", help = "The run folder, instead of the config's")]
    pub out: Option<PathBuf>,
    /// Whether an existing run folder is replaced.
    #[arg(long, help = "Replace the run folder if it is there already")]
    pub overwrite: bool,
    /// Whether a run goes on, and its folder, if not the one that is trained into.
    #[arg(
        long,
        value_name = "RUN",
        num_args = 0..=1,
        conflicts_with = "overwrite",
        help = "Go on with the run in this folder from its last checkpoint; with a CONFIG and no RUN, with that in --out or [output] dir, or begin it"
    )]
    pub resume: Option<Option<PathBuf>>,
    /// Whether it goes on where something differs that may.
    #[arg(
        long,
        requires = "resume",
        help = "Go on although epochs, schedule, early stopping, clipping, optimizer or device differ: not to the same bits"
    )]
    pub force: bool,
    /// Whether the device is compared with the reference before.
    #[arg(
        long,
        help = "Compare each dispatch of a step and of a judgement on the device with the reference in f64 first, and refuse a device that differs"
    )]
    pub verify: bool,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print the result as one JSON object, the last line of stdout")]
    pub json: bool,
    /// Whether the time of each kernel is taken, and the file for the trace, if not the run folder's.
    #[arg(
        long,
        value_name = "FILE.json",
        num_args = 0..=1,
        value_parser = json_file,
        help = "Time each kernel: a table on stderr, a Chrome trace in FILE.json [default: trace.json in the run folder]"
    )]
    pub profile: Option<Option<PathBuf>>,
    /// Whether charts take the terminal while it trains.
    #[cfg(feature = "tui")]
    #[arg(long, help = "Charts in the terminal, with keys: q stops and keeps, s saves the weights, ? helps")]
    pub tui: bool,
    /// Whether nothing is said on stderr.
    #[arg(long, short, help = "Say nothing on stderr but errors")]
    pub quiet: bool,
}

/// `KEY=VALUE` of the config, with that of the target behind them.
pub(super) fn with_target(sets: &[String], target: Option<&str>) -> Vec<String> {
    // in TOML's quotes, so that a name like `1` is a name first
    let target = target.map(|name| match name.parse::<usize>() {
        Ok(index) => format!("data.target={index}"),
        Err(_) => format!("data.target={}", serde_json::Value::from(name)),
    });
    sets.iter().cloned().chain(target).collect()
}

/// `gradus new`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus new iris.csv --target species > iris.toml\n  gradus train iris.toml")]
pub struct New {
    /// The file.
    #[arg(value_name = "DATA", help = "A file of columns: csv or tsv, packed (.gz) or not, parquet, npy, npz or safetensors")]
    pub data: PathBuf,
    /// The column to predict.
    #[arg(long, value_name = "NAME", help = "The column to predict, by its name or its index from 0")]
    pub target: String,
}

/// `gradus inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus inspect iris.csv\n  gradus inspect iris.csv --target species --json")]
pub struct Inspect {
    /// The file.
    #[arg(value_name = "DATA", help = "A file of columns: csv or tsv, packed (.gz) or not")]
    pub data: PathBuf,
    /// The column to predict.
    #[arg(long, value_name = "NAME", help = "The column to predict: what tells it outright is warned of, and rare classes are")]
    pub target: Option<String>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print one JSON object")]
    pub json: bool,
}

/// `gradus eval`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus eval runs/iris\n  gradus eval runs/iris new.csv --json")]
pub struct Eval {
    /// The run folder of the trained model.
    #[arg(value_name = "RUN", help = "The run folder of a training")]
    pub run: PathBuf,
    /// New data; the run's own test set where there are none.
    #[arg(value_name = "DATA", help = "New data with targets, of the kind that was trained on [default: the run's test set]")]
    pub data: Option<PathBuf>,
    /// The device.
    #[arg(long, value_name = "D", help = "auto, cpu, vulkan, metal, dx12, or part of an adapter's name [default: auto]")]
    pub device: Option<String>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print the metrics as one JSON object")]
    pub json: bool,
}

/// `gradus predict`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus predict runs/iris new.csv\n  gradus predict runs/iris new.csv --proba --out predictions.csv")]
pub struct Predict {
    /// The run folder of the trained model.
    #[arg(value_name = "RUN", help = "The run folder of a training")]
    pub run: PathBuf,
    /// The rows to predict for.
    #[arg(
        value_name = "DATA",
        help = "The rows to predict for, of the kind that was trained on; `-` is CSV from stdin; targets are not needed"
    )]
    pub data: PathBuf,
    /// The file for the predictions; stdout where there is none.
    #[arg(long, value_name = "FILE", help = "A file for the predictions [default: stdout]")]
    pub out: Option<PathBuf>,
    /// How they are written.
    #[arg(long, value_enum, default_value_t = Format::Csv, help = "How they are written: CSV with a header, or an object of JSON a line")]
    pub format: Format,
    /// Whether each class gets its probability.
    #[arg(long, help = "Add the probability of each class")]
    pub proba: bool,
    /// The device, instead of the config's.
    #[arg(long, value_name = "D", help = DEVICE)]
    pub device: Option<String>,
}

/// `gradus export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus export runs/iris --out iris.onnx\n  gradus export runs/iris --to rust --out src/model.rs")]
pub struct Export {
    /// The run folder of the trained model.
    #[arg(value_name = "RUN", help = "The run folder of a training")]
    pub run: PathBuf,
    /// The format.
    #[arg(long, value_name = "FORMAT", help = "onnx, safetensors, npz, wgsl or rust [default: told by the file's name]")]
    pub to: Option<String>,
    /// The file.
    #[arg(long, value_name = "FILE", help = "The file to write")]
    pub out: PathBuf,
    /// Whether an existing file is replaced.
    #[arg(long, help = "Replace the file if it is there already")]
    pub overwrite: bool,
}

/// How predictions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// An object of JSON a line.
    Jsonl,
}

/// `gradus devices`.
#[derive(Debug, Clone, Args)]
pub struct Devices {
    /// Whether the list is printed as JSON.
    #[arg(long, help = "Print one JSON object")]
    pub json: bool,
}

/// `gradus doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Exit code 1: there is no GPU to train on (the CPU path always works)")]
pub struct Doctor {}

/// `gradus completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus completions bash > /etc/bash_completion.d/gradus\n  gradus completions zsh > ~/.zfunc/_gradus")]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL", help = "bash, elvish, fish, powershell or zsh")]
    pub shell: clap_complete::Shell,
}

/// `gradus man`.
#[derive(Debug, Clone, Args)]
pub struct Man {
    /// The folder for the pages.
    #[arg(value_name = "DIR", help = "The folder to write the pages to, such as ~/.local/share/man/man1")]
    pub dir: PathBuf,
}

/// `gradus parity`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus parity\n  gradus parity adam norm --all-devices\n  \
                        gradus parity --plan digits          the whole model, dispatch by dispatch")]
pub struct Parity {
    /// The kernels to compare; all where there are none.
    #[arg(value_name = "KERNEL", help = "The kernels to compare [default: all]")]
    pub kernels: Vec<String>,
    /// A config whose whole plan is run in lockstep.
    #[arg(
        long,
        value_name = "CONFIG|NAME",
        conflicts_with = "kernels",
        help = "Run a config's whole plan on both and name the first dispatch that differs"
    )]
    pub plan: Option<PathBuf>,
    /// Whether every adapter is compared.
    #[arg(long, conflicts_with = "device", help = "Compare every adapter, software ones too")]
    pub all_devices: bool,
    /// The device to compare.
    #[arg(long, value_name = "D", help = "vulkan, metal, dx12, or part of an adapter's name [default: auto]")]
    pub device: Option<String>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print one JSON object for each kernel and adapter")]
    pub json: bool,
}

/// `gradus check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus check iris.toml\n  gradus check digits --set model.hidden=[4096,4096] --device vulkan")]
pub struct Check {
    /// The config: a file, or the name of a built-in data set.
    #[arg(value_name = "CONFIG|NAME", help = CONFIG)]
    pub config: PathBuf,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = SET)]
    pub sets: Vec<String>,
    /// The column to predict.
    #[arg(long, value_name = "NAME", help = TARGET)]
    pub target: Option<String>,
    /// The device, instead of the config's.
    #[arg(long, value_name = "D", help = DEVICE)]
    pub device: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_option_arrives_in_its_field() {
        let Ok(Command::Train(train)) =
            parse("gradus train digits --set optimizer.lr=3e-4 --set train.epochs=5 --device cpu --out r --overwrite --json -q")
        else {
            panic!("a training")
        };
        assert_eq!(train.config, Some(PathBuf::from("digits")));
        assert_eq!(train.sets, ["optimizer.lr=3e-4", "train.epochs=5"]);
        assert_eq!((train.device.as_deref(), train.out), (Some("cpu"), Some(PathBuf::from("r"))));
        assert!(train.overwrite && train.json && train.quiet && train.profile.is_none());
        for (line, wanted) in [("--profile", None), ("--profile a.json", Some("a.json")), ("--profile --json", None)] {
            let Ok(Command::Train(train)) = parse(&format!("gradus train digits {line}")) else { panic!("a training") };
            assert_eq!(train.profile, Some(wanted.map(PathBuf::from)), "{line}");
        }

        for (line, config, run) in [
            ("--resume runs/a", None, Some("runs/a")),
            ("digits --out a --resume", Some("digits"), None),
            ("digits --resume runs/a --force", Some("digits"), Some("runs/a")),
        ] {
            let Ok(Command::Train(train)) = parse(&format!("gradus train {line}")) else { panic!("a training") };
            assert_eq!((train.config, train.resume), (config.map(PathBuf::from), Some(run.map(PathBuf::from))), "{line}");
        }
        for line in ["", "digits --force", "digits --resume --overwrite"] {
            assert!(parse(&format!("gradus train {line}")).is_err(), "{line}");
        }

        let Ok(Command::Predict(predict)) = parse("gradus predict runs/a new.csv --proba --out p.csv --device NVIDIA") else {
            panic!("a prediction")
        };
        assert_eq!((predict.run, predict.data), (PathBuf::from("runs/a"), PathBuf::from("new.csv")));
        assert_eq!((predict.out, predict.proba, predict.device.as_deref()), (Some(PathBuf::from("p.csv")), true, Some("NVIDIA")));

        let Ok(Command::Eval(eval)) = parse("gradus eval runs/a") else { panic!("an evaluation") };
        assert_eq!((eval.data, eval.json), (None, false));

        let Ok(Command::Parity(parity)) = parse("gradus parity adam norm --all-devices --json") else { panic!("a comparison") };
        assert_eq!(parity.kernels, ["adam", "norm"]);
        assert!(parity.all_devices && parity.json && parity.plan.is_none());

        let Ok(Command::Check(check)) = parse("gradus check a.toml --set seed=1") else { panic!("a check") };
        assert_eq!((check.config, check.sets), (PathBuf::from("a.toml"), vec!["seed=1".to_owned()]));
        assert!(matches!(parse("gradus devices --json"), Ok(Command::Devices(Devices { json: true }))));
    }

    #[test]
    fn wrong_usage_is_refused_with_exit_code_2() {
        for (line, kind) in [
            ("gradus", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ("gradus train", ErrorKind::MissingRequiredArgument),
            ("gradus tran digits", ErrorKind::InvalidSubcommand),
            ("gradus train digits --sett a=1", ErrorKind::UnknownArgument),
            ("gradus train digits --set", ErrorKind::InvalidValue),
            ("gradus train --profile digits", ErrorKind::ValueValidation),
            ("gradus eval", ErrorKind::MissingRequiredArgument),
            ("gradus predict run", ErrorKind::MissingRequiredArgument),
            ("gradus parity --all-devices --device cpu", ErrorKind::ArgumentConflict),
            ("gradus parity adam --plan digits", ErrorKind::ArgumentConflict),
            ("gradus bench --batches 16,,32", ErrorKind::ValueValidation),
            ("gradus bench --batches -1", ErrorKind::UnknownArgument),
            ("gradus bench --export xml", ErrorKind::InvalidValue),
            ("gradus bench --epochs 2 --seconds 3", ErrorKind::ArgumentConflict),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}");
        }
    }

    #[test]
    fn the_help_names_every_command_and_every_built_in_data_set() {
        let help = Arguments::command().render_help().to_string();
        for command in [
            "train",
            "new",
            "inspect",
            "eval",
            "predict",
            "export",
            "devices",
            "doctor",
            "completions",
            "man",
            "parity",
            "check",
            "lr-find",
            "gradcheck",
            "bench",
            "plot",
            "report",
            "compare",
        ] {
            assert!(help.contains(&format!("\n  {command} ")), "{command} is not in\n{help}");
        }
        for set in crate::cli::config::BuiltIn::all() {
            assert!(CONFIG.contains(set.name()), "{} is not in the help of CONFIG", set.name());
        }
    }
}
