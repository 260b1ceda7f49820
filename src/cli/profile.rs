//! What `gradus train --profile` leaves: a table on stderr, a trace in a file.

use super::progress::thousands;
use crate::error::{Error, Result};
use crate::profile::{DispatchSum, Profile};
use crate::train::StartTimes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The trace of a run, in its folder where no other file is named.
pub(super) const TRACE: &str = "trace.json";

/// The file for the trace, if one is wanted. It is made at once: training that can't be written down later is not begun.
pub(super) fn trace_file(asked: Option<&Option<PathBuf>>, folder: &Path) -> Result<Option<PathBuf>> {
    let own = folder.join(TRACE);
    let file = match asked {
        None => {
            // of the run that this one replaces
            return match std::fs::remove_file(&own) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&own, e)),
                _ => Ok(None),
            };
        }
        Some(named) => named.clone().unwrap_or(own),
    };
    std::fs::File::create(&file).map_err(|e| Error::io(&file, e))?;
    Ok(Some(file))
}

/// Reads the argument of `--profile`: a name that ends in `.json`, so that the config is not taken for it.
pub(super) fn json_file(text: &str) -> std::result::Result<PathBuf, String> {
    if text.ends_with(".json") {
        Ok(PathBuf::from(text))
    } else {
        Err("the trace is a file whose name ends in .json; write the config before --profile".to_string())
    }
}

/// Writes the trace.
pub(super) fn write_trace(file: &Path, profile: &Profile) -> Result<()> {
    std::fs::write(file, profile.to_chrome_trace()).map_err(|e| Error::io(file, e))
}

/// `start 0.41 s: device 0.12, plan 0.00, pipelines 0.10, upload 0.05, first step 0.14`
pub(super) fn start_line(start: &StartTimes) -> String {
    let StartTimes { device, plan, pipelines, upload, first_step } = start;
    let first = first_step.map(|seconds| format!(", first step {seconds:.2}")).unwrap_or_default();
    format!("start {:.2} s: device {device:.2}, plan {plan:.2}, pipelines {pipelines:.2}, upload {upload:.2}{first}", start.total())
}

/// The same in JSON, in seconds.
pub(super) fn start_json(start: &StartTimes) -> Value {
    let StartTimes { device, plan, pipelines, upload, first_step } = start;
    json!({"device": device, "plan": plan, "pipelines": pipelines, "upload": upload, "first_step": first_step})
}

/// What the dispatches came to, for the manifest.
pub(super) fn to_json(profile: &Profile) -> Value {
    let sum = |d: &DispatchSum| {
        json!({"program": d.program, "kernel": d.entry, "for": d.label, "calls": d.calls, "seconds": d.seconds, "share": d.share,
            "gflops": d.gflops(), "gigabytes": d.gigabytes()})
    };
    profile.dispatches.iter().map(sum).collect()
}

/// The lines of the table: a program a block, its dispatches in the order in which they run.
pub(super) fn table(profile: &Profile) -> Vec<String> {
    let widest =
        |of: fn(&DispatchSum) -> &str, least: usize| profile.dispatches.iter().map(|d| of(d).chars().count()).fold(least, usize::max);
    let (entry, label) = (widest(|d| d.entry, 6), widest(|d| &d.label, 3));
    let mut lines = whole(profile);
    let mut program = "";
    for d in &profile.dispatches {
        if d.program != program {
            program = d.program;
            let of = || profile.dispatches.iter().filter(|d| d.program == program);
            let (steps, seconds) = (of().map(|d| d.calls).max().unwrap_or(0), of().map(|d| d.seconds).sum::<f64>());
            let steps_timed = if steps == 1 { "1 step".to_string() } else { format!("{steps} steps") };
            let micros = thousands(1e6 * seconds / steps.max(1) as f64);
            // the first step of all, in which software drivers compile, says nothing of the others
            let others = || profile.others.iter().filter(|o| o.program == program).skip(1);
            let (rest, seconds) = others().fold((0, 0.0), |(steps, seconds), o| (steps + o.steps, seconds + o.seconds));
            let rest = match rest {
                0 => String::new(),
                _ => format!("; {} more, {} µs each", thousands(rest as f64), thousands(1e6 * seconds / rest as f64)),
            };
            lines.push(format!("{program}: {steps_timed} timed, {micros} µs each{rest}"));
            lines.push(format!(
                "    {:entry$}  {:label$}  {:>6}  {:>9}  {:>10}  {:>6}  {:>8}  {:>7}",
                "kernel", "for", "calls", "total ms", "mean µs", "share", "GFLOP/s", "GB/s"
            ));
        }
        lines.push(format!(
            "    {:entry$}  {:label$}  {:>6}  {:>9.2}  {:>10.1}  {:>5.1}%  {:>8.2}  {:>7.2}",
            d.entry,
            d.label,
            d.calls,
            1e3 * d.seconds,
            1e6 * d.mean(),
            100.0 * d.share,
            d.gflops(),
            d.gigabytes()
        ));
    }
    lines
}

