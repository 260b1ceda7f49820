//! The table of `gradus bench`: what was measured so far, as text, Markdown, CSV and JSON.

use super::Format;
use crate::bench::{Reached, Throughput};
use crate::cli::progress::thousands;
use crate::cli::train::device_json;
use crate::exec::{DeviceInfo, DeviceType};
use crate::plot::Rate;
use crate::train::StopAt;
use serde_json::{Value, json};

/// What is trained to, in words.
pub(super) struct Target {
    name: String,
    value: f64,
}

/// A row for each batch size.
pub(super) struct Table<'a> {
    name: String,
    device: &'a DeviceInfo,
    target: Option<Target>,
    rows: Vec<(Throughput, Option<Reached>)>,
}

impl<'a> Table<'a> {
    pub(super) fn new(name: &str, device: &'a DeviceInfo, target: Option<&StopAt>) -> Self {
        let target = target.map(|at| Target { name: at.monitor.to_string(), value: at.value });
        Table { name: name.to_string(), device, target, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, measured: Throughput, reached: Option<Reached>) {
        self.rows.push((measured, reached));
    }

    /// What the table is of.
    pub(super) fn title(&self) -> String {
        format!("{} on {}", self.name, self.device)
    }

    /// The points of the diagram.
    pub(super) fn rates(&self) -> Vec<Rate> {
        let rate = |measured: &Throughput| {
            let all = measured.samples_per_second();
            Rate { batch: measured.batch, median: all.median, min: all.min, max: all.max }
        };
        self.rows.iter().map(|row| rate(&row.0)).collect()
    }

    /// The newest row, in a line.
    pub(super) fn progress(&self) -> String {
        let Some((measured, _)) = self.rows.last() else { return String::new() };
        let all = measured.samples_per_second();
        format!("batch {}: {} samples/s, spread {:.1} %", measured.batch, thousands(all.median), 100.0 * all.spread())
    }

    /// What there is to warn of in the newest row.
    pub(super) fn warning(&self) -> Option<String> {
        let (measured, _) = self.rows.last()?;
        let (outliers, rates) = (measured.outliers(), measured.rates());
        let list: Vec<String> = outliers.iter().map(|&i| thousands(rates[i])).collect();
        (!list.is_empty()).then(|| {
            format!(
                "warning: batch {}: {} of {} rounds far from the others ({} samples/s): something else was running; close it and measure again, \
                 or use more --rounds",
                measured.batch,
                list.len(),
                rates.len(),
                list.join(", ")
            )
        })
    }

    /// The median rate over the fastest one, for each row.
    fn relative(&self) -> Vec<f64> {
        let rates: Vec<f64> = self.rows.iter().map(|row| row.0.samples_per_second().median).collect();
        let fastest = rates.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        rates.iter().map(|rate| rate / fastest).collect()
    }

    fn head(&self) -> Vec<String> {
        let head = ["batch", "samples/s", "min–max", "spread", "µs/step", "relative", "first step, s"].map(String::from);
        head.into_iter().chain(self.target.iter().map(|target| format!("{} {}, s", target.name, target.value))).collect()
    }

    /// The cells of the rows, for people.
    fn cells(&self) -> Vec<Vec<String>> {
        let cells = |((measured, reached), relative): (&(Throughput, Option<Reached>), f64)| {
            let all = measured.samples_per_second();
            let reached = reached.map(|reached| match reached.seconds {
                Some(seconds) => format!("{seconds:.2}"),
                None => format!("not in {} epoch{}", reached.epochs, if reached.epochs == 1 { "" } else { "s" }),
            });
            let cells = [
                measured.batch.to_string(),
                thousands(all.median),
                format!("{}–{}", thousands(all.min), thousands(all.max)),
                format!("{:.1} %", 100.0 * all.spread()),
                format!("{:.1}", measured.microseconds_per_step()),
                format!("{relative:.2}"),
                format!("{:.3}", measured.first_step_seconds),
            ];
            cells.into_iter().chain(reached).collect()
        };
        self.rows.iter().zip(self.relative()).map(cells).collect()
    }

    /// Aligned, for a terminal.
    pub(super) fn text(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(self.head()).chain(self.cells()).collect();
        let wide: Vec<usize> = (0..lines[0].len()).map(|i| lines.iter().map(|line| line[i].chars().count()).fold(0, usize::max)).collect();
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().zip(&wide).map(|(cell, &wide)| format!("{cell:>wide$}")).collect();
            cells.join("  ") + "\n"
        };
        lines.iter().map(line).collect()
    }

    /// In a format for a file.
    pub(super) fn export(&self, format: Format) -> String {
        match format {
            Format::Md => self.markdown(),
            Format::Csv => self.csv(),
            Format::Json => format!("{:#}\n", Value::Array(self.lines())),
        }
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rules = vec!["---:".to_string(); self.head().len()];
        let rows: String = self.cells().iter().map(|cells| line(cells)).collect();
        format!("{}\n\n{}{}{rows}", self.title(), line(&self.head()), line(&rules))
    }

