//! Event files, as TensorBoard reads them: scalars and histograms over the steps of a training.

mod message;

use crc::{CRC_32_ISCSI, Crc};
use message::{Event, Histogram, Number, Summary, Value, What};
use prost::Message as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is written while a training goes on.
///
/// ```
/// use gradus::tensorboard::EventFile;
/// # fn main() -> std::io::Result<()> {
/// let folder = std::env::temp_dir().join("gradus-tensorboard-example");
/// let mut file = EventFile::create(&folder)?;
/// for step in 0..10u64 {
///     file.scalars(step, &[("loss/train".to_string(), 1.0 / (1.0 + step as f64))])?;
/// }
/// file.histograms(10, &[("weights/0".to_string(), &[-0.5, 0.0, 0.25])])?;
/// file.flush()?;
/// # std::fs::remove_dir_all(folder)
/// # }
/// ```
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    to: BufWriter<File>,
}

/// Buckets of a histogram.
const BUCKETS: usize = 30;

impl EventFile {
    /// A new file in a folder, which is made where it is not there. The name says when it was made and by which process.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("events.out.tfevents.{:010}.gradus.{}", now() as u64, std::process::id()));
        let mut file = EventFile { to: BufWriter::new(File::create(&path)?), path };
        file.event(0, What::FileVersion("brain.Event:2".to_string()))?;
        file.flush()?;
        Ok(file)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers at a step, each with its tag. TensorBoard groups tags by what is before their first `/`.
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> io::Result<()> {
        let value = |(tag, value): &(String, f64)| Value { tag: tag.clone(), number: Some(Number::Simple(*value as f32)) };
        self.event(step, What::Summary(Summary { value: values.iter().map(value).collect() }))
    }

    /// How numbers are distributed at a step, in 30 buckets between the smallest and the largest; those that are not finite are left out.
    pub fn histograms(&mut self, step: u64, values: &[(String, &[f32])]) -> io::Result<()> {
        let value =
            |(tag, values): &(String, &[f32])| Value { tag: tag.clone(), number: Some(Number::Histogram(Histogram::of(values, BUCKETS))) };
        self.event(step, What::Summary(Summary { value: values.iter().map(value).collect() }))
    }

    /// Hands everything to the operating system, so that a TensorBoard that is running sees it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn event(&mut self, step: u64, what: What) -> io::Result<()> {
        let event = Event { wall_time: now(), step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(what) };
        record(&mut self.to, &event.encode_to_vec())
    }
}

/// A record as `TFRecord` frames it: length, its checksum, the bytes, their checksum.
fn record(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    to.write_all(&length)?;
    to.write_all(&masked(&length).to_le_bytes())?;
    to.write_all(bytes)?;
    to.write_all(&masked(bytes).to_le_bytes())
}

/// CRC-32C, turned by 15 bits and moved by a constant, so that a checksum of data that hold checksums is not degenerate.
fn masked(bytes: &[u8]) -> u32 {
    const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|time| time.as_secs_f64()).unwrap_or_default()
}