/// A line for each program whose steps are done whole: they have no dispatches to be timed one by one.
fn whole(profile: &Profile) -> Vec<String> {
    let mut sums: Vec<(&str, usize, f64)> = Vec::new();
    for o in profile.others.iter().filter(|o| profile.dispatches.iter().all(|d| d.program != o.program)) {
        match sums.iter_mut().find(|(program, ..)| *program == o.program) {
            Some((_, steps, seconds)) => (*steps, *seconds) = (*steps + o.steps, *seconds + o.seconds),
            None => sums.push((o.program, o.steps, o.seconds)),
        }
    }
    let line = |&(program, steps, seconds): &(&str, usize, f64)| {
        format!("{program}: {} steps, done whole, {:.1} µs each", thousands(steps as f64), 1e6 * seconds / steps.max(1) as f64)
    };
    sums.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::StepsSpan;

    #[test]
    fn the_table_has_a_block_for_each_program() {
        let sum = |program, entry, label: &str, calls, seconds, share, flops, bytes| DispatchSum {
            program,
            entry,
            label: label.into(),
            calls,
            seconds,
            share,
            flops,
            bytes,
        };
        let dispatches = vec![
            sum("train", "dense_forward_8x16", "layer 0", 2, 0.004, 0.8, 6_000_000, 1_000_000),
            sum("train", "adam", "update", 2, 0.001, 0.2, 500_000, 4_000_000),
            sum("eval", "gather", "batch", 1, 0.002, 1.0, 1_000, 2_000_000),
        ];
        let profile = Profile {
            device: "a device".into(),
            host: vec![],
            dispatches,
            spans: vec![],
            others: [(1, 0.5), (40, 0.09), (10, 0.01)]
                .map(|(steps, seconds)| StepsSpan { program: "train", steps, start: 0.0, seconds })
                .to_vec(),
        };
        // 100 ms for 50 steps are 2,000 µs each, the very first step left out
        // 4 ms and 1 ms in 2 steps are 2,500 µs each; 6·10⁶ FLOP and 10⁶ bytes in 2 ms are 3 GFLOP/s and 0.5 GB/s; 0.5 and 4 in 0.5 ms are 1 and 8
        let wanted = [
            "train: 2 steps timed, 2,500 µs each; 50 more, 2,000 µs each",
            "    kernel              for       calls   total ms     mean µs   share   GFLOP/s     GB/s",
            "    dense_forward_8x16  layer 0       2       4.00      2000.0   80.0%      3.00     0.50",
            "    adam                update        2       1.00       500.0   20.0%      1.00     8.00",
            "eval: 1 step timed, 2,000 µs each",
            "    kernel              for       calls   total ms     mean µs   share   GFLOP/s     GB/s",
            "    gather              batch         1       2.00      2000.0  100.0%      0.00     1.00",
        ];
        assert_eq!(table(&profile), wanted);
        // 600 ms for 51 steps are 11,764.7 µs each
        let profile = Profile { dispatches: profile.dispatches[2..].to_vec(), ..profile };
        assert_eq!(table(&profile)[..2], ["train: 51 steps, done whole, 11764.7 µs each", wanted[4]]);
    }

    #[test]
    fn the_start_is_told_in_one_line() {
        let start = StartTimes { device: 0.125, plan: 0.25, pipelines: 0.5, upload: 1.0, first_step: None };
        assert_eq!(start_line(&start), "start 1.88 s: device 0.12, plan 0.25, pipelines 0.50, upload 1.00");
        let start = StartTimes { first_step: Some(2.0), ..start };
        assert_eq!(start_line(&start), "start 3.88 s: device 0.12, plan 0.25, pipelines 0.50, upload 1.00, first step 2.00");
        assert_eq!(start_json(&start)["first_step"], 2.0);
    }

    #[test]
    fn a_config_is_not_taken_for_the_trace() {
        assert_eq!(json_file("a/b.json"), Ok(PathBuf::from("a/b.json")));
        assert!(json_file("digits").unwrap_err().contains("before --profile"));
    }
}