    /// The members of the JSON lines as columns, those of the device and the target at their end.
    fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let flat = |line: &Value| {
            let mut cells: Vec<(String, String)> = Vec::new();
            for (name, value) in line.as_object().into_iter().flatten() {
                match value {
                    Value::Object(inner) => cells.extend(inner.iter().map(|(key, value)| (format!("{name}_{key}"), cell(value)))),
                    value => cells.push((name.clone(), cell(value))),
                }
            }
            cells
        };
        for (i, line) in self.lines().iter().enumerate() {
            let cells = flat(line);
            // a vector takes all that is written
            if i == 0 {
                let _ = writer.write_record(cells.iter().map(|cell| &cell.0));
            }
            let _ = writer.write_record(cells.iter().map(|cell| &cell.1));
        }
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// One object for each row.
    pub(super) fn lines(&self) -> Vec<Value> {
        let line = |((measured, reached), relative): (&(Throughput, Option<Reached>), f64)| {
            let all = measured.samples_per_second();
            let mut line = json!({
                "batch": measured.batch,
                "samples_per_second": all.median,
                "us_per_step": measured.microseconds_per_step(),
                "spread": all.spread(),
                "min": all.min,
                "max": all.max,
                "relative": relative,
                "rounds": measured.rounds.len(),
                "steps_per_round": measured.rounds.first().map(|round| round.steps),
                "rows": measured.rows,
                "outliers": measured.outliers().len(),
                "first_step_seconds": measured.first_step_seconds,
                // the CPU path's host does all there is
                "host_share": (self.device.kind != DeviceType::Cpu).then(|| measured.host_share()),
                "name": self.name,
                "device": device_json(self.device),
            });
            if let (Some(reached), Some(target)) = (reached, &self.target) {
                line["target"] =
                    json!({"metric": target.name, "value": target.value, "seconds": reached.seconds, "epochs": reached.epochs});
            }
            line
        };
        self.rows.iter().zip(self.relative()).map(line).collect()
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Round;
    use crate::train::Monitor;

    fn device(kind: DeviceType) -> DeviceInfo {
        DeviceInfo { name: "a, b".into(), backend: "vulkan".into(), kind, driver: "d".into() }
    }

    /// Rounds of 320 rows in ten steps.
    fn measured(batch: usize, seconds: &[f64]) -> Throughput {
        let round = |&seconds: &f64| Round { steps: 10, rows: 320, seconds, host_seconds: 0.5 * seconds };
        Throughput { batch, rows: 320, rounds: seconds.iter().map(round).collect(), first_step_seconds: 0.25 }
    }

    fn filled(device: &DeviceInfo) -> Table<'_> {
        let mut table = Table::new("digits", device, Some(&StopAt { monitor: Monitor::TrainLoss, value: 0.1 }));
        // 320 rows in 40, 32 and 20 ms: 8,000, 10,000 and 16,000 a second
        table.push(measured(32, &[0.04, 0.032, 0.02]), Some(Reached { seconds: Some(1.5), epochs: 3 }));
        table.push(measured(64, &[0.016; 3]), Some(Reached { seconds: None, epochs: 9 }));
        table
    }

    #[test]
    fn the_text_is_aligned() {
        let device = device(DeviceType::Discrete);
        assert_eq!(
            filled(&device).text(),
            "batch  samples/s        min–max  spread  µs/step  relative  first step, s  train_loss 0.1, s\n   \
             32     10,000   8,000–16,000  80.0 %   3200.0      0.50          0.250               1.50\n   \
             64     20,000  20,000–20,000   0.0 %   3200.0      1.00          0.250    not in 9 epochs\n"
        );
    }

    #[test]
    fn markdown_and_csv_say_the_same() {
        let device = device(DeviceType::Discrete);
        let markdown = filled(&device).export(Format::Md);
        let lines: Vec<&str> = markdown.lines().collect();
        assert_eq!(lines[0], "digits on a, b (vulkan, discrete, d)");
        assert_eq!(lines[3], "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        assert_eq!(lines[4], "| 32 | 10,000 | 8,000–16,000 | 80.0 % | 3200.0 | 0.50 | 0.250 | 1.50 |");
        let csv = filled(&device).export(Format::Csv);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let at = |row: usize, name: &str| rows[row][header.iter().position(|h| h == name).unwrap()].to_string();
        for (row, name, wanted) in [
            (0, "batch", "32"),
            (0, "samples_per_second", "10000.0"),
            (0, "min", "8000.0"),
            (0, "relative", "0.5"),
            (0, "host_share", "0.5"),
            (0, "device_name", "a, b"),
            (0, "target_seconds", "1.5"),
            (1, "target_seconds", ""),
            (1, "target_epochs", "9"),
        ] {
            assert_eq!(at(row, name), wanted, "{name} in\n{csv}");
        }
    }

    #[test]
    fn json_has_what_the_contract_names() {
        let device = device(DeviceType::Cpu);
        let lines = filled(&device).lines();
        // (16,000 − 8,000) / 10,000
        assert_eq!((&lines[0]["spread"], &lines[0]["batch"], &lines[0]["us_per_step"]), (&json!(0.8), &json!(32), &json!(3200.0)));
        assert_eq!((&lines[1]["relative"], &lines[1]["target"]["seconds"]), (&json!(1.0), &Value::Null));
        assert_eq!(lines[0]["host_share"], Value::Null);
        let array: Value = serde_json::from_str(&filled(&device).export(Format::Json)).unwrap();
        assert_eq!(array.as_array().unwrap(), &lines);
    }

    #[test]
    fn a_round_far_from_the_others_is_warned_of() {
        let device = device(DeviceType::Cpu);
        let mut table = Table::new("digits", &device, None);
        table.push(measured(32, &[0.02, 0.02, 0.02]), None);
        assert_eq!(table.warning(), None);
        // 320 rows in 80 ms
        table.push(measured(64, &[0.02, 0.08, 0.02, 0.02, 0.02]), None);
        let warning = table.warning().unwrap();
        assert!(warning.contains("batch 64: 1 of 5 rounds far from the others (4,000 samples/s)"), "{warning}");
        assert_eq!(table.head().len(), 7);
    }
}
