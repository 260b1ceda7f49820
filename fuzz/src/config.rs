//! Configs: read, written and read again; and where one is sound, the training that it describes, made for built-in data, and its first step.

use super::disk;
use gradus::cli::config::{BuiltIn, Config, Source};
use gradus::data::{Dataset, Preprocessor, Scaling, Targets};
use gradus::{Device, Result};

/// What the training may take of the host's memory.
const MEMORY: u64 = 32 << 20;
/// An embedding, a norm and a few dense layers; deeper ones take long to plan, not to refuse.
const MOST_LAYERS: usize = 40;

pub(super) fn text(bytes: &[u8]) {
    let Ok(config) = Config::load(disk::file("config.toml", bytes), &[]) else { return };
    let written = config.to_toml();
    let again = Config::load(disk::file("config.toml", written.as_bytes()), &[]);
    let again = again.unwrap_or_else(|e| panic!("what was written cannot be read: {e}\n{written}"));
    assert_eq!(again.to_toml(), written);
    let _ = config.check_files();
    for data in [Dataset::iris(), Dataset::sine(40, 7)] {
        let _ = first_step(&config, &data.view((0..40).collect()));
    }
}

fn first_step(config: &Config, data: &Dataset) -> Result<()> {
    // the files that it names are not those of the folder in memory
    let mut config = config.clone();
    config.data.source = Source::BuiltIn(BuiltIn::Iris);
    config.data.scale = Scaling::None;
    config.model.from = None;
    if config.model.layers().len() > MOST_LAYERS {
        return Ok(());
    }
    let target = if matches!(data.table().targets(), Targets::Classes { .. }) { "species" } else { "y" };
    let preprocess = Preprocessor::of_numbers(data.table(), target, None);
    let device = Device::Cpu.open()?.with_threads(1).with_memory(MEMORY);
    let first = config.trainer(&preprocess)?.build_on(device)?.first_step(data)?;
    assert!(first.compiled.plan.memory() <= MEMORY);
    Ok(())
}
